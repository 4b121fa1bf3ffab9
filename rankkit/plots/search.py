"""Plots of the trials of a hyperparameter search."""

import dataclasses
import functools
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rankkit.plots._common import Scale, choose_scale, new_figure, title_of
from rankkit.utils.errors import invalid, unknown, wrong_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable

_NOT_HYPERPARAMETERS = frozenset(
    ["trial", "status", "score", "best_epoch", "seconds", "worker", "message"]
)
_OUTLIER_FACTOR = 10  # times the median distance from the best score
_MARGIN = 0.06  # of a parallel axis at either end; lines to outliers end there


@dataclasses.dataclass(frozen=True)
class Trials:
    """Trials of a search, in the order of their start, at least one of them with a score."""

    rows: Sequence[Mapping[str, Any]]
    direction: str  # "min" or "max"

    @functools.cached_property
    def scores(self) -> np.ndarray:
        """Score of each trial; NaN if it failed or the score is not finite."""
        scores = [row.get("score") for row in self.rows]
        numbers = np.array([math.nan if score is None else float(score) for score in scores])
        return np.where(np.isfinite(numbers), numbers, math.nan)

    @property
    def is_failed(self) -> np.ndarray:
        """Whether each trial failed."""
        return np.isnan(self.scores)

    @property
    def losses(self) -> np.ndarray:
        """Scores with the sign for which lower is better."""
        return self.scores if self.direction == "min" else -self.scores

    @property
    def best_first(self) -> list[int]:
        """Indices of the trials with a score, the best first."""
        order = np.argsort(self.losses, kind="stable")  # NaN is last
        return order[: np.count_nonzero(~self.is_failed)].tolist()

    @property
    def best_so_far(self) -> np.ndarray:
        """Best score up to each trial; NaN before the first one."""
        best = np.fmin.accumulate(self.losses)
        return best if self.direction == "min" else -best

    @functools.cached_property
    def shown_range(self) -> tuple[float, float]:
        """Lowest and highest score without outliers: those far worse than the others."""
        losses = self.losses[~self.is_failed]
        gaps = losses - losses.min()
        threshold = _OUTLIER_FACTOR * statistics.median_low(gaps[gaps > 0].tolist() or [0.0])
        shown = self.scores[~self.is_failed][gaps <= threshold]
        return float(shown.min()), float(shown.max())

    @property
    def is_outlier(self) -> np.ndarray:
        """Whether the score of each trial is outside of the shown range."""
        low, high = self.shown_range
        return (self.scores < low) | (self.scores > high)

    @property
    def outlier_label(self) -> str:
        """Legend entry of the outliers."""
        scores = self.scores[self.is_outlier]
        worst = scores.max() if self.direction == "min" else scores.min()
        return f"outlier (worst: {worst:.4g})"

    @property
    def hyperparameters(self) -> list[str]:
        """Names of the hyperparameters, in the order of their first occurrence."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return [
            name
            for name in names
            if name not in _NOT_HYPERPARAMETERS and not name.startswith("tuner/")
        ]

    @property
    def varying_hyperparameters(self) -> list[str]:
        """Names of the hyperparameters with more than one value."""
        return [each for each in self.hyperparameters if len(set(self.values(each)) - {None}) > 1]

    def values(self, name: str) -> list[Any]:
        """Value of a hyperparameter in each trial; `None` where it has none."""
        return [row.get(name) for row in self.rows]

    def color_scale(self) -> "ScalarMappable":
        """Colors of the shown range, the best score the darkest; outliers are the lightest."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        colors = "viridis" if self.direction == "min" else "viridis_r"
        return ScalarMappable(Normalize(*self.shown_range), colors)


def _check_trials(trials: Any, direction: str) -> Trials:
    if direction not in ("min", "max"):
        raise unknown("direction", direction, ["min", "max"])
    is_list = isinstance(trials, Sequence) and all(isinstance(row, Mapping) for row in trials)
    if not is_list:
        fix = "Pass the attribute `trials` of what rankkit.tuning.search returns."
        raise wrong_type("trials", trials, "a list of dicts", fix)
    if not trials:
        fix = "Run a search first: rankkit.tuning.search(...).trials."
        raise invalid("trials", trials, "a list of at least one trial", fix)
    checked = Trials(trials, direction)
    if checked.is_failed.all():
        reasons = {row.get("message") for row in trials} - {None}
        fix = f"They failed with: {'; '.join(sorted(map(str, reasons)))}." if reasons else ""
        raise invalid("trials", trials, "a list with at least one trial that has a score", fix)
    return checked


def parallel_coordinates(
    trials: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    direction: str = "min",
) -> None:
    """Plots each trial as a line through its hyperparameters and its score.

    It shows which values the good trials have in common. There is one axis per hyperparameter with
    more than one value, and one for the score, which is also the color of the lines. The best
    trial is the thick line on top. Axes of positive numbers that span a factor of 10 are
    logarithmic; text values are evenly spaced. Failed trials are dashed and have no score; a line
    has a gap where the trial lacks a hyperparameter.

    Args:
        trials: The attribute `trials` of what `rankkit.tuning.search` returns.
        path: Image file to write. Its suffix is the format, such as `.png`.
        direction: Whether lower or higher scores are better: `"min"` or `"max"`.
            Defaults to `"min"`.

    Raises:
        ValueError: If no trial has a score, no hyperparameter has more than one value, or the
            direction is unknown.
        TypeError: If the trials are not a list of dicts.
        ImportError: If matplotlib is not installed.
    """
    checked = _check_trials(trials, direction)
    names = checked.varying_hyperparameters
    if not names:
        fixed = {name: checked.values(name)[0] for name in checked.hyperparameters}
        raise ValueError(
            "trials must differ in at least one hyperparameter, but all of them have the values "
            f"{fixed}. Search at least one hyperparameter, or use rankkit.plots.search_history."
        )
    scales = [choose_scale(checked.values(name)) for name in names]
    figure = new_figure(width=max(6.4, 1.4 * (len(names) + 1)), height=4.4)
    host = figure.subplots()
    _draw_lines(host, checked, _line_heights(checked, names, scales))
    _draw_axes(host, checked, scales)
    host.set_xticks(range(len(names) + 1), [title_of(name) for name in (*names, "score")])
    host.set_title("Hyperparameters and score", pad=12)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path)


