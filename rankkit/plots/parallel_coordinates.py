"""All hyperparameters of a search side by side, one line a trial."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rankkit._errors import invalid
from rankkit.plots._figure import new_figure
from rankkit.plots._scale import Scale, scale_of
from rankkit.plots._score_colors import score_colors
from rankkit.plots._trials import Trials, checked_trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
