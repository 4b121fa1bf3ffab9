"""Predictions for each true rating."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from rankkit.plots._diagnosis import BIASES, MODEL, check_diagnosis, in_words
from rankkit.plots._figure import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
