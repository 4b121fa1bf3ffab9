"""Plot of the learning curve."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rankkit.plots._common import new_figure
from rankkit.utils.errors import unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_curve(
    history: Mapping[str, Sequence[float]],
    path: str | os.PathLike[str],
    *,
    metric: str = "root_mean_squared_error",
) -> None:
    """Draws a metric against the epochs, training and validation.

    Args:
        history: Metric name to one value an epoch, as `fit(...).history` gives it.
        path: Picture to write, its kind by its ending, such as `.png`.
        metric: Name of the metric. Defaults to `"root_mean_squared_error"`.

    Raises:
        ValueError: If the metric is not in the history.
        ImportError: If matplotlib is not installed.
    """
    if metric not in history:
        raise unknown("metric", metric, history)
    learning_curve_figure(history, metric).savefig(path)


def learning_curve_figure(history: Mapping[str, Sequence[float]], metric: str) -> "Figure":
    """Draws without writing a file."""
    figure = new_figure()
    axes = figure.subplots()
    for name, label in ((metric, "training"), (f"val_{metric}", "validation")):
        if name in history:
            values = history[name]
            axes.plot(range(1, len(values) + 1), values, marker="o", label=label)
    axes.set(xlabel="epoch", ylabel=metric.replace("_", " "), title="Learning curve")
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return figure
