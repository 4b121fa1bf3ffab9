"""keras-tuner's oracles, each with a journal."""

import warnings
from typing import Any

import keras_tuner as kt

from rankkit.tuning.journaled import Journaled


class RandomSearch(Journaled, kt.oracles.RandomSearchOracle):
    """Values drawn at random."""


class BayesianOptimization(Journaled, kt.oracles.BayesianOptimizationOracle):
    """Values where a Gaussian process over the trials so far expects the best."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if not self.space.searched:
            return self._random_populate_space()
        drawn = self._random_state.get_state()
        response = self._expected_best(trial_id)
        if response["status"] != "RUNNING":
            self._random_state.set_state(drawn)  # as the journal does not have it
        return response

    def _expected_best(self, trial_id: str) -> dict[str, Any]:
        with warnings.catch_warnings():
            # A handful of trials leaves the process's length scale at its bound.
            warnings.filterwarnings("ignore", message="The optimal value found for dimension")
            response = super().populate_space(trial_id)
        # With the same seed, what was tried would only give the same again.
        if response["values"] and self._duplicate(response["values"]):
            return self._random_populate_space()
        return response


class GridSearch(Journaled, kt.oracles.GridSearchOracle):
    """All combinations of values."""


class Hyperband(Journaled, kt.oracles.HyperbandOracle):
    """Many short trials, the best of which go on for longer."""
