"""Pictures of training."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rankkit._errors import unknown

__all__ = ["learning_curve"]


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
    figure, axes = _axes()
    for name, label in ((metric, "training"), (f"val_{metric}", "validation")):
        if name in history:
            values = history[name]
            axes.plot(range(1, len(values) + 1), values, marker="o", label=label)
    axes.set(xlabel="epoch", ylabel=metric.replace("_", " "), title="Learning curve")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


def _axes() -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "rankkit.plots needs matplotlib. Install it: pip install 'rankkit[plots]'."
        ) from None
    # A figure of its own leaves the caller's pyplot state and backend alone.
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    return figure, figure.subplots()
