"""Plots of the trials of a search."""

import dataclasses
import functools
import math
import os
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rankkit.plots._common import Scale, new_figure, scale_of
from rankkit.utils.errors import invalid, unknown, wrong_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.figure import Figure


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


def score_colors(trials: Trials) -> "ScalarMappable":
    """Spreads the colours over the scores to show; what is off that scale has the lightest."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low, high = trials.shown_range
    colors = "viridis" if trials.direction == "min" else "viridis_r"
    return ScalarMappable(Normalize(low, high), colors)


MARGIN = 0.06  # of its values' span, which an axis has at either end; lines off the scale end there


def parallel_coordinates(
    trials: Sequence[Mapping[str, Any]],
    path: str | os.PathLike[str],
    *,
    direction: str = "min",
) -> None:
    """Draws each trial as a line through its hyperparameters and its score.

    It shows which values the good trials have in common, over all hyperparameters at once. There
    is an axis for each hyperparameter that has more than one value, and one for the score, which
    also colours the lines. The best trial is the thick line on top. Positive numbers that span a
    factor of 10 have a logarithmic axis, text a place for each value. Trials that failed are
    dashed and end ahead of the score; lines have a gap where a trial lacks a hyperparameter.

    Args:
        trials: The attribute `trials` of what `rankkit.tuning.search` returns.
        path: Picture to write, its kind by its ending, such as `.png`.
        direction: Which scores are better: `"min"`, the lower ones, or `"max"`.
            Defaults to `"min"`.

    Raises:
        ValueError: If no trial has a score, no hyperparameter has more than one value, or the
            direction is unknown.
        TypeError: If the trials are not a list of dicts.
        ImportError: If matplotlib is not installed.
    """
    checked = checked_trials(trials, direction)
    if not varying_hyperparameters(checked):
        fixed = {name: checked.values(name)[0] for name in checked.hyperparameters}
        fix = "Search at least one hyperparameter, or draw rankkit.plots.search_history."
        expected = "trials that differ in at least one hyperparameter"
        raise invalid("trials", fixed, expected, fix)
    parallel_coordinates_figure(checked).savefig(path)


def varying_hyperparameters(trials: Trials) -> list[str]:
    """Gives those that have more than one value among the trials."""
    return [name for name in trials.hyperparameters if len(set(trials.values(name)) - {None}) > 1]


def parallel_coordinates_figure(trials: Trials) -> "Figure":
    """Draws without writing a file."""
    names = varying_hyperparameters(trials)
    scales = [scale_of(trials.values(name)) for name in names]
    figure = new_figure(width=max(6.4, 1.4 * (len(names) + 1)), height=4.4)
    host = figure.subplots()
    _draw_lines(host, trials, _heights(trials, names, scales))
    _draw_axes(host, trials, scales)
    host.set_xticks(range(len(names) + 1), [name.replace("_", " ") for name in (*names, "score")])
    host.set_title("Hyperparameters and score", pad=12)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def _heights(trials: Trials, names: list[str], scales: list[Scale]) -> np.ndarray:
    """Where each trial's line passes each axis, from 0 to 1; NaN where it does not."""
    columns = [
        [scale.fraction(value) for value in trials.values(name)]
        for name, scale in zip(names, scales, strict=True)
    ]
    low, high = trials.shown_range
    scores = (trials.scores - low) / (high - low) if high > low else trials.scores * 0 + 0.5
    return np.array([*columns, np.clip(scores, -MARGIN, 1 + MARGIN)]).T  # (trials, axes)


def _draw_lines(host: "Axes", trials: Trials, heights: np.ndarray) -> None:
    across = np.arange(heights.shape[1])
    style: dict[str, Any] = {"marker": "o", "markersize": 3, "clip_on": False}
    gone: dict[str, Any] = {"color": "0.5", "linestyle": "--", "linewidth": 0.9, "marker": "x"}
    colors, best = score_colors(trials), trials.best_first[0]
    for number, line in enumerate(heights[trials.failed]):
        label = None if number else "failed"
        host.plot(across, line, label=label, clip_on=False, markersize=5, **gone)
    for place in trials.best_first[:0:-1]:
        host.plot(across, heights[place], color=colors.to_rgba(trials.scores[place]), **style)
    host.plot(across, heights[best], color="white", linewidth=6.0)
    color, label = colors.to_rgba(trials.scores[best]), f"best: {trials.scores[best]:.4g}"
    host.plot(across, heights[best], color=color, linewidth=3.5, label=label, **style)
    if trials.off_scale.any():
        ends = heights[trials.off_scale, -1]
        arrow: dict[str, Any] = {"marker": "^" if trials.direction == "min" else "v"}
        arrow |= {"color": colors.to_rgba(trials.scores[trials.best_first[-1]])}
        arrow |= {"linestyle": "", "markeredgecolor": "0.3", "clip_on": False}
        host.plot(np.full(len(ends), across[-1]), ends, label=trials.off_scale_label, **arrow)


def _draw_axes(host: "Axes", trials: Trials, scales: list[Scale]) -> None:
    """Lays an axis of its own scale over each step of the host, where lines run from 0 to 1."""
    from matplotlib.patheffects import withStroke

    host.set(xlim=(0, len(scales)), ylim=(-MARGIN, 1 + MARGIN), frame_on=False)
    host.tick_params(axis="x", length=0, pad=6)
    host.yaxis.set_visible(False)
    for step, scale in enumerate([*scales, None]):
        axes = host.twinx()
        side = "left" if scale else "right"
        axes.spines[:].set_visible(False)
        axes.spines[side].set(visible=True, position=("axes", step / len(scales)))
        axes.yaxis.set_ticks_position(side)
        if scale:
            scale.lay_on(axes, "y", margin=MARGIN)
        else:
            low, high = trials.shown_range
            free = MARGIN * (high - low) or 0.5
            axes.set_ylim(low - free, high + free)
        for label in axes.get_yticklabels():
            label.set_path_effects([withStroke(linewidth=3.0, foreground="white")])


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
