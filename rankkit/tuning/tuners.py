"""Which oracle a search asks, and with which settings."""

from typing import Any

import keras_tuner as kt
import numpy as np

from rankkit._errors import invalid, unknown
from rankkit.tuning import oracles
from rankkit.tuning.journaled import Journaled
from rankkit.tuning.space import Space

_ORACLES = {
    "random": oracles.RandomSearch,
    "bayesian": oracles.BayesianOptimization,
    "hyperband": oracles.Hyperband,
    "grid": oracles.GridSearch,
}


class _PaddedInt(int):
    """A number that keras-tuner pads trial ids for by four digits, however small it is now."""

    def __str__(self) -> str:
        return f"{int(self):04d}"


def spread(seed: int) -> int:
    """Makes the seed of an oracle, which is far from that of any other seed.

    keras-tuner draws its next value with the next seed: 43 would give the trials of 42, each a bit
    later. And it takes 0 for none.
    """
    return 1 + int(np.random.SeedSequence(seed).generate_state(1)[0]) % 2**30


def make_oracle(
    tuner: str,
    space: Space,
    *,
    max_trials: int,
    epochs: int,
    seed: int,
    **kwargs: Any,
) -> Journaled:
    """Makes the oracle of a search.

    Args:
        tuner: A name in `_ORACLES`.
        space: What is searched.
        max_trials: How many trials there may be, all in all.
        epochs: The most that a trial is trained for.
        seed: Chooses what is random.
        **kwargs: Further keyword arguments of `keras_tuner.Oracle`.

    Raises:
        ValueError: If the tuner is unknown, or takes more trials than there may be.
    """
    if tuner not in _ORACLES:
        raise unknown("tuner", tuner, _ORACLES)
    if tuner == "grid":
        space = space.on_grid(max_trials)
    hyperparameters = kt.HyperParameters()
    space.declare(hyperparameters)
    kwargs.update(seed=spread(seed), space=space, hyperparameters=hyperparameters)
    if tuner == "hyperband":
        return _hyperband(space, max_trials, epochs, kwargs)
    kwargs["max_trials"] = _PaddedInt(max_trials)
    if tuner == "bayesian":
        # The first are drawn at random; with keras-tuner's own number few would be left.
        kwargs["num_initial_points"] = 1 + 2 * len(space.searched)
    made = _ORACLES[tuner](**kwargs)
    made.expected_trials = max_trials if (size := space.size) is None else min(size, max_trials)
    return made


def _hyperband(
    space: Space, max_trials: int, epochs: int, kwargs: dict[str, Any]
) -> oracles.Hyperband:
    """The schedule with the most trials that there may be; each bracket is run once."""
    if "epochs" in space.domains:
        fix = "Leave epochs out of the space: Hyperband decides on them."
        raise invalid("tuner", "hyperband", "another one when epochs are searched", fix)
    sizes = []
    for factor in range(3, 11):
        oracle = oracles.Hyperband(max_epochs=epochs, factor=factor, **kwargs)
        brackets = range(oracle._get_num_brackets())
        size = sum(oracle._get_size(b, round_num) for b in brackets for round_num in range(b + 1))
        sizes.append(size)
        if size > max_trials:
            continue
        drawn = sum(oracle._get_size(bracket, 0) for bracket in brackets)
        if space.size is not None and space.size < drawn:
            fix = f"It draws {drawn} combinations of values. Let the grid try them all."
            raise invalid("tuner", "hyperband", f"another one where there are {space.size}", fix)
        oracle.expected_trials = size
        return oracle
    fix = "Allow more trials, fewer epochs, or take another tuner."
    raise invalid("max_trials", max_trials, f"at least {min(sizes)} for Hyperband", fix)
