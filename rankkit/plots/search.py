"""Plots of the trials of a hyperparameter search."""

import os
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rankkit.plots._common import Scale, choose_scale, new_figure, title_of
from rankkit.utils.errors import check_choice, check_path, invalid, is_number, unknown, wrong_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

_NOT_HYPERPARAMETERS = ("trial", "status", "score", "best_epoch", "seconds", "worker", "message")
_OUTLIER_FACTOR = 10  # times the median distance from the best score
_MARGIN = 0.06  # of a parallel axis at either end; lines to outliers end there


class Trials:
    """The checked trials of a search, in the order of their start, and the scores to show."""

    def __init__(self, rows: Any, direction: str):
        check_choice("direction", direction, ("min", "max"))
        if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
            fix = "Pass the attribute `trials` of the result of rankkit.tuning.search."
            raise wrong_type("trials", rows, "a list of dicts", fix)
        if not rows:
            fix = "Run a search first: rankkit.tuning.search(...).trials."
            raise invalid("trials", rows, "a list of at least one trial", fix)
        self.rows, self.is_minimized = rows, direction == "min"
        scores = [row.get("score") for row in rows]
        if wrong := [each for each in scores if each is not None and not is_number(each)]:
            raise wrong_type("trials", wrong[0], "trials with a number, or None, as score")
        scores = np.array(scores, float)  # NaN for None
        self.scores = np.where(np.isfinite(scores), scores, np.nan)
        self.is_failed = np.isnan(self.scores)
        if self.is_failed.all():
            reasons = {row.get("message") for row in rows} - {None}
            fix = f"They failed with: {'; '.join(sorted(map(str, reasons)))}." if reasons else ""
            raise invalid("trials", rows, "a list with at least one trial that has a score", fix)
        losses = self.scores if self.is_minimized else -self.scores
        # Indices of the trials with a score; NaN is last in the order.
        order = np.argsort(losses, kind="stable")
        self.best_first: list[int] = order[: np.count_nonzero(~self.is_failed)].tolist()
        best = np.fmin.accumulate(losses)  # NaN before the first score
        self.best_so_far = best if self.is_minimized else -best
        # Outliers are far worse than the others, which they would squeeze together.
        gaps = losses - np.nanmin(losses)
        threshold = _OUTLIER_FACTOR * statistics.median_low(gaps[gaps > 0].tolist() or [0.0])
        self.is_outlier = gaps > threshold
        self.outlier_label = f"outlier (worst: {self.scores[self.best_first[-1]]:.4g})"
        shown = self.scores[gaps <= threshold]
        self.scale = Scale("linear", float(shown.min()), float(shown.max()))
        names = dict.fromkeys(name for row in rows for name in row if not name.startswith("tuner/"))
        self.hyperparameters = [name for name in names if name not in _NOT_HYPERPARAMETERS]

    def values(self, name: str) -> list[Any]:
        """Value of a hyperparameter in each trial; `None` where it has none."""
        return [row.get(name) for row in self.rows]

    def color_scale(self) -> "ScalarMappable":
        """Colors of the shown range, the best score the darkest; outliers are the lightest."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        colors = "viridis" if self.is_minimized else "viridis_r"
        return ScalarMappable(Normalize(self.scale.low, self.scale.high), colors)


def parallel_coordinates(
    trials: Sequence[Mapping[str, Any]], path: str | os.PathLike[str], *, direction: str = "min"
) -> None:
    """Plots each trial as a line through its hyperparameters and its score.

    It shows which values the good trials have in common. There is one axis per hyperparameter with
    more than one value, and one for the score, which is also the color of the lines. The best
    trial is the thick line on top. Axes of positive numbers that span a factor of 10 are
    logarithmic; text values are evenly spaced. Failed trials are dashed and have no score; a line
    has a gap where the trial lacks a hyperparameter.

    Args:
        trials: The attribute `trials` of the result of `rankkit.tuning.search`.
        path: Image file to write. Its suffix is the format, such as `.png`.
        direction: `"min"` if lower scores are better, otherwise `"max"`. Defaults to `"min"`.

    Raises:
        ValueError: If no trial has a score, no hyperparameter has more than one value, or the
            direction is unknown.
        TypeError: If the trials are not a list of dicts.
        ImportError: If matplotlib is not installed.
    """
    checked = Trials(trials, direction)
    names = [
        name for name in checked.hyperparameters if len(set(checked.values(name)) - {None}) > 1
    ]
    if not names:
        fixed = {name: checked.values(name)[0] for name in checked.hyperparameters}
        raise ValueError(
            "trials must differ in at least one hyperparameter, but all of them have the values "
            f"{fixed}. Search at least one hyperparameter, or use rankkit.plots.search_history."
        )
    columns = [*map(checked.values, names), checked.scores]
    scales = [*map(choose_scale, columns[:-1]), checked.scale]
    heights = np.array(  # of each line at each axis, (trials, axes); NaN for a missing value
        [list(map(scale.fraction, values)) for scale, values in zip(scales, columns, strict=True)]
    ).T
    figure = new_figure(width=max(6.4, 1.4 * len(scales)), height=4.4)
    host = figure.subplots()
    _draw_lines(host, checked, heights.clip(-_MARGIN, 1 + _MARGIN))
    _draw_axes(host, scales)
    host.set_xticks(range(len(scales)), [title_of(name) for name in (*names, "score")])
    host.set_title("Hyperparameters and score", pad=12)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(check_path("path", path))


def _draw_lines(host: "Axes", trials: Trials, heights: np.ndarray) -> None:
    x = np.arange(heights.shape[1])
    style: dict[str, Any] = {"marker": "o", "markersize": 3, "clip_on": False}
    failed: dict[str, Any] = {"color": "0.5", "linestyle": "--", "linewidth": 0.9, "marker": "x"}
    colors, (best, *others) = trials.color_scale(), trials.best_first
    for number, line in enumerate(heights[trials.is_failed]):
        label = None if number else "failed"
        host.plot(x, line, label=label, clip_on=False, markersize=5, **failed)
    for index in others[::-1]:
        host.plot(x, heights[index], color=colors.to_rgba(trials.scores[index]), **style)
    host.plot(x, heights[best], color="white", linewidth=6.0)
    color, label = colors.to_rgba(trials.scores[best]), f"best: {trials.scores[best]:.4g}"
    host.plot(x, heights[best], color=color, linewidth=3.5, label=label, **style)
    if trials.is_outlier.any():
        ends = heights[trials.is_outlier, -1]
        arrow: dict[str, Any] = {"marker": "^" if trials.is_minimized else "v"}
        arrow |= {"color": colors.to_rgba(trials.scores[others[-1]]), "markeredgecolor": "0.3"}
        arrow |= {"linestyle": "", "clip_on": False, "label": trials.outlier_label}
        host.plot(np.full(len(ends), x[-1]), ends, **arrow)


def _draw_axes(host: "Axes", scales: list[Scale]) -> None:
    """Draws an axis with its own scale at each position of the host, whose heights are 0 to 1."""
    from matplotlib.patheffects import withStroke

    last = len(scales) - 1
    host.set(xlim=(0, last), ylim=(-_MARGIN, 1 + _MARGIN), frame_on=False)
    host.tick_params(axis="x", length=0, pad=6)
    host.yaxis.set_visible(False)
    for position, scale in enumerate(scales):
        axes = host.twinx()
        side = "left" if position < last else "right"
        axes.spines[:].set_visible(False)
        axes.spines[side].set(visible=True, position=("axes", position / last))
        axes.yaxis.set_ticks_position(side)
        scale.apply(axes, "y", margin=_MARGIN)
        for label in axes.get_yticklabels():
            label.set_path_effects([withStroke(linewidth=3.0, foreground="white")])


def search_history(
    trials: Sequence[Mapping[str, Any]], path: str | os.PathLike[str], *, direction: str = "min"
) -> None:
    """Plots the score of each trial in the order of the trials, and the best score so far.

    It shows whether a search still improves. Failed trials are crosses on the edge of the plot, on
    the side of the bad scores. Outliers, with scores so bad that the others would be squeezed
    together, are arrows there; the legend gives the worst score.

    Args:
        trials: The attribute `trials` of the result of `rankkit.tuning.search`. They are numbered
            from 0 in the order of the list.
        path: Image file to write. Its suffix is the format, such as `.png`.
        direction: `"min"` if lower scores are better, otherwise `"max"`. Defaults to `"min"`.

    Raises:
        ValueError: If no trial has a score, or the direction is unknown.
        TypeError: If the trials are not a list of dicts.
        ImportError: If matplotlib is not installed.
    """
    checked = Trials(trials, direction)
    figure = new_figure()
    axes = figure.subplots()
    numbers = np.arange(len(checked.rows))
    is_failed, is_outlier = checked.is_failed, checked.is_outlier
    worse_is_up = checked.is_minimized
    shown = ~is_failed & ~is_outlier
    axes.plot(numbers[shown], checked.scores[shown], "o", color="C0", label="trial")
    axes.plot(numbers, checked.best_so_far, color="C1", drawstyle="steps-post", label="best so far")
    # On the edge: x is the number of the trial, y a fraction of the height of the axes.
    edge: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "linestyle": ""}
    if is_outlier.any():
        heights = np.full(is_outlier.sum(), 0.96 if worse_is_up else 0.04)
        style: dict[str, Any] = {"marker": "^" if worse_is_up else "v", "color": "C0"}
        axes.plot(numbers[is_outlier], heights, label=checked.outlier_label, **style, **edge)
    if is_failed.any():
        heights = np.full(is_failed.sum(), float(worse_is_up))
        style = {"marker": "x", "color": "C3", "clip_on": False, "zorder": 3}
        axes.plot(numbers[is_failed], heights, label="failed", **style, **edge)
    axes.set(xlim=(-0.5, len(numbers) - 0.5), ylim=checked.scale.limits(0.1))
    axes.set(xlabel="trial", ylabel="score", title="Search history")
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, columnspacing=1.2, frameon=False)
    figure.savefig(check_path("path", path))


def search_scatter(
    trials: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    x: str = "learning_rate",
    y: str = "tower_width",
    direction: str = "min",
) -> None:
    """Plots two hyperparameters of each trial against each other, colored by its score.

    It shows where the good values are, and whether they are on the border of the search space. The
    best trial has a ring, failed trials are crosses. Axes of positive numbers that span a factor of
    10 are logarithmic; text values are evenly spaced. Where points coincide, the best is on top.
    Trials without one of the two hyperparameters are left out.

    Args:
        trials: The attribute `trials` of the result of `rankkit.tuning.search`.
        path: Image file to write. Its suffix is the format, such as `.png`.
        x: Hyperparameter on the x axis. Defaults to `"learning_rate"`.
        y: Hyperparameter on the y axis. Defaults to `"tower_width"`.
        direction: `"min"` if lower scores are better, otherwise `"max"`. Defaults to `"min"`.

    Raises:
        ValueError: If no trial has a score, no trial with a score has both hyperparameters, or a
            hyperparameter or the direction is unknown.
        TypeError: If the trials are not a list of dicts.
        ImportError: If matplotlib is not installed.
    """
    checked = Trials(trials, direction)
    for name in (x, y):
        if name not in checked.hyperparameters:
            raise unknown("hyperparameter", name, checked.hyperparameters)
    has_both = [None not in pair for pair in zip(checked.values(x), checked.values(y), strict=True)]
    best_first = [index for index in checked.best_first if has_both[index]]
    if not best_first:
        raise ValueError(
            f"No completed trial has both hyperparameters. Got: x={x!r}, y={y!r}. Pass two that "
            "were searched together."
        )
    figure = new_figure()
    axes = figure.subplots()
    coordinates = []
    sides: dict[Literal["x", "y"], str] = {"x": x, "y": y}
    for side, name in sides.items():
        scale = choose_scale(checked.values(name))
        scale.apply(axes, side, margin=0.2 if scale.kind == "category" else 0.06)
        coordinates.append([scale.coordinate(value) for value in checked.values(name)])
    points = np.array(coordinates)  # (2, trials)
    best, best_last, colors = best_first[0], best_first[::-1], checked.color_scale()
    style: dict[str, Any] = {"cmap": colors.cmap, "norm": colors.norm, "s": 48}
    style |= {"c": checked.scores[best_last], "edgecolors": "0.3", "linewidths": 0.5}
    dots = axes.scatter(*points[:, best_last], **style)
    if checked.is_failed.any():
        axes.scatter(*points[:, checked.is_failed], s=36, marker="x", color="0.5", label="failed")
    ring: dict[str, Any] = {"s": 160, "facecolors": "none", "edgecolors": "C3", "linewidths": 1.8}
    axes.scatter(*points[:, best], label=f"best: {checked.scores[best]:.4g}", **ring)
    x_label, y_label = title_of(x), title_of(y)
    axes.set(xlabel=x_label, ylabel=y_label, title=f"Score by {x_label} and {y_label}")
    axes.set_axisbelow(True)
    axes.grid(alpha=0.3)
    worse_end = "max" if checked.is_minimized else "min"
    extend = worse_end if checked.is_outlier.any() else "neither"
    figure.colorbar(dots, ax=axes, label="score", extend=extend)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(check_path("path", path))
