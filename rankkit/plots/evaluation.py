"""Plots of a diagnosis: calibration, error by number of training examples, predicted vs. true."""

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from rankkit.plots._common import Scale, new_figure, title_of
from rankkit.utils.errors import check_path, wrong_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MODEL: dict[str, Any] = {"color": "C0", "label": "model", "marker": "o", "zorder": 3}
_BIASES: dict[str, Any] = {
    "color": "0.5", "label": "bias baseline", "marker": "s", "linestyle": "--",
}  # fmt: skip
_MEAN: dict[str, Any] = {
    "color": "C0", "label": "mean prediction", "marker": "^", "markersize": 8, "linestyle": "",
    "markeredgecolor": "white", "clip_on": False, "zorder": 4,
}  # fmt: skip


def calibration(diagnosis: Any, path: str | os.PathLike[str]) -> None:
    """Plots the mean true rating against the mean predicted rating, by bin of the predictions.

    A calibrated model is on the diagonal; below it the model overestimates. A curve steeper than
    the diagonal means that predictions vary too little, as in underfitting; one less steep, that
    they vary too much, as in overfitting. The wider the range of the predictions, the better the
    model distinguishes rows.

    Args:
        diagnosis: The result of `rankkit.evaluation.diagnose`.
        path: Image file to write. Its suffix is the format, such as `.png`.

    Raises:
        TypeError: If it is not a diagnosis.
        ValueError: If the scores were only an order.
        ImportError: If matplotlib is not installed.
    """
    _check_diagnosis(diagnosis)
    figure = new_figure(width=5.2, height=5.4)
    axes = figure.subplots()
    values = []
    for name, style in (("biases", _BIASES), ("model", _MODEL)):
        lines = [line for line in diagnosis.calibration if line["scorer"] == name]
        predicted = [line["mean_prediction"] for line in lines]
        true = [line["mean_label"] for line in lines]
        axes.plot(predicted, true, markersize=5, **style)
        values += [*predicted, *true]
    limits = Scale("linear", min(values), max(values)).limits(margin=0.05)
    axes.plot(limits, limits, color="C3", linewidth=1, zorder=1, label="perfectly calibrated")
    sizes = [line["num_rows"] for line in diagnosis.calibration if line["scorer"] == "model"]
    size = f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,} to {max(sizes):,}"
    label = title_of(diagnosis.label)
    axes.set(xlabel=f"mean predicted {label}", ylabel=f"mean true {label}", title="Calibration")
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.text(0.98, 0.02, f"{size} examples per bin", ha="right", transform=axes.transAxes)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(check_path("path", path))


def error_by_count(diagnosis: Any, path: str | os.PathLike[str]) -> None:
    """Plots the errors by the number of training examples of the query and of the item.

    The upper row is the root mean squared error, the lower row the mean error, predicted minus
    true: above 0 the model overestimates. The number of evaluated examples is given below each
    range; with few of them the errors are noisy. Where the model is no better than the bias
    baseline, its embeddings and features do not help.

    Args:
        diagnosis: The result of `rankkit.evaluation.diagnose`.
        path: Image file to write. Its suffix is the format, such as `.png`.

    Raises:
        TypeError: If it is not a diagnosis.
        ValueError: If the scores were only an order.
        ImportError: If matplotlib is not installed.
    """
    _check_diagnosis(diagnosis)
    columns: dict[str, list[dict[str, Any]]] = {}
    for line in diagnosis.errors:
        if line["column"] is not None:
            columns.setdefault(line["column"], []).append(line)
    widths = [max(3, len(lines)) for lines in columns.values()]
    figure = new_figure(width=1.2 + 0.72 * sum(widths), height=5.2)
    ratios = {"width_ratios": widths}
    panels = figure.subplots(
        2, len(columns), sharex="col", sharey="row", squeeze=False, gridspec_kw=ratios
    )
    for (top, bottom), (column, lines) in zip(panels.T, columns.items(), strict=True):
        _plot_errors(top, lines, "rmse")
        _plot_errors(bottom, lines, "mean_error")
        bottom.axhline(0, color="C3", linewidth=1, zorder=1)
        ticks = [
            (f"{_short(line['low'])}\N{EN DASH}{_short(line['high'])}" if line["low"] else "0")
            + f"\n({_short(line['num_rows'])})"
            for line in lines
        ]
        bottom.set_xticks(range(len(lines)), ticks, fontsize="small")
        bottom.set(xlim=(-0.5, len(lines) - 0.5))
        name = title_of(column.removesuffix("_id"))
        bottom.set_xlabel(f"number of training examples\nof the {name}\n(test examples)")
    panels[0, 0].set_ylabel("RMSE")
    panels[1, 0].set_ylabel("mean error\n(predicted - true)")
    title = f"Error of predicted {title_of(diagnosis.label)}\nby number of training examples"
    figure.suptitle(title, fontsize="large")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(check_path("path", path))


