"""Markov chain of Gibbs sweeps over the parameters of a factorization machine."""

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

import numpy as np

from rankkit.bayesian.design import Design
from rankkit.bayesian.fields import BiasUpdate, EntityUpdate, FieldUpdate, VectorUpdate
from rankkit.bayesian.state import State, row_dots


class Chain:
    """Samples factorization machines from their posterior given the training data.

    Examples that are `held_out`, `(examples,)`, are predicted only.
    """

    def __init__(self, design: Design, dim: int, *, seed: Any, held_out: np.ndarray | None = None):
        rng = np.random.default_rng(seed)
        self.state = State(design, rng, held_out)
        self.entities = [
            (EntityUpdate if each.attributes else FieldUpdate)(each, dim, rng)
            for each in design.entities
        ]
        self.fields = [
            BiasUpdate(each, rng) if each.group is None else FieldUpdate(each, dim, rng)
            for each in design.fields
        ]
        blocks = [*self.entities, *self.fields]
        interacting = [block for block in blocks if isinstance(block, VectorUpdate)]
        for block in interacting:
            block.connect(interacting)
        for one, other in itertools.combinations(interacting, 2):
            if one.group != other.group:  # biases start from zero
                vectors = (each.vectors[each.indices, 1:] for each in (one, other))
                self.state.residual -= row_dots(*vectors)

    def sweep(self) -> None:
        """Samples all parameters once, each block given the others."""
        self.state.sample_noise()
        self.state.sample_bias()
        for block in (*self.entities, *self.fields):
            block.update(self.state)


Result = TypeVar("Result")


def run_in_parallel(jobs: Sequence[Callable[[threading.Event], Result]]) -> list[Result]:
    """Runs one job per core at a time; an error in one, or Ctrl-C, sets the event of all."""
    stop = threading.Event()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(job, stop) for job in jobs]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            stop.set()
    return [future.result() for future in futures]
