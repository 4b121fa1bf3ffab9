"""Oracles of keras-tuner that replay a journal."""

import random
import time
import warnings
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np

from rankkit.tuning.journal import Journal
from rankkit.tuning.pruning import Pruning
from rankkit.tuning.space import Space
from rankkit.utils.errors import invalid, unknown

FAILURE = "failure.txt"  # in a trial's folder: the reason in one line, then the stack


class Journaled(kt.Oracle):
    """What the oracles have in common; goes before a class of keras-tuner among the bases.

    Args:
        space: What is searched.
        **kwargs: Keyword arguments of `keras_tuner.Oracle`.
    """

    def __init__(self, space: Space, **kwargs: Any):
        super().__init__(**kwargs)
        self.space = space
        self.verbose = 0  # keras-tuner's own display, in whose place there is our progress
        self.journal: Journal | None = None
        self.progress: Any = None
        self.begun: dict[str, dict[str, Any]] = {}  # trial to its last event of that kind
        self.ended: dict[str, dict[str, Any]] = {}
        self.expected_trials = 0  # at most
        self.stopped_by: str | None = None  # the reason of the last of too many failures
        self.is_complete = False
        self.pruning = Pruning(self.objective)
        self._reported: dict[str, dict[str, Any]] = {}

    def replay(self, events: list[dict[str, Any]]) -> None:
        """Lives through the events of a journal.

        Raises:
            ValueError: If it holds more trials than there may be.
            RuntimeError: If it would have chosen other values for a trial.
        """
        there = len({event["trial"] for event in events if event["event"] == "begin"})
        if self.max_trials and there > self.max_trials:
            expected = f"at least {there}: the directory has so many already"
            raise invalid("max_trials", int(self.max_trials), expected)
        for event in events:
            if event["event"] == "resume":
                self.stopped_by, self.is_complete = None, False
                self.requeue()
            elif event["event"] == "stopped":
                self.stopped_by = event["message"]
            elif event["event"] == "complete":
                self.is_complete = event["max_trials"] == self.max_trials
            elif event["event"] == "begin":
                trial = self.create_trial(event["tuner"])
                self.begun[trial.trial_id] = event
                if trial.hyperparameters.values != event["values"]:
                    raise RuntimeError(
                        f"Trial {event['trial']} was begun with {event['values']}, and now would "
                        f"be trial {trial.trial_id} with {trial.hyperparameters.values}. This "
                        "search cannot go on: begin a new one in another directory."
                    )
            else:
                trial = self.trials[event["trial"]]
                if event["metrics"]:
                    self.update_trial(trial.trial_id, event["metrics"])
                trial.status, trial.message = event["status"], event["message"]
                self.pruning.reached[trial.trial_id] = dict(event["reached"])
                self.end_trial(trial)
                self.ended[trial.trial_id] = event

    def write_to(self, journal: Journal, progress: Any) -> None:
        """Writes to the journal from now on; trials that were running are run again.

        Args:
            journal: The journal, whose events have been replayed.
            progress: Is told of each trial.
        """
        if journal.size and not self.is_complete:
            self.requeue()
            journal.append({"event": "resume", "time": time.time()})
        self.journal, self.progress, self.stopped_by = journal, progress, None

    def requeue(self) -> None:
        """Has the trials that were running run again, the first of them first."""
        running = sorted(trial.trial_id for trial in self.ongoing_trials.values())
        self._retry_queue.extend(reversed(running))
        self.ongoing_trials = {}
        self.tuner_ids = set()

    @kt.synchronized
    def create_trial(self, tuner_id: str) -> Any:
        again = tuner_id in self.ongoing_trials
        drawn = self._seed_state
        trial = super().create_trial(tuner_id)
        if trial.status != "RUNNING":
            self._seed_state = drawn  # such an answer is not in the journal
        if trial.status == "RUNNING" and not again:
            self.pruning.begin(trial.trial_id)
            if self.journal:
                self._write(self.begun, "begin", trial, tuner=tuner_id)
                self.progress.begin(self, trial)
        complete = trial.status == "STOPPED" and not self.ongoing_trials and not self.stopped_by
        if self.journal and complete and not self.is_complete:
            self.is_complete = True
            event = {"event": "complete", "time": time.time(), "max_trials": self.max_trials}
            self.journal.append(event)
        return trial

    def _random_values(self) -> dict[str, Any] | None:
        values = super()._random_values()
        if values is None and self.space.size is not None:
            # keras-tuner gives up after 20 draws of what was tried. Here is what is left.
            untried = [each for each in self.space.combinations() if not self._duplicate(each)]
            return random.Random(self._seed_state).choice(untried) if untried else None
        return values

    @kt.synchronized
    def update_trial(self, trial_id: str, metrics: dict[str, Any], step: int = 0) -> Any:
        if trial_id in self.ended:
            return self.trials[trial_id]
        if step:  # a rung; the results themselves come without
            name = self.objective.name
            ended = {each: event["metrics"].get(name) for each, event in self.ended.items()}
            status = self.pruning.judge(trial_id, int(step), float(metrics[name]), ended)
            return kt.engine.trial.Trial(self.get_space(), trial_id, status)
        self._reported[trial_id] = {name: float(value) for name, value in metrics.items()}
        return super().update_trial(trial_id, metrics, step)

    @kt.synchronized
    def end_trial(self, trial: Any) -> None:
        trial_id, status = trial.trial_id, trial.status
        # A worker that has outlived its chief may end a trial that is to be run again, or was.
        if trial_id in self.ended:
            return
        if trial_id in self._retry_queue:
            self._retry_queue.remove(trial_id)
        # As they were chosen: keras-tuner's messages between processes round them.
        trial.hyperparameters = self.trials[trial_id].hyperparameters
        failure = Path(self._get_trial_dir(trial_id)) / FAILURE
        if status == "COMPLETED":
            failure.unlink(missing_ok=True)  # of a run before this one
        elif failure.exists():
            trial.message = failure.read_text()
        if status == "COMPLETED":
            trial.message = trial.message or self.pruning.reasons.get(trial_id)
        message, metrics = trial.message, self._reported.pop(trial_id, {})
        stopped_by = self.stopped_by
        super().end_trial(trial)
        if self.journal and self.stopped_by == stopped_by:
            reached = list(self.pruning.reached[trial_id].items())
            told = {"status": status, "metrics": metrics, "message": message, "reached": reached}
            self._write(self.ended, "end", self.trials[trial_id], **told)
            self.progress.end(self, self.trials[trial_id])

    def _check_consecutive_failures(self) -> None:
        # An error would reach the worker that asks, and leave a chief waiting for ever. So the
        # trials are declared to be at their end, and the last failure to be none: when its reason
        # is mended, the same search goes on with it.
        last = [self.trials[i] for i in self.end_order[-self.max_consecutive_failed_trials :]]
        failed = [trial for trial in last if trial.status == "FAILED"]
        many = len(failed) == self.max_consecutive_failed_trials
        if self.journal and many and self.stopped_by is None:
            self.stopped_by = failed[-1].message or "no reason given"
            self.max_trials = len(self.trials)
            self._retry_queue = []
            self.journal.append(
                {"event": "stopped", "time": time.time(), "message": self.stopped_by}
            )

    def _write(self, place: dict[str, Any], kind: str, trial: Any, **more: Any) -> None:
        values = trial.hyperparameters.values
        event = {"event": kind, "trial": trial.trial_id, "time": time.time(), "values": values}
        place[trial.trial_id] = {**event, **more}
        assert self.journal is not None
        self.journal.append(place[trial.trial_id])


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


_ORACLES = {
    "random": RandomSearch,
    "bayesian": BayesianOptimization,
    "hyperband": Hyperband,
    "grid": GridSearch,
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


def _hyperband(space: Space, max_trials: int, epochs: int, kwargs: dict[str, Any]) -> Hyperband:
    """The schedule with the most trials that there may be; each bracket is run once."""
    if "epochs" in space.domains:
        fix = "Leave epochs out of the space: Hyperband decides on them."
        raise invalid("tuner", "hyperband", "another one when epochs are searched", fix)
    sizes = []
    for factor in range(3, 11):
        oracle = Hyperband(max_epochs=epochs, factor=factor, **kwargs)
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
