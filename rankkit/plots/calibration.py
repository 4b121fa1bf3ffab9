"""Whether labels are on average what was predicted."""

import os
from typing import TYPE_CHECKING, Any

from rankkit.plots._diagnosis import BIASES, MODEL, check_diagnosis, in_words
from rankkit.plots._figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
