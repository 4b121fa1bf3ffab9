"""keras-tuner's oracles with a journal that is replayed when a search resumes."""

import random
import time
import warnings
from typing import Any

import keras_tuner as kt
import numpy as np

from rankkit.tuning._keras_tuner import (
    OracleAdapter,
    PaddedTrials,
    hyperband_sizes,
    random_generator,
    random_response,
)
from rankkit.tuning.journal import Journal, damaged
from rankkit.tuning.pruning import MedianStopping
from rankkit.tuning.space import Space
from rankkit.utils.errors import check_choice, invalid

FAILURE = "failure.txt"  # in a trial's folder: the reason in one line, then the traceback
# The fields that `replay` needs of each kind of event.
_FIELDS: dict[str, set[str]] = {
    "resume": set(),
    "stopped": {"message"},
    "complete": {"max_trials"},
    "begin": {"trial", "tuner", "values"},
    "end": {"trial", "metrics", "status", "message", "reached"},
}


class JournaledOracle(OracleAdapter):
    """Base of all oracles: writes events to the journal and replays them."""

    def __init__(self, space: Space, **kwargs: Any):
        super().__init__(**kwargs)
        self.space = space
        self.verbose = 0  # no display of keras-tuner's own
        self.journal: Journal | None = None
        self.progress: Any = None
        self.started: dict[str, dict[str, Any]] = {}  # trial to the event of its last start
        self.ended: dict[str, dict[str, Any]] = {}  # trial to the event of its end
        self.expected_trials = 0  # at most
        self.stopped_by: str | None = None  # reason of the last of too many failures in a row
        self.is_complete = False  # whether all trials have ended
        self.pruning = MedianStopping(self.objective)
        self._reported: dict[str, dict[str, Any]] = {}

    def replay(self, events: list[dict[str, Any]], path: Any = "the journal") -> None:
        """Repeats the events of the journal at `path`, which restores the state of the oracle."""
        for number, event in enumerate(events, 1):
            fields = _FIELDS.get(str(event.get("event"))) if isinstance(event, dict) else None
            if fields is None or not fields <= set(event):
                raise damaged(path, number, "it is not an event of a search")
        count = len({str(event["trial"]) for event in events if event["event"] == "begin"})
        if self.max_trials and count > self.max_trials:
            expected = f"at least {count}, the number of trials already in the directory"
            fix = "Increase it, or use another directory."
            raise invalid("max_trials", int(self.max_trials), expected, fix)
        for number, event in enumerate(events, 1):
            try:
                reason = self._replay_event(event)
            except (AttributeError, TypeError, ValueError, OverflowError) as error:
                raise damaged(path, number, error) from None
            if reason:
                raise damaged(path, number, f"{reason}: a line before it is missing or changed")

    def _replay_event(self, event: dict[str, Any]) -> str | None:
        """Repeats one event; returns why it does not follow from those before it."""
        if event["event"] == "resume":
            self.stopped_by, self.is_complete = None, False
            self.requeue_running()
        elif event["event"] == "stopped":
            self.stopped_by = event["message"]
        elif event["event"] == "complete":
            if open_trials := set(self.trials) - set(self.ended):
                return f"the search is complete, but trial {min(open_trials)} has not ended"
            self.is_complete = event["max_trials"] == self.max_trials
        elif event["event"] == "begin":
            if event["tuner"] in self.ongoing_trials:
                return f"{event['tuner']} begins a trial before the end of its last one"
            trial = self.create_trial(event["tuner"])
            self.started[trial.trial_id] = event
            found = trial.trial_id, trial.hyperparameters.values
            if found != (event["trial"], event["values"]):
                return (
                    f"it has trial {event['trial']} with {event['values']}, but the oracle now "
                    f"chooses {found[1]} for trial {found[0]}"
                )
        elif event["trial"] not in self.trials or event["trial"] in self.ended:
            how = "twice" if event["trial"] in self.ended else "without a start"
            return f"trial {event['trial']} ends {how}"
        else:
            trial = self.trials[event["trial"]]
            if event["metrics"]:
                self.update_trial(trial.trial_id, event["metrics"])
            trial.status, trial.message = event["status"], event["message"]
            self.pruning.reached[trial.trial_id] = dict(event["reached"])
            self.end_trial(trial)
            self.ended[trial.trial_id] = event
        return None

    def write_to(self, journal: Journal, progress: Any) -> None:
        """Writes to the replayed journal from now on; interrupted trials are run again."""
        self.journal, self.progress, self.stopped_by = journal, progress, None
        if journal.size and not self.is_complete:
            self.requeue_running()
            self._write("resume")

    @kt.synchronized
    def create_trial(self, tuner_id: str) -> Any:
        is_running = tuner_id in self.ongoing_trials
        seed_state = self.seed_state
        trial = super().create_trial(tuner_id)
        if trial.status != "RUNNING":
            self.seed_state = seed_state  # only new trials are in the journal
        if trial.status == "RUNNING" and not is_running:
            self.pruning.start(trial.trial_id)
            if self.journal:
                self.started[trial.trial_id] = self._write("begin", trial, tuner=tuner_id)
                self.progress.start(self, trial)
        complete = trial.status == "STOPPED" and not self.ongoing_trials and not self.stopped_by
        if self.journal and complete and not self.is_complete:
            self.is_complete = True
            self._write("complete", max_trials=self.max_trials)
        return trial

    def sample_values(self) -> dict[str, Any] | None:
        values = super().sample_values()
        if values is None and self.space.size is not None:
            # keras-tuner gives up after 20 duplicates: sample from the remaining combinations.
            untried = [each for each in self.space.combinations() if not self.is_duplicate(each)]
            return random.Random(self.seed_state).choice(untried) if untried else None
        return values

    @kt.synchronized
    def update_trial(self, trial_id: str, metrics: dict[str, Any], step: int = 0) -> Any:
        if trial_id in self.ended:
            return self.trials[trial_id]
        if step:  # at a rung; results are reported without a step
            name = self.objective.name
            ended = {each: event["metrics"].get(name) for each, event in self.ended.items()}
            status = self.pruning.judge(trial_id, int(step), float(metrics[name]), ended)
            return kt.engine.trial.Trial(self.get_space(), trial_id, status)
        self._reported[trial_id] = {name: float(value) for name, value in metrics.items()}
        return super().update_trial(trial_id, metrics, step)

    @kt.synchronized
    def end_trial(self, trial: Any) -> None:
        trial_id, status = trial.trial_id, trial.status
        # A worker that outlived its chief may end a trial that was queued or run again.
        if trial_id in self.ended:
            return
        self.remove_from_queue(trial_id)
        # keras-tuner's messages between processes round the values.
        trial.hyperparameters = self.trials[trial_id].hyperparameters
        failure = self.trial_folder(trial_id) / FAILURE
        if status == "COMPLETED":
            failure.unlink(missing_ok=True)  # of an earlier run
            trial.message = trial.message or self.pruning.reasons.get(trial_id)
        elif self.journal and failure.exists():  # a replayed event has its message
            trial.message = failure.read_text()
        message, metrics = trial.message, self._reported.pop(trial_id, {})
        stopped_by = self.stopped_by
        super().end_trial(trial)
        if self.journal and self.stopped_by == stopped_by:
            reached = list(self.pruning.reached[trial_id].items())
            result = {"status": status, "metrics": metrics, "message": message, "reached": reached}
            self.ended[trial_id] = self._write("end", trial, **result)
            self.progress.end(self, self.trials[trial_id])

    def check_failures(self) -> None:
        # An error here would be raised in a worker, and leave the chief waiting forever. Instead
        # no more trials are created, and the last failure is not recorded: once its cause is
        # fixed, the search resumes with that trial.
        last = self.last_ended(self.max_consecutive_failed_trials)
        failed = [trial for trial in last if trial.status == "FAILED"]
        too_many = len(failed) == self.max_consecutive_failed_trials
        if self.journal and too_many and self.stopped_by is None:
            self.stopped_by = failed[-1].message or "no reason given"
            self.stop_creating_trials()
            self._write("stopped", message=self.stopped_by)

    def _write(self, kind: str, trial: Any = None, **more: Any) -> dict[str, Any]:
        assert self.journal is not None
        event = {"event": kind, "time": time.time(), **more}
        if trial is not None:
            event |= {"trial": trial.trial_id, "values": trial.hyperparameters.values}
        self.journal.append(event)
        return event


