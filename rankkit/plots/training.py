"""Plot of the learning curve."""

import os
from collections.abc import Mapping, Sequence

from rankkit.plots._common import new_figure, title_of
from rankkit.utils.errors import (
    check_choice,
    check_mapping,
    check_path,
    check_sequence,
    invalid,
    is_number,
)


def learning_curve(
    history: Mapping[str, Sequence[float]],
    path: str | os.PathLike[str],
    *,
    metric: str = "root_mean_squared_error",
) -> None:
    """Plots the training and validation values of a metric by epoch.

    Args:
        history: Metric name to one value per epoch: `fit(...).history`.
        path: Image file to write. Its suffix is the format, such as `.png`.
        metric: Name of the metric. Defaults to `"root_mean_squared_error"`.

    Raises:
        ValueError: If the metric is not in the history.
        ImportError: If matplotlib is not installed.
    """
    check_mapping("history", history, "a dict of lists", "Pass the history of `fit(...)`.")
    check_choice("metric", metric, history)
    figure = new_figure()
    axes = figure.subplots()
    for name, label in ((metric, "training"), (f"val_{metric}", "validation")):
        if name in history:
            values = check_sequence(f"history[{name!r}]", history[name], "a list of numbers")
            if not values or not all(map(is_number, values)):
                raise invalid(f"history[{name!r}]", values, "a list of at least one number")
            axes.plot(range(1, len(values) + 1), values, marker="o", label=label)
    axes.set(xlabel="epoch", ylabel=title_of(metric), title="Learning curve")
    axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(check_path("path", path))
