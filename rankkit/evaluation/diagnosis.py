"""The result of `diagnose`, and the functions that compute its tables."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from rankkit.evaluation.report import text_table

_MAX_LABELS = 12  # distinct ones; more are grouped
_NUM_GROUPS = 5
_NUM_BINS = 40  # of the predictions, over the range of the labels


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """Predictions and errors of a model beside those of a baseline, and warnings.

    Tables are lists of dicts of plain values. The scorer is `"model"`; the baseline `"biases"` is
    the mean training label plus a bias for each query and item. Errors are predicted minus true
    label: a `mean_error` above 0 means that the model overestimates. Logits are given as
    probabilities; of scores that are only an order, all tables are empty.

    Attributes:
        label: Column of labels.
        edges: Edges of the prediction bins of `histograms`. The bins cover the range of the labels
            and a tenth of it on either side; predictions outside are in the outermost bins.
        histograms: One dict per true label and scorer: `scorer`, `low` and `high` (equal, unless
            more than 12 distinct labels were grouped into quintiles), `num_rows`,
            `mean_prediction`, and `counts`, the number of predictions in each bin.
        calibration: One dict per scorer and quantile bin of its predictions, in ascending order:
            `scorer`, `num_rows`, `mean_prediction` and `mean_label`.
        errors: One dict for all rows, for all rows with their query or item replaced by an OOV
            id (if the scorer lists it among its features), and for the rows whose query or item has
            `low` to `high` training rows: `rows` in words, `column`, `low`, `high`, `num_rows`,
            `rmse`, `mean_error`, `biases_rmse` and `biases_mean_error`.
        warnings: Problems that were found, one text each; empty if there are none.
        unchecked: Checks that were not possible, and why; how scores were judged by their values.
    """

    label: str
    edges: list[float]
    histograms: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    warnings: list[str]
    unchecked: list[str]

    def __str__(self) -> str:
        errors = [["rows", "num_rows", "rmse", "biases_rmse", "mean_error", "biases_mean_error"]]
        for line in self.errors:
            cells = [f"{line[name]:.4f}" for name in errors[0][2:4]]
            cells += [f"{line[name]:+.4f}" for name in errors[0][4:]]
            errors.append([line["rows"], f"{line['num_rows']:,}", *cells])
        bins = [["mean_prediction", "mean_label", "num_rows"]]
        for line in self.calibration:
            if line["scorer"] == "model":
                cells = [f"{line[name]:.3f}" for name in bins[0][:2]]
                bins.append([*cells, f"{line['num_rows']:,}"])
        parts = [
            text_table(errors, num_text_columns=1) if self.errors else "",
            text_table(bins, num_text_columns=0) if self.calibration else "",
            "\n".join(f"WARNING: {each}" for each in self.warnings) or "No warnings.",
            "\n".join(f"Not checked: {each}" for each in self.unchecked),
        ]
        return "\n\n".join(filter(None, parts))


def error_line(rows: str, errors: np.ndarray, biases: np.ndarray, **group: Any) -> dict[str, Any]:
    """Summarizes the errors of a model and of the baseline on some rows, `(rows,)` each."""
    line: dict[str, Any] = {"rows": rows, "column": None, "low": None, "high": None, **group}
    line["num_rows"] = len(errors)
    for prefix, values in (("", errors), ("biases_", biases)):
        line[f"{prefix}rmse"] = float(np.sqrt(np.mean(values**2)))
        line[f"{prefix}mean_error"] = float(values.mean())
    return line


def error_lines_by_count(
    column: str, ids: np.ndarray, train_ids: np.ndarray, errors: np.ndarray, biases: np.ndarray
) -> list[dict[str, Any]]:
    """Errors by the number of training rows of an id."""
    lines = []
    for low, high, mask in groups_by_count(ids, train_ids):
        span = f"{low:,} to {high:,}" if low else "no"
        rows = f"{column} with {span} training rows"
        group = {"column": column, "low": low, "high": high}
        lines.append(error_line(rows, errors[mask], biases[mask], **group))
    return lines


def groups_by_count(
    ids: np.ndarray, train_ids: np.ndarray
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Rows by the training rows of an id: 0, 1 to 2, 3 to 9, 10 to 29, ... `(low, high, mask)`."""
    count_by_id = Counter(train_ids.tolist())
    counts = np.array([count_by_id[each] for each in ids.tolist()])
    starts = [0, 1, 3]
    while starts[-1] <= counts.max():
        starts.append(10 * starts[-2])
    for low, end in itertools.pairwise(starts):
        mask = (counts >= low) & (counts < end)
        if mask.any():
            yield low, end - 1, mask


def prediction_edges(low: float, high: float) -> np.ndarray:
    """Edges of equal bins over the range of the labels and a tenth of it on either side."""
    margin = _NUM_BINS // 10
    return low + (high - low) / _NUM_BINS * np.arange(-margin, _NUM_BINS + margin + 1)


def histogram_lines(
    labels: np.ndarray, scores: dict[str, np.ndarray], edges: np.ndarray
) -> list[dict[str, Any]]:
    """Histograms of the predictions of each scorer by true label, or by quintile of the labels."""
    distinct = np.unique(labels)
    if len(distinct) <= _MAX_LABELS:
        groups = np.searchsorted(distinct, labels)
    else:
        groups = _quantile_bins(labels, _NUM_GROUPS)
    lines = []
    for group in np.unique(groups):
        mask = groups == group
        low, high = float(labels[mask].min()), float(labels[mask].max())
        for name, predicted in scores.items():
            counts, _ = np.histogram(np.clip(predicted[mask], edges[0], edges[-1]), edges)
            line = {"scorer": name, "low": low, "high": high, "num_rows": int(mask.sum())}
            line["mean_prediction"] = float(predicted[mask].mean())
            lines.append({**line, "counts": counts.tolist()})
    return lines


def calibration_lines(
    labels: np.ndarray, scores: dict[str, np.ndarray], num_bins: int
) -> list[dict[str, Any]]:
    """Mean label and prediction by scorer and quantile bin; equal predictions share a bin."""
    lines = []
    for name, predicted in scores.items():
        bins = _quantile_bins(predicted, num_bins)
        for index in np.unique(bins):
            mask = bins == index
            line = {"scorer": name, "num_rows": int(mask.sum())}
            line["mean_prediction"] = float(predicted[mask].mean())
            lines.append({**line, "mean_label": float(labels[mask].mean())})
    return lines


def _quantile_bins(values: np.ndarray, num_bins: int) -> np.ndarray:
    inner = np.quantile(values, np.arange(1, num_bins) / num_bins)
    return np.searchsorted(inner, values, side="right")
