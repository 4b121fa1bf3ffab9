"""Plots of a diagnosis: calibration, error by count, predicted against true."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from rankkit.plots._common import new_figure
from rankkit.utils.errors import wrong_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Of lines and dots; the baseline is behind the model.
MODEL: dict[str, Any] = {"color": "C0", "label": "model", "marker": "o", "zorder": 3}
BIASES: dict[str, Any] = {"color": "0.5", "label": "biases", "marker": "s", "linestyle": "--"}


def check_diagnosis(diagnosis: Any) -> None:
    """Refuses what `rankkit.evaluation.diagnose` does not return.

    Raises:
        TypeError: If it is anything else.
    """
    parts = ("label", "edges", "histograms", "calibration", "errors")
    if not all(hasattr(diagnosis, part) for part in parts):
        fix = "Call rankkit.evaluation.diagnose, and give what it returns."
        raise wrong_type("diagnosis", diagnosis, "a rankkit.evaluation.Diagnosis", fix)


def in_words(column: str) -> str:
    """A column's name for the label of an axis."""
    return column.replace("_", " ")


def calibration(diagnosis: Any, path: str | os.PathLike[str]) -> None:
    """Draws the mean label against the mean prediction, in quantile bins of the predictions.

    Dots on the diagonal are calibrated: below it the model promises more than comes. Predictions
    that spread too little are steeper than it, those that spread too much, as after overfitting,
    less steep. A wide range of dots is one that tells rows apart.

    Args:
        diagnosis: What `rankkit.evaluation.diagnose` returns.
        path: Picture to write, its kind by its ending, such as `.png`.

    Raises:
        TypeError: If it is no diagnosis.
        ImportError: If matplotlib is not installed.
    """
    check_diagnosis(diagnosis)
    calibration_figure(diagnosis).savefig(path)


def calibration_figure(diagnosis: Any) -> "Figure":
    """Draws without writing a file."""
    figure = new_figure(width=5.2, height=5.4)
    axes = figure.subplots()
    ends = []
    for name, style in (("biases", BIASES), ("model", MODEL)):
        lines = [line for line in diagnosis.calibration if line["scorer"] == name]
        predicted = [line["mean_prediction"] for line in lines]
        labels = [line["mean_label"] for line in lines]
        axes.plot(predicted, labels, markersize=5, **style)
        ends += [*predicted, *labels]
    free = 0.05 * (max(ends) - min(ends)) or 0.5
    limits = (min(ends) - free, max(ends) + free)
    axes.plot(limits, limits, color="C3", linewidth=1, zorder=1, label="calibrated")
    rows = [line["num_rows"] for line in diagnosis.calibration if line["scorer"] == "model"]
    number = f"{min(rows):,}" if min(rows) == max(rows) else f"{min(rows):,} to {max(rows):,}"
    label = in_words(diagnosis.label)
    axes.set(xlabel=f"mean predicted {label}", ylabel=f"mean {label}", title="Calibration")
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.text(0.98, 0.02, f"a dot is {number} rows", ha="right", transform=axes.transAxes)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


_MOST = 9_999  # rows that are written out; above, in thousands


def error_by_count(diagnosis: Any, path: str | os.PathLike[str]) -> None:
    """Draws the errors by how many training rows the query and the item of a row have.

    Above is the root mean squared error, below the mean error, prediction minus label: above 0 the
    model promises too much. Under each range of counts stands how many rows it has; few rows
    make for chance values. Where the model is no better than the biases, it has not learned from
    what it was given.

    Args:
        diagnosis: What `rankkit.evaluation.diagnose` returns.
        path: Picture to write, its kind by its ending, such as `.png`.

    Raises:
        TypeError: If it is no diagnosis.
        ImportError: If matplotlib is not installed.
    """
    check_diagnosis(diagnosis)
    error_by_count_figure(diagnosis).savefig(path)


