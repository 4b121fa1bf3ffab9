"""Plot of the weights of the events of a history."""

import os
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from rankkit.plots._common import new_figure
from rankkit.utils.errors import check_integer, check_path, check_sequence, invalid

_LINES = 3  # of the name of a candidate
_COLUMN = 15  # characters of such a line
_LONGEST, _END = 44, 15  # characters of the name of an event, and of the end of a long one


def attention(
    weights: Any,
    path: str | os.PathLike[str],
    *,
    history: Sequence[Any],
    candidates: Sequence[Any],
    max_events: int = 20,
) -> None:
    """Plots which events of one history count for which candidates, as a heat map.

    Rows are events, the most recent on top; columns are candidates. The colors are symmetric around
    0, which is white: weights have any sign. Compare the weights in a column: they say which events
    the network read for the candidate, not whether an event raised its score.

    Args:
        weights: One row for each candidate, `(candidates, events)`: the result of `attention` of a
            `rankkit.layers.TargetAttention` for the history, repeated, and the candidates.
        path: Image file to write. Its suffix is the format, such as `.png`.
        history: Names of the events, the oldest first, such as `"Heat (1995), 5 stars"`.
        candidates: Names of the candidates.
        max_events: Largest number of events to plot, the last ones. Defaults to `20`.

    Raises:
        TypeError: If `history` or `candidates` is not a list.
        ValueError: If there is no event or no candidate, the weights have another shape or are not
            finite, or `max_events` is below 1.
        ImportError: If matplotlib is not installed.
    """
    names = [str(each) for each in check_sequence("history", history, "a list of names")]
    titles = [str(each) for each in check_sequence("candidates", candidates, "a list of names")]
    check_integer("max_events", max_events)
    values = np.asarray(weights, np.float64)
    if not names or not titles or values.shape != (len(titles), len(names)):
        expected = f"one number for each of {len(titles)} candidates and {len(names)} events"
        fix = "Repeat the history for each candidate in layer.attention."
        raise invalid("weights", f"shape {values.shape}", f"{expected}, at least one of each", fix)
    if not np.isfinite(values).all():
        raise invalid("weights", values[~np.isfinite(values)][0].item(), "finite")
    cells = values.T[: -max_events - 1 : -1]  # the most recent event first
    names = names[: -max_events - 1 : -1]
    height = 0.24 * len(names) + 1.25
    width = 3.4 + 0.95 * len(titles)
    figure = new_figure(width=max(width, 5.0), height=height)
    axes = figure.subplots()
    limit = np.abs(cells).max() or 1.0
    image = axes.imshow(cells, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    digits = 2 if limit >= 0.1 else 3
    for (row, column), value in np.ndenumerate(cells):
        color = "white" if abs(value) > 0.6 * limit else "0.25"
        text = f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize="x-small")
    axes.set_xticks(range(len(titles)), map(_wrapped, titles), fontsize="x-small")
    axes.set_yticks(range(len(names)), map(_shortened, names), fontsize="x-small")
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xticks(np.arange(1, len(titles)) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=3)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=min(1.0, 2 / height), aspect=15, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize="x-small")
    total = len(history)
    shown = f"the last {len(names)} of {total:,} events" if len(names) < total else "all events"
    figure.suptitle(f"Weight of past events for each candidate ({shown})", fontsize="medium")
    figure.savefig(check_path("path", path))


def _shortened(name: str) -> str:
    """A name on one line; a long one without its middle: its end has the year or the rating."""
    name = " ".join(name.split())
    if len(name) <= _LONGEST:
        return name
    start = name[: _LONGEST - _END - 1].rstrip()
    return f"{start}\N{HORIZONTAL ELLIPSIS}{name[-_END:].lstrip()}"


def _wrapped(name: str) -> str:
    """A name on a few lines, cut if it is long."""
    end = "\N{HORIZONTAL ELLIPSIS}"
    return "\n".join(textwrap.wrap(name, _COLUMN, max_lines=_LINES, placeholder=end))
