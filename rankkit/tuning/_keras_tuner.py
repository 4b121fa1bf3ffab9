"""Adapter to keras-tuner: the only module that uses its private attributes.

Of `keras_tuner.Oracle`:

- `tuner_ids`, `end_order`: undocumented, the workers and the ids of ended trials in order;
- `_retry_queue`: ids of trials to run again, taken from its end;
- `_seed_state`: seed of the next random value;
- `_random_values()`: values for a random trial, `None` after too many duplicates;
- `_duplicate(values)`: whether a trial already has the values;
- `_check_consecutive_failures()`: called by `end_trial`;
- `_get_trial_dir(trial_id)`: folder of a trial.

Of `keras_tuner.oracles.BayesianOptimizationOracle`:

- `_random_state`: NumPy's generator of the starting points of the acquisition's optimizer;
- `_random_populate_space()`: the result of `populate_space` with random values.

Of `keras_tuner.oracles.HyperbandOracle`:

- `_get_num_brackets()`, `_get_size(bracket, round)`: the schedule.

Of `keras_tuner.Tuner`:

- `_try_run_and_update_trial(trial, ...)`: called by `search` for each trial;
- `_run_and_update_trial(trial, ...)`: runs a trial and reports its metrics to the oracle;
- `_get_checkpoint_fname(trial_id)`: where `load_model` reads the weights from.

Besides, trial ids are padded with zeros to the length of `str(max_trials)`, and a tuner reloads
its state if its folder has a file `<tuner id>.json`.
"""

from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np


class OracleAdapter(kt.Oracle):
    """Public names for the private attributes of keras-tuner's oracles; the first of the bases."""

    @property
    def seed_state(self) -> int:
        """Seed of the next random value."""
        return self._seed_state

    @seed_state.setter
    def seed_state(self, value: int) -> None:
        self._seed_state = value

    def trial_folder(self, trial_id: str) -> Path:
        """The folder of a trial, which is created if missing."""
        return Path(self._get_trial_dir(trial_id))

    def requeue_running(self) -> None:
        """Adds the running trials to the retry queue, in their order."""
        running = sorted(trial.trial_id for trial in self.ongoing_trials.values())
        self._retry_queue.extend(reversed(running))
        self.ongoing_trials = {}
        self.tuner_ids = set()

    def remove_from_queue(self, trial_id: str) -> None:
        """Removes a trial from the retry queue."""
        if trial_id in self._retry_queue:
            self._retry_queue.remove(trial_id)

    def stop_creating_trials(self) -> None:
        """Stops the search: no worker gets another trial."""
        self.max_trials = len(self.trials)
        self._retry_queue = []

    def last_ended(self, count: int) -> list[Any]:
        """The trials that ended last, in order."""
        return [self.trials[trial_id] for trial_id in self.end_order[-count:]]

    def is_duplicate(self, values: dict[str, Any]) -> bool:
        """Whether a trial already has these values."""
        return self._duplicate(values)

    def sample_values(self) -> dict[str, Any] | None:
        """Random values, or `None` after too many duplicates."""
        return super()._random_values()

    def _random_values(self) -> dict[str, Any] | None:
        return self.sample_values()

    def check_failures(self) -> None:
        """Called when a trial has ended; stops the search after too many failures in a row."""
        super()._check_consecutive_failures()

    def _check_consecutive_failures(self) -> None:
        self.check_failures()


def random_generator(oracle: kt.oracles.BayesianOptimizationOracle) -> np.random.RandomState:
    """The random generator of a Bayesian oracle's starting points."""
    return oracle._random_state


def random_response(oracle: kt.oracles.BayesianOptimizationOracle) -> dict[str, Any]:
    """The result of `populate_space` for the initial random trials of a Bayesian oracle."""
    return oracle._random_populate_space()


def hyperband_sizes(oracle: kt.oracles.HyperbandOracle) -> list[list[int]]:
    """The number of trials in each round of each bracket."""
    brackets = range(oracle._get_num_brackets())
    return [[oracle._get_size(b, round_num) for round_num in range(b + 1)] for b in brackets]


class PaddedTrials(int):
    """A `max_trials` by which keras-tuner pads trial ids to four digits, so that it can grow."""

    def __str__(self) -> str:
        return f"{int(self):04d}"


class TunerAdapter(kt.Tuner):
    """Public names for the private methods of keras-tuner's tuners."""

    def checkpoint_path(self, trial_id: str) -> str:
        """Path of a trial's weights, as keras-tuner's `load_model` reads them."""
        return self._get_checkpoint_fname(trial_id)

    def run_and_report(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        """Runs a trial and reports its metrics to the oracle."""
        self._run_and_update_trial(trial, *args, **kwargs)

    def try_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        """Runs a trial and sets its status."""
        super()._try_run_and_update_trial(trial, *args, **kwargs)

    def _try_run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        self.try_trial(trial, *args, **kwargs)


def delete_tuner_state(folder: Path, tuner_id: str) -> None:
    """Deletes the state that a new tuner would reload."""
    (folder / f"{tuner_id}.json").unlink(missing_ok=True)
