"""Memory of the host, and what weights and optimizers need of it."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

from rankkit.utils.errors import invalid
from rankkit.utils.tensorflow import has_servers

_CONTAINER = Path("/sys/fs/cgroup/memory.max")  # of Linux, where a limit is set


def machine_bytes() -> float:
    """The memory that a process can have: of the machine, or of its container if that is less."""
    if not hasattr(os, "sysconf"):  # Windows
        return math.inf
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CONTAINER.read_text().strip() if _CONTAINER.is_file() else "max"
    return min(there, int(limit)) if limit.isdecimal() else there


def bytes_of(weights: Iterable[Any]) -> int:
    """Gives the bytes of weights."""
    return sum(math.prod(each.shape) * tf.as_dtype(each.dtype).size for each in weights)


def slots_of(optimizer: Any) -> int:
    """Gives how many numbers an optimizer keeps for each number of a weight.

    Args:
        optimizer: A Keras optimizer; it is left as it is.
    """
    optimizer = type(optimizer).from_config(optimizer.get_config())
    weight = tf.Variable(tf.zeros((2, 3)))
    if hasattr(optimizer, "build"):
        optimizer.build([weight])
        kept = optimizer.variables
    else:  # a legacy one makes them with the first step
        optimizer.apply_gradients([(tf.zeros((2, 3)), weight)])
        kept = optimizer.variables()
    return sum(each.shape == weight.shape for each in kept)


def check_table(layer: str, num_rows: int, width: int) -> None:
    """Refuses a table that the machine has no memory for.

    Raises:
        ValueError: If it has not.
    """
    _check(4 * num_rows * width, f"the {num_rows:,} x {width} table of layer {layer!r}")


def check_training(weights: Iterable[Any], optimizer: Any) -> None:
    """Refuses to train what the machine has no memory for, before the optimizer takes any.

    Raises:
        ValueError: If it has not.
    """
    needed = bytes_of(weights) * (1 + slots_of(optimizer))
    _check(needed, f"the weights and what {type(optimizer).__name__} keeps of them")


def _check(needed: int, what: str) -> None:
    if has_servers(tf.distribute.get_strategy()):  # whose memory is not this machine's
        return
    there = machine_bytes()
    if needed > there:
        fix = (
            "Leave rare ids out (rankkit.data.vocabulary has a min_count), let ids share rows, "
            "or make embedding_dim smaller."
        )
        expected = f"at most {there / 2**30:.1f}, which the machine has"
        raise invalid(f"GiB for {what}", f"{needed / 2**30:.1f}", expected, fix)