def _line_heights(trials: Trials, names: list[str], scales: list[Scale]) -> np.ndarray:
    """Height from 0 to 1 of each line at each axis, `(trials, axes)`; NaN for a missing value."""
    columns = [
        [scale.fraction(value) for value in trials.values(name)]
        for name, scale in zip(names, scales, strict=True)
    ]
    low, high = trials.shown_range
    scores = (trials.scores - low) / (high - low) if high > low else trials.scores * 0 + 0.5
    return np.array([*columns, np.clip(scores, -_MARGIN, 1 + _MARGIN)]).T


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
        arrow: dict[str, Any] = {"marker": "^" if trials.direction == "min" else "v"}
        arrow |= {"color": colors.to_rgba(trials.scores[others[-1]]), "markeredgecolor": "0.3"}
        arrow |= {"linestyle": "", "clip_on": False, "label": trials.outlier_label}
        host.plot(np.full(len(ends), x[-1]), ends, **arrow)


def _draw_axes(host: "Axes", trials: Trials, scales: list[Scale]) -> None:
    """Draw an axis with its own scale at each position of the host, whose heights are 0 to 1."""
    from matplotlib.patheffects import withStroke

    host.set(xlim=(0, len(scales)), ylim=(-_MARGIN, 1 + _MARGIN), frame_on=False)
    host.tick_params(axis="x", length=0, pad=6)
    host.yaxis.set_visible(False)
    for position, scale in enumerate([*scales, None]):
        axes = host.twinx()
        side = "left" if scale else "right"
        axes.spines[:].set_visible(False)
        axes.spines[side].set(visible=True, position=("axes", position / len(scales)))
        axes.yaxis.set_ticks_position(side)
        if scale:
            scale.apply(axes, "y", margin=_MARGIN)
        else:
            low, high = trials.shown_range
            padding = _MARGIN * (high - low) or 0.5
            axes.set_ylim(low - padding, high + padding)
        for label in axes.get_yticklabels():
            label.set_path_effects([withStroke(linewidth=3.0, foreground="white")])


def search_history(
    trials: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    direction: str = "min",
) -> None:
    """Plots the score of each trial in the order of the trials, and the best score so far.

    It shows whether a search still improves. Failed trials are crosses on the edge of the plot, on
    the side of the bad scores. Outliers, with scores so bad that the others would be squeezed
    together, are arrows there; the legend gives the worst score.

    Args:
        trials: The attribute `trials` of what `rankkit.tuning.search` returns. They are numbered
            from 0 in the order of the list.
        path: Image file to write. Its suffix is the format, such as `.png`.
        direction: Whether lower or higher scores are better: `"min"` or `"max"`.
            Defaults to `"min"`.

    Raises:
        ValueError: If no trial has a score, or the direction is unknown.
        TypeError: If the trials are not a list of dicts.
        ImportError: If matplotlib is not installed.
    """
    checked = _check_trials(trials, direction)
    figure = new_figure()
    axes = figure.subplots()
    numbers = np.arange(len(checked.rows))
    is_failed, is_outlier = checked.is_failed, checked.is_outlier
    shown = ~is_failed & ~is_outlier
    axes.plot(numbers[shown], checked.scores[shown], "o", color="C0", label="trial")
    axes.plot(numbers, checked.best_so_far, color="C1", drawstyle="steps-post", label="best so far")
    worse_is_up = direction == "min"
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
    low, high = checked.shown_range
    padding = 0.1 * (high - low) or 0.5
    axes.set(xlim=(-0.5, len(numbers) - 0.5), ylim=(low - padding, high + padding))
    axes.set(xlabel="trial", ylabel="score", title="Search history")
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=4, columnspacing=1.2, frameon=False)
    figure.savefig(path)


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
        trials: The attribute `trials` of what `rankkit.tuning.search` returns.
        path: Image file to write. Its suffix is the format, such as `.png`.
        x: Hyperparameter on the x axis. Defaults to `"learning_rate"`.
        y: Hyperparameter on the y axis. Defaults to `"tower_width"`.
        direction: Whether lower or higher scores are better: `"min"` or `"max"`.
            Defaults to `"min"`.

    Raises:
        ValueError: If no trial has a score, no trial with a score has both hyperparameters, or a
            hyperparameter or the direction is unknown.
        TypeError: If the trials are not a list of dicts.
        ImportError: If matplotlib is not installed.
    """
    checked = _check_trials(trials, direction)
    for name in (x, y):
        if name not in checked.hyperparameters:
            raise unknown("hyperparameter", name, checked.hyperparameters)
    best_first = [
        index
        for index in checked.best_first
        if trials[index].get(x) is not None and trials[index].get(y) is not None
    ]
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
    worse_end = "max" if direction == "min" else "min"
    extend = worse_end if checked.is_outlier.any() else "neither"
    figure.colorbar(dots, ax=axes, label="score", extend=extend)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path)
