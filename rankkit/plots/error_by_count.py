"""Errors of rows whose user or item had few or many training rows."""

import os
from typing import TYPE_CHECKING, Any

from rankkit.plots._diagnosis import BIASES, MODEL, check_diagnosis, in_words
from rankkit.plots._figure import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
