"""Median stopping rule."""

import math
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import keras_tuner as kt
import tensorflow as tf

EARLIEST = 4  # epochs before any trial is judged: all are far from their best
JUDGES = 3  # trials by which another is judged, at least
LONGEST_WAIT = 600.0  # seconds for trials before it, whose worker may be lost


def rungs_of(epochs: int) -> list[int]:
    """Gives the epochs after which trials are judged: a fifth and two fifths of the most.

    Args:
        epochs: The most that a trial is trained for.
    """
    rungs = {math.ceil(epochs / 5), math.ceil(2 * epochs / 5)}
    return sorted(rung for rung in rungs if rung >= EARLIEST)


class Pruning:
    """What the trials had reached at the rungs, and which of them are to end there.

    A trial ends where its best is worse than the median of the bests that those which began before
    it had by the same epoch: the median stopping rule. It waits for those that are still running,
    so that what ends does not depend on how many run at a time.

    Args:
        objective: What is best.

    References:
        Golovin et al., Google Vizier: a service for black-box optimization, KDD 2017.
    """

    def __init__(self, objective: kt.Objective):
        self._objective = objective
        self.reached: dict[str, dict[int, float]] = {}  # trial to rung to the best until then
        self.reasons: dict[str, str] = {}  # of the trials that are behind

    def begin(self, trial_id: str) -> None:
        """Forgets what a trial had reached, as it is run again.

        Args:
            trial_id: The trial.
        """
        self.reached[trial_id] = {}
        self.reasons.pop(trial_id, None)

    def judge(
        self, trial_id: str, rung: int, value: float, ended: Mapping[str, float | None]
    ) -> str:
        """Notes what a trial has reached, and tells how it is to go on.

        Args:
            trial_id: The trial.
            rung: After how many epochs.
            value: Its best until then.
            ended: The trials that have ended, each with its best if it has one.

        Returns:
            A status of keras-tuner: RUNNING to go on, STOPPED to end, IDLE to ask again.
        """
        self.reached[trial_id][rung] = value
        before = {each: there for each, there in self.reached.items() if each < trial_id}
        if any(rung not in there for each, there in before.items() if each not in ended):
            return "IDLE"
        bests = [there.get(rung, ended.get(each)) for each, there in before.items()]
        others = [best for best in bests if best is not None]
        if len(others) < JUDGES:
            return "RUNNING"
        median = statistics.median(others)
        if value == median or self._objective.better_than(value, median):
            return "RUNNING"
        self.reasons[trial_id] = (
            f"{value:.4f} after {rung} epochs is behind {median:.4f}, the median of "
            f"{len(others)} trials before it"
        )
        return "STOPPED"


class EndBehind(tf.keras.callbacks.Callback):
    """Ends a trial at a rung if it is told so.

    Args:
        rungs: Epochs after which to ask.
        objective: What is best.
        ask: Gives the status of the trial, from a rung and the best until then.
    """

    def __init__(
        self, rungs: Collection[int], objective: kt.Objective, ask: Callable[[int, float], str]
    ):
        super().__init__()
        self._rungs = rungs
        self._objective = objective
        self._ask = ask
        self._best = math.nan
        self.ended = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = (logs or {})[self._objective.name]
        if math.isnan(self._best) or self._objective.better_than(value, self._best):
            self._best = value
        if epoch + 1 in self._rungs:
            asked = time.monotonic()
            while (status := self._ask(epoch + 1, self._best)) == "IDLE":
                if time.monotonic() > asked + LONGEST_WAIT:
                    return
                time.sleep(0.05)
            if status == "STOPPED":
                self.ended = self.model.stop_training = True
