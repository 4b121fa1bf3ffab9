"""Two hyperparameters of a search against each other, coloured by score."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rankkit._errors import invalid, unknown
from rankkit.plots._figure import new_figure
from rankkit.plots._scale import scale_of
from rankkit.plots._score_colors import score_colors
from rankkit.plots._trials import Trials, checked_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def search_scatter(
    trials: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    x: str = "learning_rate",
    y: str = "tower_width",
    direction: str = "min",
) -> None:
    """Draws two hyperparameters of each trial against each other, coloured by its score.

    It shows where the good values are, and whether they lie on the border of what was searched.
    The best trial has a ring, those that failed are crosses. Positive numbers that span a factor
    of 10 have a logarithmic axis, text a place for each value. Where dots coincide, the best is on
    top; trials without one of the two are left out.

    Args:
        trials: The attribute `trials` of what `rankkit.tuning.search` returns.
        path: Picture to write, its kind by its ending, such as `.png`.
        x: Hyperparameter across. Defaults to `"learning_rate"`.
        y: Hyperparameter upwards. Defaults to `"tower_width"`.
        direction: Which scores are better: `"min"`, the lower ones, or `"max"`.
            Defaults to `"min"`.

    Raises:
        ValueError: If no trial has a score, the trials that have one lack a hyperparameter, or a
            hyperparameter or the direction is unknown.
        TypeError: If the trials are not a list of dicts.
        ImportError: If matplotlib is not installed.
    """
    checked = checked_trials(trials, direction)
    for name in (x, y):
        if name not in checked.hyperparameters:
            raise unknown("hyperparameter", name, checked.hyperparameters)
    if not any(_has(checked, place, x, y) for place in checked.best_first):
        fix = "No completed trial has both. Name hyperparameters that were searched together."
        raise invalid("x and y", (x, y), "hyperparameters of one trial", fix)
    search_scatter_figure(checked, x, y).savefig(path)


def _has(trials: Trials, place: int, x: str, y: str) -> bool:
    row = trials.rows[place]
    return row.get(x) is not None and row.get(y) is not None


def search_scatter_figure(trials: Trials, x: str, y: str) -> "Figure":
    """Draws without writing a file."""
    figure = new_figure()
    axes = figure.subplots()
    x_scale, y_scale = scale_of(trials.values(x)), scale_of(trials.values(y))
    x_scale.lay_on(axes, "x", margin=0.2 if x_scale.kind == "category" else 0.06)
    y_scale.lay_on(axes, "y", margin=0.2 if y_scale.kind == "category" else 0.06)
    across = np.array([x_scale.coordinate(value) for value in trials.values(x)])
    upwards = np.array([y_scale.coordinate(value) for value in trials.values(y)])
    drawn = [place for place in trials.best_first if _has(trials, place, x, y)]
    last_is_best = drawn[::-1]
    colors = score_colors(trials)
    look: dict[str, Any] = {"c": trials.scores[last_is_best], "cmap": colors.cmap, "s": 48}
    look |= {"norm": colors.norm, "edgecolors": "0.3", "linewidths": 0.5}
    dots = axes.scatter(across[last_is_best], upwards[last_is_best], **look)
    if trials.failed.any():
        points = across[trials.failed], upwards[trials.failed]
        axes.scatter(*points, s=36, marker="x", color="0.5", label="failed")
    ring: dict[str, Any] = {"s": 160, "facecolors": "none", "edgecolors": "C3", "linewidths": 1.8}
    label = f"best: {trials.scores[drawn[0]]:.4g}"
    axes.scatter(across[drawn[0]], upwards[drawn[0]], label=label, **ring)
    x_label, y_label = x.replace("_", " "), y.replace("_", " ")
    axes.set(xlabel=x_label, ylabel=y_label, title=f"Score by {x_label} and {y_label}")
    axes.set_axisbelow(True)
    axes.grid(alpha=0.3)
    worse_end = "max" if trials.direction == "min" else "min"
    extend = worse_end if trials.off_scale.any() else "neither"
    figure.colorbar(dots, ax=axes, label="score", extend=extend)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
