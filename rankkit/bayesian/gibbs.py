"""Markov chain of Gibbs sweeps over the parameters of a factorization machine."""

from typing import Any

import numpy as np

from rankkit.bayesian.design import Design
from rankkit.bayesian.fields import BiasUpdate, EntityUpdate, FieldUpdate
from rankkit.bayesian.state import State


class Chain:
    """Samples factorization machines from their posterior given the training data.

    Args:
        design: The training data.
        dim: Dimension of the vectors.
        noise_dof: Degrees of freedom of the weights of the noise groups.
        seed: Seed, as for `numpy.random.default_rng`.
    """

    def __init__(self, design: Design, dim: int, *, noise_dof: float, seed: Any):
        rng = np.random.default_rng(seed)
        self.design = design
        self.noise_dof = noise_dof
        self.state = State(design, dim, rng)
        self.entities = [EntityUpdate(each, dim, rng) for each in design.entities]
        self.fields = [
            BiasUpdate(each, rng) if each.group is None else FieldUpdate(each, each.group, dim, rng)
            for each in design.fields
        ]
        for block in (*self.entities, *self.fields):
            if not isinstance(block, BiasUpdate):  # biases are initialized to zero
                block.start(self.state)

    def sweep(self) -> None:
        """Samples all parameters once, each block given the others."""
        self.state.sample_noise(self.design.noise_indices, self.noise_dof)
        self.state.sample_bias()
        for block in (*self.entities, *self.fields):
            block.update(self.state)