def error_by_count_figure(diagnosis: Any) -> "Figure":
    """Draws without writing a file."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for line in diagnosis.errors:
        if line["column"] is not None:
            parts.setdefault(line["column"], []).append(line)
    widths = [max(3, len(lines)) for lines in parts.values()]
    figure = new_figure(width=1.2 + 0.72 * sum(widths), height=5.2)
    ratios = {"width_ratios": widths}
    panels = figure.subplots(
        2, len(parts), sharex="col", sharey="row", squeeze=False, gridspec_kw=ratios
    )
    for (top, bottom), (column, lines) in zip(panels.T, parts.items(), strict=True):
        _draw(top, lines, "rmse")
        _draw(bottom, lines, "mean_error")
        bottom.axhline(0, color="C3", linewidth=1, zorder=1)
        ticks = [f"{_span(line)}\n({_short(line['num_rows'])})" for line in lines]
        bottom.set_xticks(range(len(lines)), ticks, fontsize="small")
        bottom.set(xlim=(-0.5, len(lines) - 0.5))
        bottom.set_xlabel(f"training rows of the {in_words(column)}\n(rows evaluated)")
    label = in_words(diagnosis.label)
    panels[0, 0].set_ylabel("RMSE")
    panels[1, 0].set_ylabel("mean error\n(predicted - true)")
    figure.suptitle(f"Error of {label} by number of training rows", fontsize="large")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=2, frameon=False)
    return figure


def _draw(axes: "Axes", lines: list[dict[str, Any]], value: str) -> None:
    for prefix, style in (("biases_", BIASES), ("", MODEL)):
        axes.plot([line[f"{prefix}{value}"] for line in lines], markersize=5, **style)
    axes.grid(alpha=0.3)


def _span(line: dict[str, Any]) -> str:
    low, high = line["low"], line["high"]
    return f"{_short(low)}\N{EN DASH}{_short(high)}" if low else "none"


def _short(count: int) -> str:
    return str(count) if count <= _MOST else f"{count / 1000:.3g}k"


_MEAN: dict[str, Any] = {"color": MODEL["color"], "marker": "^", "markersize": 8, "linestyle": ""}
_MEAN |= {"markeredgecolor": "white", "clip_on": False, "zorder": 4}


def predicted_against_true(diagnosis: Any, path: str | os.PathLike[str]) -> None:
    """Draws a histogram of the predictions for each true rating, the lowest one at the top.

    A good model's histograms move to the right from one rating to the next; where they all lie
    over each other, the predictions say little. The dashed line across a histogram is the true
    rating (two lines for a group of ratings), the triangle the mean prediction, the outline the
    histogram of the biases. Each is in per cent of the rows of its rating.

    Args:
        diagnosis: What `rankkit.evaluation.diagnose` returns.
        path: Picture to write, its kind by its ending, such as `.png`.

    Raises:
        TypeError: If it is no diagnosis.
        ImportError: If matplotlib is not installed.
    """
    check_diagnosis(diagnosis)
    predicted_against_true_figure(diagnosis).savefig(path)


def predicted_against_true_figure(diagnosis: Any) -> "Figure":
    """Draws without writing a file."""
    models, baselines = (
        [line for line in diagnosis.histograms if line["scorer"] == name]
        for name in ("model", "biases")
    )
    figure = new_figure(height=1.2 + 0.75 * len(models))
    panels = figure.subplots(len(models), sharex=True, sharey=True, squeeze=False)[:, 0]
    edges = np.array(diagnosis.edges)
    for axes, model, biases in zip(panels, models, baselines, strict=True):
        shares = [100 * np.array(line["counts"]) / line["num_rows"] for line in (model, biases)]
        axes.stairs(shares[0], edges, fill=True, color=MODEL["color"], alpha=0.5, label="model")
        axes.stairs(shares[1], edges, color="0.3", label=BIASES["label"])
        low, high = model["low"], model["high"]
        axes.axvspan(low, high, color="C3", alpha=0.15 if low < high else 0)
        for end in {low, high}:
            axes.axvline(end, color="C3", linestyle="--", linewidth=1)
        mean = np.clip(model["mean_prediction"], edges[0], edges[-1])
        axes.plot(mean, 0, label="mean prediction", **_MEAN)
        title = f"{low:g}" if low == high else f"{low:.3g} to {high:.3g}"
        title = f"true {title}\n{model['num_rows']:,} rows"
        axes.set_ylabel(title, rotation=0, ha="right", va="center", labelpad=8)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:g} %")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    label = in_words(diagnosis.label)
    panels[-1].set(xlabel=f"predicted {label}", xlim=(edges[0], edges[-1]))
    figure.suptitle(f"Predictions by true {label}, in % of its rows", fontsize="large")
    panels[0].plot([], [], "--", color="C3", linewidth=1, label=f"true {label}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure
