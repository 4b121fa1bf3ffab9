"""The scores of a search, one trial after the other."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rankkit.plots._figure import new_figure
from rankkit.plots._trials import Trials, checked_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def search_history(
    trials: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    direction: str = "min",
) -> None:
    """Draws the score of each trial in the order of the trials, and the best one so far.

    It shows whether a search still finds something better. Trials that failed are crosses on the
    edge of the picture, on the side of the bad scores. Scores so far off that the others would be
    squeezed together are arrows there; the legend names the worst of them.

    Args:
        trials: The attribute `trials` of what `rankkit.tuning.search` returns. They are numbered
            from 0 in the order of the list.
        path: Picture to write, its kind by its ending, such as `.png`.
        direction: Which scores are better: `"min"`, the lower ones, or `"max"`.
            Defaults to `"min"`.

    Raises:
        ValueError: If no trial has a score, or the direction is unknown.
        TypeError: If the trials are not a list of dicts.
        ImportError: If matplotlib is not installed.
    """
    search_history_figure(checked_trials(trials, direction)).savefig(path)


def search_history_figure(trials: Trials) -> "Figure":
    """Draws without writing a file."""
    figure = new_figure()
    axes = figure.subplots()
    numbers = np.arange(len(trials.rows))
    failed, off_scale = trials.failed, trials.off_scale
    shown = ~failed & ~off_scale
    axes.plot(numbers[shown], trials.scores[shown], "o", color="C0", label="trial")
    axes.plot(numbers, trials.best_so_far, color="C1", drawstyle="steps-post", label="best so far")
    worse_is_up = trials.direction == "min"
    # Along the edge: the number of a trial across, a share of the picture's height upwards.
    edge: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "linestyle": ""}
    if off_scale.any():
        heights = np.full(off_scale.sum(), 0.96 if worse_is_up else 0.04)
        arrow, label = "^" if worse_is_up else "v", trials.off_scale_label
        axes.plot(numbers[off_scale], heights, marker=arrow, color="C0", label=label, **edge)
    if failed.any():
        heights = np.full(failed.sum(), float(worse_is_up))
        style: dict[str, Any] = {"color": "C3", "clip_on": False, "zorder": 3}
        axes.plot(numbers[failed], heights, marker="x", label="failed", **style, **edge)
    low, high = trials.shown_range
    free = 0.1 * (high - low) or 0.5
    axes.set(xlim=(-0.5, len(numbers) - 0.5), ylim=(low - free, high + free))
    axes.set(xlabel="trial", ylabel="score", title="Search history")
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, columnspacing=1.2, frameon=False)
    return figure
