"""Which ids get vectors: measured on held-out examples before sampling starts."""

import dataclasses
import functools
import threading
from typing import Any

import numpy as np

from rankkit.bayesian.design import Design
from rankkit.bayesian.gibbs import Chain, run_in_parallel

MIN_EXAMPLES = 10  # of an id with a vector, where vectors of all ids do harm
_HELD_OUT = 0.1
_MIN_HELD_OUT = 10  # examples; fewer show nothing
_SIGNIFICANT = 2.0  # standard errors
_BURN_IN, _NUM_SAMPLES = 20, 20


@dataclasses.dataclass(frozen=True)
class Choice:
    """A candidate: vectors of all ids, of frequent ids, or none.

    Attributes:
        dim: Dimension of the vectors; 0 for biases alone.
        min_examples: Number of examples from which an id has a vector.
        rmse: Error on held-out examples, for standardized labels; NaN if it was not measured.
    """

    dim: int
    min_examples: int = 1
    rmse: float = float("nan")

    def __str__(self) -> str:
        if self.dim == 0:
            return "biases alone"
        rare = f"of ids with at least {self.min_examples} rows"
        return f"vectors {rare if self.min_examples > 1 else 'of all ids'}"


def candidates(design: Design, dim: int) -> list[Choice]:
    """Returns the candidates for a design, the one with the most vectors first."""
    if dim == 0 or design.num_groups < 2:
        return [Choice(dim)]
    found = [Choice(dim), Choice(0)]
    counts = [np.bincount(each.indices) for each in design.entities]
    frequent = {
        each.group
        for each, of in zip(design.entities, counts, strict=True)
        if of.max() >= MIN_EXAMPLES
    } | {each.group for each in design.fields if each.group is not None}
    has_rare = any(((of > 0) & (of < MIN_EXAMPLES)).any() for of in counts)
    if has_rare and len(frequent) > 1:  # otherwise the same as one of the others
        found.insert(1, Choice(dim, MIN_EXAMPLES))
    return found


def compare(
    design: Design, choices: list[Choice], num_chains: int, seed: np.random.SeedSequence
) -> list[Choice]:
    """Measures the candidates on held-out examples, and returns the best first.

    Vectors of all ids are chosen unless biases alone have a lower error, or vectors of frequent ids
    a significantly lower one; then the better of these two.

    Each candidate is sampled by two chains `a` and `b`, whose errors of sampling are independent:
    the mean product of their residuals estimates the squared error of the mean of infinitely many
    chains, the mean of their squares that of one chain. That of `num_chains` lies between.
    """
    first, *seeds = seed.spawn(1 + 2 * len(choices))
    held_out = np.random.default_rng(first).random(len(design.labels)) < _HELD_OUT
    if len(choices) == 1 or held_out.sum() < _MIN_HELD_OUT:
        return choices
    residuals = run_in_parallel(
        [
            functools.partial(_residuals, design, choices[number // 2], held_out, each)
            for number, each in enumerate(seeds)
        ]
    )
    squares = [  # squared error of each held-out example
        ((a**2 + b**2) / 2 + (num_chains - 1) * a * b) / num_chains
        for a, b in zip(residuals[::2], residuals[1::2], strict=True)
    ]
    rmse = np.sqrt([max(each.mean(), 0) for each in squares])
    measured = [
        dataclasses.replace(choice, rmse=float(error))
        for choice, error in zip(choices, rmse, strict=True)
    ]
    every, *simpler = measured
    difference = squares[0] - squares[1]
    standard_error = difference.std() / np.sqrt(len(difference))
    is_worse = len(simpler) > 1 and difference.mean() > _SIGNIFICANT * standard_error
    ranked = sorted(simpler, key=lambda choice: choice.rmse)
    return [*ranked, every] if is_worse or every.rmse >= rmse[-1] else [every, *ranked]


def _residuals(
    design: Design, choice: Choice, held_out: np.ndarray, seed: Any, stop: threading.Event
) -> np.ndarray:
    """Returns the label minus the mean score of each held-out example."""
    chain = Chain(
        design, choice.dim, seed=seed, min_examples=choice.min_examples, held_out=held_out
    )
    total = np.zeros(held_out.sum())
    for sweep in range(_BURN_IN + _NUM_SAMPLES):
        if stop.is_set():
            break
        chain.sweep()
        if sweep >= _BURN_IN:
            total += chain.state.residual[held_out]
    return total / _NUM_SAMPLES
