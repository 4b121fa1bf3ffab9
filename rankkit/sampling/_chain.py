"""A Gibbs sampler of factorization machines."""

from typing import Any

import numpy as np

from rankkit.sampling._design import Design
from rankkit.sampling._owner_draws import OwnerDraws
from rankkit.sampling._slot_draws import BiasDraws, SlotDraws
from rankkit.sampling._state import State


class Chain:
    """Draws factorization machines from their posterior given rows.

    Args:
        design: The rows.
        dim: Width of the vectors.
        noise_freedom: Degrees of freedom of the weights of the sources of noise.
        seed: Of all draws, as `numpy.random.default_rng` takes it.
    """

    def __init__(self, design: Design, dim: int, *, noise_freedom: float, seed: Any):
        rng = np.random.default_rng(seed)
        self.design = design
        self.noise_freedom = noise_freedom
        self.state = State(design, dim, rng)
        self.owners = [OwnerDraws(each, dim, rng) for each in design.owners]
        self.slots = [
            BiasDraws(each, rng) if each.group is None else SlotDraws(each, each.group, dim, rng)
            for each in design.slots
        ]
        for block in (*self.owners, *self.slots):
            block.begin(self.state)

    def sweep(self) -> None:
        """Draws everything once, each part given the others."""
        self.state.draw_noise(self.design.sources, self.noise_freedom)
        self.state.draw_constant()
        for block in (*self.owners, *self.slots):
            block.draw(self.state)
