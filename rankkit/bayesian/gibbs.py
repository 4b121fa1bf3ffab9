"""Chain of Gibbs sweeps."""

from typing import Any

import numpy as np

from rankkit.bayesian.design import Design
from rankkit.bayesian.fields import BiasDraws, OwnerDraws, SlotDraws
from rankkit.bayesian.state import State


class Chain:
    """Draws factorization machines from their posterior given rows.

    Args:
        design: The rows.
        dim: Width of the vectors.
        noise_dof: Degrees of freedom of the weights of the sources of noise.
        seed: Of all draws, as `numpy.random.default_rng` takes it.
    """

    def __init__(self, design: Design, dim: int, *, noise_dof: float, seed: Any):
        rng = np.random.default_rng(seed)
        self.design = design
        self.noise_dof = noise_dof
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
        self.state.draw_noise(self.design.sources, self.noise_dof)
        self.state.draw_constant()
        for block in (*self.owners, *self.slots):
            block.draw(self.state)
