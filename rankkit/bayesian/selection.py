"""Comparison of models with and without vectors on held-out examples, before sampling."""

import functools
import threading

import numpy as np

from rankkit.bayesian.design import Design
from rankkit.bayesian.gibbs import Chain, run_in_parallel

_HELD_OUT = 0.1
_MIN_HELD_OUT = 10  # examples; fewer show nothing
_BURN_IN, _NUM_SAMPLES = 20, 20


def held_out_errors(
    design: Design, dim: int, num_chains: int, seed: np.random.SeedSequence
) -> tuple[float, float] | None:
    """Returns the RMSE on held-out examples with vectors, and with biases alone.

    Each model is sampled by two chains `a` and `b`, whose errors of sampling are independent: the
    mean product of their residuals estimates the squared error of the mean of infinitely many
    chains, the mean of their squares that of one chain. That of `num_chains` lies between.
    """
    first, *seeds = seed.spawn(5)
    held_out = np.random.default_rng(first).random(len(design.labels)) < _HELD_OUT
    # Without vectors that interact, or with few examples, there is nothing to compare.
    if dim == 0 or design.num_groups < 2 or held_out.sum() < _MIN_HELD_OUT:
        return None
    jobs = [
        functools.partial(_residuals, design, each_dim, held_out, each)
        for each_dim, each in zip((dim, dim, 0, 0), seeds, strict=True)
    ]
    a, b, c, d = run_in_parallel(jobs)
    return _rmse(a, b, num_chains), _rmse(c, d, num_chains)


def _residuals(
    design: Design,
    dim: int,
    held_out: np.ndarray,
    seed: np.random.SeedSequence,
    stop: threading.Event,
) -> np.ndarray:
    """Returns the label minus the mean score of each held-out example."""
    chain = Chain(design, dim, seed=seed, held_out=held_out)
    total = np.zeros(held_out.sum())
    for sweep in range(_BURN_IN + _NUM_SAMPLES):
        if stop.is_set():
            break
        chain.sweep()
        if sweep >= _BURN_IN:
            total += chain.state.residual[held_out]
    return total / _NUM_SAMPLES


def _rmse(a: np.ndarray, b: np.ndarray, num_chains: int) -> float:
    """Returns the RMSE of the mean of several chains, given the residuals of two."""
    of_one, of_many = (a @ a + b @ b) / 2, a @ b
    total = (of_one + (num_chains - 1) * of_many) / num_chains
    return float(np.sqrt(max(total, 0) / len(a)))
