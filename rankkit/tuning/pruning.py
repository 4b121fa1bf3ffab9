"""Median stopping rule: prunes trials that are worse than earlier ones at the same epoch."""

import math
import statistics
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import keras_tuner as kt
import tensorflow as tf

MIN_RUNG = 4  # epochs before which no trial is pruned, as all are far from their best
MIN_TRIALS = 3  # earlier trials needed for a median
MAX_WAIT = 600.0  # seconds to wait for earlier trials, whose worker may be lost


def compute_rungs(epochs: int) -> list[int]:
    """The epochs after which trials are compared: 20 % and 40 % of the maximum."""
    rungs = {math.ceil(epochs / 5), math.ceil(2 * epochs / 5)}
    return sorted(rung for rung in rungs if rung >= MIN_RUNG)


class MedianStopping:
    """Decides at each rung whether a trial is pruned.

    A trial is pruned if its best value so far is worse than the median of the best values of
    earlier trials by the same epoch. It waits for earlier trials that are still running, so that
    the decision does not depend on the number of workers.

    References:
        Golovin et al., Google Vizier: a service for black-box optimization, KDD 2017.
    """

    def __init__(self, objective: kt.Objective):
        self._objective = objective
        self.reached: dict[str, dict[int, float]] = {}  # trial to rung to its best value by then
        self.reasons: dict[str, str] = {}  # of pruned trials

    def start(self, trial_id: str) -> None:
        """Adds a trial, or resets one that is run again."""
        self.reached[trial_id] = {}
        self.reasons.pop(trial_id, None)

    def judge(
        self, trial_id: str, rung: int, value: float, ended: Mapping[str, float | None]
    ) -> str:
        """Records a trial's best value at a rung and decides how it continues.

        `ended` has the best values of ended trials, `None` for failed ones. Returns a status of
        keras-tuner: RUNNING to continue, STOPPED to prune, IDLE to ask again.
        """
        self.reached[trial_id][rung] = value
        earlier = {each: rungs for each, rungs in self.reached.items() if each < trial_id}
        if any(rung not in rungs for each, rungs in earlier.items() if each not in ended):
            return "IDLE"
        bests = [rungs.get(rung, ended.get(each)) for each, rungs in earlier.items()]
        others = [best for best in bests if best is not None]
        if len(others) < MIN_TRIALS:
            return "RUNNING"
        median = statistics.median(others)
        if value == median or self._objective.better_than(value, median):
            return "RUNNING"
        self.reasons[trial_id] = (
            f"pruned: {value:.4f} after {rung} epochs is worse than {median:.4f}, the median of "
            f"{len(others)} earlier trials"
        )
        return "STOPPED"


class PruneTrial(tf.keras.callbacks.Callback):
    """Stops training at a rung if `ask(rung, best value so far)` returns STOPPED."""

    def __init__(
        self, rungs: Collection[int], objective: kt.Objective, ask: Callable[[int, float], str]
    ):
        super().__init__()
        self._rungs = rungs
        self._objective = objective
        self._ask = ask
        self._best = math.nan
        self.is_pruned = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = (logs or {})[self._objective.name]
        if math.isnan(self._best) or self._objective.better_than(value, self._best):
            self._best = value
        if epoch + 1 in self._rungs:
            deadline = time.monotonic() + MAX_WAIT
            while (status := self._ask(epoch + 1, self._best)) == "IDLE":
                if time.monotonic() > deadline:
                    return
                time.sleep(0.05)
            if status == "STOPPED":
                self.is_pruned = self.model.stop_training = True