def _plot_errors(axes: "Axes", lines: list[dict[str, Any]], name: str) -> None:
    for prefix, style in (("biases_", _BIASES), ("", _MODEL)):
        axes.plot([line[f"{prefix}{name}"] for line in lines], markersize=5, **style)
    axes.grid(alpha=0.3)


def _short(count: int) -> str:
    return str(count) if count < 10_000 else f"{count / 1000:.3g}k"


def predicted_against_true(diagnosis: Any, path: str | os.PathLike[str]) -> None:
    """Plots a histogram of the predicted ratings for each true rating, the lowest one at the top.

    The histograms of a good model move to the right from one true rating to the next; if they
    overlap completely, the predictions carry little information. The dashed line is the true
    rating (two lines for a group of ratings), the triangle the mean prediction, and the outline
    the histogram of the bias baseline. Histograms are in per cent of the examples with this
    true rating.

    Args:
        diagnosis: The result of `rankkit.evaluation.diagnose`.
        path: Image file to write. Its suffix is the format, such as `.png`.

    Raises:
        TypeError: If it is not a diagnosis.
        ValueError: If the scores were only an order.
        ImportError: If matplotlib is not installed.
    """
    _check_diagnosis(diagnosis)
    models, baselines = (
        [line for line in diagnosis.histograms if line["scorer"] == name]
        for name in ("model", "biases")
    )
    figure = new_figure(height=1.2 + 0.75 * len(models))
    panels = figure.subplots(len(models), sharex=True, sharey=True, squeeze=False)[:, 0]
    edges = np.array(diagnosis.edges)
    for axes, model, biases in zip(panels, models, baselines, strict=True):
        shares = [100 * np.array(line["counts"]) / line["num_rows"] for line in (model, biases)]
        axes.stairs(shares[0], edges, fill=True, color="C0", alpha=0.5, label=_MODEL["label"])
        axes.stairs(shares[1], edges, color="0.3", label=_BIASES["label"])
        low, high = model["low"], model["high"]
        axes.axvspan(low, high, color="C3", alpha=0.15 if low < high else 0)
        for end in {low, high}:
            axes.axvline(end, color="C3", linestyle="--", linewidth=1)
        axes.plot(np.clip(model["mean_prediction"], edges[0], edges[-1]), 0, **_MEAN)
        true = f"{low:g}" if low == high else f"{low:.3g} to {high:.3g}"
        title = f"true {true}\n{model['num_rows']:,} examples"
        axes.set_ylabel(title, rotation=0, ha="right", va="center", labelpad=8)
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:g} %")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    label = title_of(diagnosis.label)
    panels[-1].set(xlabel=f"predicted {label}", xlim=(edges[0], edges[-1]))
    figure.suptitle(f"Distribution of predicted {label} by true {label}", fontsize="large")
    panels[0].plot([], [], "--", color="C3", linewidth=1, label=f"true {label}")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(check_path("path", path))


def _check_diagnosis(diagnosis: Any) -> None:
    """Raises if an argument is not a diagnosis, or has no predictions of the label."""
    names = ("label", "edges", "histograms", "calibration", "errors")
    if not all(hasattr(diagnosis, name) for name in names):
        fix = "Pass the result of rankkit.evaluation.diagnose."
        raise wrong_type("diagnosis", diagnosis, "a rankkit.evaluation.Diagnosis", fix)
    if not diagnosis.errors:
        raise ValueError(
            "A plot of a diagnosis needs predictions of the label, but the scores of this one are "
            "only an order. See diagnosis.unchecked."
        )
