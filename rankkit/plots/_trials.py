"""The trials of a search as the pictures need them: scores, the best, the range to show."""

import dataclasses
import functools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rankkit._errors import invalid, unknown, wrong_type

NOT_HYPERPARAMETERS = frozenset(
    ["trial", "status", "score", "best_epoch", "seconds", "worker", "message"]
)
# A score so many times as far from the best as the median one squeezes the others together.
FAR = 10


@dataclasses.dataclass(frozen=True)
class Trials:
    """A search with at least one score.

    Attributes:
        rows: The trials, in the order in which they began.
        direction: `"min"` or `"max"`, whichever is better.
    """

    rows: Sequence[Mapping[str, Any]]
    direction: str

    @functools.cached_property
    def scores(self) -> np.ndarray:
        """One for each trial, NaN where it failed. A score that is not finite is a failure too."""
        scores = [row.get("score") for row in self.rows]
        known = [math.nan if score is None else float(score) for score in scores]
        return np.array([score if math.isfinite(score) else math.nan for score in known])

    @property
    def failed(self) -> np.ndarray:
        """Whether each trial failed."""
        return np.isnan(self.scores)

    @property
    def losses(self) -> np.ndarray:
        """The scores turned so that lower is better."""
        return self.scores if self.direction == "min" else -self.scores

    @property
    def best_first(self) -> list[int]:
        """Places of the trials that have a score, in the order of their scores."""
        order = np.argsort(self.losses, kind="stable")  # NaN goes last
        return [int(place) for place in order if not self.failed[place]]

    @property
    def best_so_far(self) -> np.ndarray:
        """The best score up to each trial, NaN ahead of the first one."""
        best = np.fmin.accumulate(self.losses)
        return best if self.direction == "min" else -best

    @functools.cached_property
    def shown_range(self) -> tuple[float, float]:
        """Lowest and highest score to show: all but those that are far worse than the others."""
        losses = self.losses[~self.failed]
        gaps = losses - losses.min()
        far = FAR * statistics.median_low(gaps[gaps > 0].tolist() or [0.0])
        shown = self.scores[~self.failed][gaps <= far]
        return float(shown.min()), float(shown.max())

    @property
    def off_scale(self) -> np.ndarray:
        """Whether the score of each trial is outside of the range to show."""
        low, high = self.shown_range
        return (self.scores < low) | (self.scores > high)

    @property
    def off_scale_label(self) -> str:
        """Words for a legend."""
        far = self.scores[self.off_scale]
        end = f"up to {far.max():.4g}" if self.direction == "min" else f"down to {far.min():.4g}"
        return f"off the scale, {end}"

    @property
    def hyperparameters(self) -> list[str]:
        """Their names, in the order in which they first occur."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return [
            name
            for name in names
            if name not in NOT_HYPERPARAMETERS and not name.startswith("tuner/")
        ]

    def values(self, name: str) -> list[Any]:
        """Gives the value of a hyperparameter in each trial, `None` where it has none."""
        return [row.get(name) for row in self.rows]


def checked_trials(trials: Any, direction: str) -> Trials:
    """Takes the arguments that the pictures of a search have in common.

    Args:
        trials: What the user gave.
        direction: What the user gave.

    Raises:
        TypeError: If the trials are not a list of dicts.
        ValueError: If the direction is unknown, or no trial has a score.
    """
    if direction not in ("min", "max"):
        raise unknown("direction", direction, ["min", "max"])
    is_list = isinstance(trials, Sequence) and all(isinstance(row, Mapping) for row in trials)
    if not is_list:
        fix = "It is the attribute `trials` of what rankkit.tuning.search returns."
        raise wrong_type("trials", trials, "a list of dicts", fix)
    if not trials:
        fix = "Run a search first: rankkit.tuning.search(...).trials."
        raise invalid("trials", trials, "a list of at least one trial", fix)
    checked = Trials(trials, direction)
    if checked.failed.all():
        reasons = {row.get("message") for row in trials} - {None}
        fix = f"They failed with: {'; '.join(sorted(map(str, reasons)))}." if reasons else ""
        raise invalid("trials", trials, "a list with at least one trial that has a score", fix)
    return checked
