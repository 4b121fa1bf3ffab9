"""An oracle with a journal, from which an interrupted search is replayed.

An oracle of keras-tuner is a function of its seed and of what became of the trials. Its own files
leave part of that out (the grid's place, the generator of the Bayesian search), and a process that
is killed leaves them in disagreement. So they are written for those who read them, and a search
goes on from the journal: a new oracle is asked and told all over again, which takes no training.
"""

import random
import time
from pathlib import Path
from typing import Any

import keras_tuner as kt

from rankkit._errors import invalid
from rankkit.tuning.journal import Journal
from rankkit.tuning.pruning import Pruning
from rankkit.tuning.space import Space

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
