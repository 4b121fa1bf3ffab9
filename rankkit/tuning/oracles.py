"""keras-tuner's oracles, with a journal from which an interrupted search is replayed.

An oracle of keras-tuner is a function of its seed and of what became of the trials. Its own files
leave part of that out (the grid's place, the generator of the Bayesian search), and a process that
is killed leaves them in disagreement. So they are written for those who read them, and a search
goes on from the journal: a new oracle is asked and told all over again, which takes no training.
"""

import time
import warnings
from pathlib import Path
from typing import Any

import keras_tuner as kt

from rankkit._errors import invalid
from rankkit.tuning.hyperparameters import without_tuners_own
from rankkit.tuning.journal import Journal

FAILURE = "failure.txt"  # in a trial's folder: the reason in one line, then the stack


class Journaled(kt.Oracle):
    """What the oracles have in common; goes before a class of keras-tuner among the bases."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.verbose = 0  # keras-tuner's own display, in whose place there is our progress
        self.journal: Journal | None = None
        self.progress: Any = None
        self.begun: dict[str, dict[str, Any]] = {}  # trial to its last event of that kind
        self.ended: dict[str, dict[str, Any]] = {}
        self.expected_trials = 0  # at most
        self.stopped_by: str | None = None  # the reason of the last of too many failures
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
                self.requeue()
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
                self.end_trial(trial)
                self.ended[trial.trial_id] = event

    def write_to(self, journal: Journal, progress: Any) -> None:
        """Writes to the journal from now on; trials that were running are run again.

        Args:
            journal: The journal, whose events have been replayed.
            progress: Is told of each trial.
        """
        if journal.size:
            self.requeue()
            journal.append({"event": "resume", "time": time.time()})
        self.journal, self.progress = journal, progress

    def requeue(self) -> None:
        """Has the trials that were running run again, the first of them first."""
        running = sorted(trial.trial_id for trial in self.ongoing_trials.values())
        self._retry_queue.extend(reversed(running))
        self.ongoing_trials = {}
        self.tuner_ids = set()

    @kt.synchronized
    def create_trial(self, tuner_id: str) -> Any:
        again = tuner_id in self.ongoing_trials
        trial = super().create_trial(tuner_id)
        if self.journal and trial.status == "RUNNING" and not again:
            self._write(self.begun, "begin", trial, tuner=tuner_id)
            self.progress.begin(self, trial)
        return trial

    @kt.synchronized
    def update_trial(self, trial_id: str, metrics: dict[str, Any], step: int = 0) -> Any:
        if trial_id in self.ended:
            return self.trials[trial_id]
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
        message, metrics = trial.message, self._reported.pop(trial_id, {})
        stopped_by = self.stopped_by
        super().end_trial(trial)
        if self.journal and self.stopped_by == stopped_by:
            told = {"status": status, "metrics": metrics, "message": message}
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

    def _write(self, place: dict[str, Any], kind: str, trial: Any, **more: Any) -> None:
        values = trial.hyperparameters.values
        event = {"event": kind, "trial": trial.trial_id, "time": time.time(), "values": values}
        place[trial.trial_id] = {**event, **more}
        assert self.journal is not None
        self.journal.append(place[trial.trial_id])

    def table(self) -> list[dict[str, Any]]:
        """Gives one row for each trial that has ended or is running, in the order of their ids."""
        return [self._row(self.trials[trial_id]) for trial_id in sorted(self.trials)]

    def _row(self, trial: Any) -> dict[str, Any]:
        begun = self.begun.get(trial.trial_id, {})
        ended = self.ended.get(trial.trial_id, {})
        epochs = ended.get("metrics", {}).get("epochs")
        seconds = ended["time"] - begun["time"] if ended and begun else None
        return {
            "trial": trial.trial_id,
            "status": trial.status,
            "score": float(trial.score) if trial.status == "COMPLETED" else None,
            "best_epoch": None if epochs is None else round(epochs),
            "seconds": None if seconds is None else round(seconds, 3),
            "worker": begun.get("tuner"),
            "message": trial.message.splitlines()[0] if trial.message else None,
            **without_tuners_own(trial.hyperparameters.values),
        }


class RandomSearch(Journaled, kt.oracles.RandomSearchOracle):
    """Values drawn at random."""


class BayesianOptimization(Journaled, kt.oracles.BayesianOptimizationOracle):
    """Values where a Gaussian process over the trials so far expects the best."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
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
