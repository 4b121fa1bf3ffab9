"""Ends trials early that are behind the ones before them."""

import math
import statistics
import time
from collections.abc import Callable, Collection
from typing import Any

import keras_tuner as kt
import tensorflow as tf

EARLIEST = 4  # epochs before any trial is judged: all are far from their best
JUDGES = 3  # trials by which another is judged, at least
LONGEST_WAIT = 600.0  # seconds for trials before it, whose worker may be lost


def rungs_of(epochs: int) -> list[int]:
    """Gives the epochs after which trials are judged: an eighth, a quarter and half of the most.

    Args:
        epochs: The most that a trial is trained for.
    """
    rungs = {math.ceil(epochs / share) for share in (8, 4, 2)}
    return sorted(rung for rung in rungs if EARLIEST <= rung < epochs)


class Pruning:
    """What the trials had reached at the rungs, and which of them are to end there.

    A trial ends where it is worse than the median of what those that began before it had reached
    after as many epochs. The ones that have ended by then do not count, so that the bar rises, as
    in asynchronous successive halving. A trial waits for those that are still running: what ends
    does not depend on how many run at a time.

    Args:
        objective: What is best.
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

    def judge(self, trial_id: str, rung: int, value: float, running: Collection[str]) -> str:
        """Notes what a trial has reached, and tells how it is to go on.

        Args:
            trial_id: The trial.
            rung: After how many epochs.
            value: Its best until then.
            running: The trials that have not ended.

        Returns:
            A status of keras-tuner: RUNNING to go on, STOPPED to end, IDLE to ask again.
        """
        self.reached[trial_id][rung] = value
        before = {each: there for each, there in self.reached.items() if each < trial_id}
        if any(rung not in there for each, there in before.items() if each in running):
            return "IDLE"
        others = [there[rung] for there in before.values() if rung in there]
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
