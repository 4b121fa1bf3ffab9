"""Plot of what each column adds to a score."""

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rankkit.plots._common import new_figure
from rankkit.utils.errors import check_integer, check_mapping, check_path, invalid, wrong_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_POINTS = 1000  # of a curve
_MIDDLE = (0.005, 0.995)  # quantiles between which a curve is drawn
_BARS = 30
_LONGEST = 28  # characters of a name that is shown in full


def additive_terms(
    terms: Mapping[str, Any], path: str | os.PathLike[str], *, max_terms: int = 12
) -> None:
    """Plots what the most important columns add to the score, by the value of the column.

    All panels have one vertical axis, so that they can be compared; 0 is the mean over the rows.
    The histogram is that of the rows, with square roots of counts as heights: a curve is uncertain
    where there are few. Curves end at the 0.5th and the 99.5th percentile of the values. A dashed
    line is what a missing value adds. The number above a panel is the standard deviation of the
    contributions, the importance of the column.

    Args:
        terms: The result of `rankkit.evaluation.additive_terms`, or some of its items.
        path: Image file to write. Its suffix is the format, such as `.png`.
        max_terms: Largest number of columns to plot, those of the largest standard deviation.
            Defaults to `12`.

    Raises:
        TypeError: If it is not such a result.
        ValueError: If there are no columns, or `max_terms` is below 1.
        ImportError: If matplotlib is not installed.
    """
    fix = "Pass the result of rankkit.evaluation.additive_terms."
    check_mapping("terms", terms, "a dict of terms", fix)
    if not terms:
        raise invalid("terms", terms, "a dict with at least one term", fix)
    for name, term in terms.items():
        if not all(hasattr(term, each) for each in ("values", "contributions", "std")):
            raise wrong_type(f"terms[{name!r}]", term, "a rankkit.evaluation.AdditiveTerm", fix)
    check_integer("max_terms", max_terms)
    shown = sorted(terms.items(), key=lambda item: -item[1].std)[:max_terms]
    num_columns = min(4, len(shown)) if len(shown) != 5 else 3
    num_rows = math.ceil(len(shown) / num_columns)
    figure = new_figure(width=max(3.8, 0.6 + 2.4 * num_columns), height=0.9 + 1.9 * num_rows)
    panels = figure.subplots(num_rows, num_columns, sharey=True, squeeze=False).ravel()
    largest = shown[0][1].std
    decimals = 2 - math.floor(math.log10(largest)) if largest > 1e-6 else 1
    for axes, (name, term) in zip(panels, shown, strict=False):
        _plot_term(axes, name, term)
        std = f"std {term.std:.{max(0, decimals)}f}"
        axes.text(
            1, 1.03, std, ha="right", color="0.4", fontsize="x-small", transform=axes.transAxes
        )
    for axes in panels[len(shown) :]:
        axes.set_axis_off()
    low, high = panels[0].get_ylim()
    panels[0].set_ylim(low - 0.25 * (high - low), high)  # room for the histograms
    figure.supylabel("added to the score", fontsize="medium")
    more = f" (the {len(shown)} most important of {len(terms)})" if len(shown) < len(terms) else ""
    figure.suptitle(f"What each column adds to the score{more}", fontsize="medium")
    figure.savefig(check_path("path", path))


def _plot_term(axes: "Axes", name: str, term: Any) -> None:
    """Plots the curve of a column and a histogram of its values."""
    is_missing = np.isnan(term.values)
    values, contributions = term.values[~is_missing].astype(float), term.contributions[~is_missing]
    if is_missing.any():
        label = f"missing ({is_missing.mean():.0%})"
        axes.axhline(term.contributions[is_missing][0], color="C3", linestyle="--", label=label)
        axes.legend(frameon=False, fontsize="x-small", loc="upper left", handlelength=1.5)
    axes.axhline(0, color="0.6", linewidth=0.8, zorder=1)
    if len(values):
        low, high = np.quantile(values, _MIDDLE, method="nearest")
        x, first = np.unique(values, return_index=True)
        is_inside = (low <= x) & (x <= high)
        x, y = x[is_inside], contributions[first[is_inside]]
        kept = np.unique(np.linspace(0, len(x) - 1, _MOST_POINTS).round().astype(int))
        few = len(x) <= _BARS
        axes.plot(x[kept], y[kept], color="C0", marker="o" if few else "", markersize=3, zorder=3)
        counts, edges = np.histogram(values[(low <= values) & (values <= high)], _BARS)
        histogram = axes.twinx()
        heights = np.sqrt(counts)
        histogram.stairs(heights, edges, fill=True, color="0.85")
        histogram.set(ylim=(0, 5 * heights.max()), yticks=[])
        histogram.spines[:].set_visible(False)
        axes.set_zorder(histogram.get_zorder() + 1)
        axes.patch.set_visible(False)
    title = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
    axes.set_title(title, fontsize="small", loc="left")
    axes.tick_params(labelsize="x-small")
    axes.locator_params(axis="x", nbins=4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