class RandomSearch(JournaledOracle, kt.oracles.RandomSearchOracle):
    """Random values."""


class BayesianOptimization(JournaledOracle, kt.oracles.BayesianOptimizationOracle):
    """Values with the best upper confidence bound of a Gaussian process."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        if not self.space.searched:
            return random_response(self)
        generator = random_generator(self)
        state = generator.get_state()
        with warnings.catch_warnings():
            # After a handful of trials the length scale is at its bound.
            warnings.filterwarnings("ignore", message="The optimal value found for dimension")
            response = super().populate_space(trial_id)
        # With the same seed, the process would only suggest tried values again.
        if response["values"] and self.is_duplicate(response["values"]):
            response = random_response(self)
        if response["status"] != "RUNNING":
            generator.set_state(state)  # only new trials are in the journal
        return response


class GridSearch(JournaledOracle, kt.oracles.GridSearchOracle):
    """All combinations of values."""


class Hyperband(JournaledOracle, kt.oracles.HyperbandOracle):
    """Many short trials, the best of which are trained for longer."""


_ORACLES = {
    "random": RandomSearch,
    "bayesian": BayesianOptimization,
    "hyperband": Hyperband,
    "grid": GridSearch,
}


def make_oracle(
    tuner: str, space: Space, *, max_trials: int, epochs: int, seed: int, **kwargs: Any
) -> JournaledOracle:
    """Makes the oracle of a search, without trials."""
    check_choice("tuner", tuner, _ORACLES)
    if tuner == "grid":
        space = space.on_grid(max_trials)
    hyperparameters = kt.HyperParameters()
    space.declare(hyperparameters)
    kwargs.update(seed=oracle_seed(seed), space=space, hyperparameters=hyperparameters)
    if tuner == "hyperband":
        return _make_hyperband(space, max_trials, epochs, kwargs)
    kwargs["max_trials"] = PaddedTrials(max_trials)
    if tuner == "bayesian":
        # Random initial trials; keras-tuner's default of three per dimension would be most of all.
        kwargs["num_initial_points"] = 1 + 2 * len(space.searched)
    oracle = _ORACLES[tuner](**kwargs)
    oracle.expected_trials = max_trials if (size := space.size) is None else min(size, max_trials)
    return oracle


def oracle_seed(seed: int) -> int:
    """Hashes a seed, so that consecutive seeds give unrelated trials."""
    # keras-tuner increments the seed for each value, so the trials of seed 43 would be those of
    # seed 42, shifted. It interprets 0 as no seed.
    return 1 + int(np.random.SeedSequence(seed).generate_state(1)[0]) % 2**30


def _make_hyperband(
    space: Space, max_trials: int, epochs: int, kwargs: dict[str, Any]
) -> Hyperband:
    """The largest schedule with at most `max_trials`; each bracket is run once."""
    if "epochs" in space.domains:
        raise ValueError(
            "tuner='hyperband' chooses the epochs of each trial, but epochs is in the space. "
            "Leave epochs out of the space, or use another tuner."
        )
    totals = []
    for factor in range(3, 11):
        oracle = Hyperband(max_epochs=epochs, factor=factor, **kwargs)
        sizes = hyperband_sizes(oracle)
        totals.append(sum(map(sum, sizes)))
        if totals[-1] > max_trials:
            continue
        num_sampled = sum(bracket[0] for bracket in sizes)
        if space.size is not None and space.size < num_sampled:
            expected = f"at least {num_sampled} for tuner='hyperband'"
            fix = "Use tuner='grid' to try them all."
            raise invalid("number of combinations of the space", space.size, expected, fix)
        oracle.expected_trials = totals[-1]
        return oracle
    fix = "Allow more trials, fewer epochs, or use another tuner."
    raise invalid("max_trials", max_trials, f"at least {min(totals)} for Hyperband", fix)
