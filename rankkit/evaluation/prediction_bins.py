"""Predictions against labels: how they spread for each label, and what the labels of each are."""

from typing import Any

import numpy as np

_MOST_LABELS = 12  # distinct ones, above which labels are grouped
_GROUPS = 5
_STEPS = 40  # bins of predictions over the range of the labels


def prediction_edges(low: float, high: float) -> np.ndarray:
    """Divides the range of the labels, and a tenth of it on either side, into equal bins.

    Args:
        low: The lowest label.
        high: The highest label.

    Returns:
        The ends of the bins, one more than there are bins.
    """
    beyond = _STEPS // 10
    return low + (high - low) / _STEPS * np.arange(-beyond, _STEPS + beyond + 1)


def histogram_lines(
    labels: np.ndarray, scores: dict[str, np.ndarray], edges: np.ndarray
) -> list[dict[str, Any]]:
    """Counts the predictions of the rows of each label, or of groups of labels if there are many.

    Args:
        labels: Label of each row, `(rows,)`.
        scores: Name of a scorer to its predictions, `(rows,)` each.
        edges: Ends of the bins of predictions; what lies beyond counts for the outermost.

    Returns:
        One dict a label and scorer.
    """
    distinct = np.unique(labels)
    groups = _quantile_bins(labels, _GROUPS)
    if len(distinct) <= _MOST_LABELS:
        groups = np.searchsorted(distinct, labels)
    lines = []
    for group in np.unique(groups):
        chosen = groups == group
        ends = {"low": float(labels[chosen].min()), "high": float(labels[chosen].max())}
        for name, predicted in scores.items():
            inside = np.clip(predicted[chosen], edges[0], edges[-1])
            found = {
                "num_rows": int(chosen.sum()),
                "mean_prediction": float(predicted[chosen].mean()),
                "counts": np.histogram(inside, edges)[0].tolist(),
            }
            lines.append({"scorer": name, **ends, **found})
    return lines


def calibration_lines(
    labels: np.ndarray, scores: dict[str, np.ndarray], num_bins: int
) -> list[dict[str, Any]]:
    """Compares the mean label with the mean prediction, in bins of as many rows each.

    Args:
        labels: Label of each row, `(rows,)`.
        scores: Name of a scorer to its predictions, `(rows,)` each.
        num_bins: How many bins; equal predictions share one, so that there may be fewer.

    Returns:
        One dict a bin and scorer, by prediction.
    """
    lines = []
    for name, predicted in scores.items():
        bins = _quantile_bins(predicted, num_bins)
        for each in np.unique(bins):
            chosen = bins == each
            found = {
                "num_rows": int(chosen.sum()),
                "mean_prediction": float(predicted[chosen].mean()),
                "mean_label": float(labels[chosen].mean()),
            }
            lines.append({"scorer": name, **found})
    return lines


def _quantile_bins(values: np.ndarray, num_bins: int) -> np.ndarray:
    inner = np.quantile(values, np.arange(1, num_bins) / num_bins)
    return np.searchsorted(inner, values, side="right")
