"""What sampling will take of the memory, told ahead."""

import math

from rankkit._errors import invalid
from rankkit._machine import machine_bytes
from rankkit.sampling._design import Design

_COPIES = 3  # of the draws, while they are made a network
_MATRICES = 5  # of each owner of a kind, while the regressions of its chain are solved


def check_memory(design: Design, num_chains: int, num_samples: int, width: int) -> None:
    """Refuses what the machine has no memory for.

    Args:
        design: What the chains learn from.
        num_chains: Chains at a time.
        num_samples: Draws that are kept of each.
        width: `1 + dim`.

    Raises:
        ValueError: If they take more memory than there is.
    """
    owners = [each.size for each in design.owners]
    slots = sum(each.size * (1 if each.group is None else width) for each in design.slots)
    drawn = _COPIES * num_chains * num_samples * (slots + width * sum(owners))
    solved = _MATRICES * num_chains * max(owners, default=0) * width**2
    needed, there = 4 * (drawn + solved), machine_bytes()
    if needed > there:
        name = f"GiB for {num_chains} chains of {num_samples} draws of width {width}"
        expected = f"at most {there / 2**30:.0f}, which the machine has"
        fix = "Draw fewer, make embedding_dim smaller, or leave rare ids out of the vocabularies."
        raise invalid(name, math.ceil(needed / 2**30), expected, fix)
