"""The result of `diagnose`."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.evaluation.report import text_table
from rankkit.evaluation.scored_rows import ScoredRows
from rankkit.layers import IdEmbedding
from rankkit.models.network import readers
from rankkit.ranking.scoring import specs_of


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """How a model's predictions relate to the labels, where its errors are, and what is wrong.

    Lines are dicts of plain values. Beside the scorer, which is `"model"`, stand the `"biases"`:
    the mean label with a bias for each query and item. Errors are prediction minus label, so that a
    `mean_error` above 0 is a model that promises too much.

    Attributes:
        label: Name of the column of labels, whose unit all values have.
        edges: Ends of the bins of predictions of `histograms`: from a tenth of the labels' range
            below it to a tenth above; predictions beyond are in the outermost bins.
        histograms: One dict for each label and scorer: `scorer`, `low` and `high` (equal, unless
            labels of more than 12 values were put into 5 groups of as many rows each),
            `num_rows`, `mean_prediction`, and `counts`, the number of predictions in each bin.
        calibration: One dict for each quantile bin of each scorer's predictions, from low to
            high: `scorer`, `num_rows`, `mean_prediction` and `mean_label`.
        errors: One dict for all rows, for the rows as if their query or item were unknown (where
            the scorer says what it takes), and for the rows whose query or item has `low` to
            `high` training rows: `rows` in words, `column`, `low`, `high`, `num_rows`, `rmse`,
            `mean_error`, `biases_rmse` and `biases_mean_error`.
        warnings: What is wrong, in plain words; empty if nothing was found.
        unchecked: What could not be looked for, and why.
    """

    label: str
    edges: list[float]
    histograms: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    warnings: list[str]
    unchecked: list[str]

    def __str__(self) -> str:
        errors = [["rows", "number", "rmse", "of biases", "mean error", "of biases"]]
        for line in self.errors:
            values = [line["rmse"], line["biases_rmse"]]
            means = [line["mean_error"], line["biases_mean_error"]]
            cells = [*(f"{each:.4f}" for each in values), *(f"{each:+.4f}" for each in means)]
            errors.append([line["rows"], f"{line['num_rows']:,}", *cells])
        bins = [["mean prediction", f"mean {self.label}", "number"]]
        for line in self.calibration:
            if line["scorer"] == "model":
                cells = [f"{line['mean_prediction']:.3f}", f"{line['mean_label']:.3f}"]
                bins.append([*cells, f"{line['num_rows']:,}"])
        parts = [text_table(errors, num_names=1), text_table(bins, num_names=0)]
        parts.append("\n".join(f"ALARM: {alarm}" for alarm in self.warnings) or "No warnings.")
        parts += ["\n".join(f"Not checked: {each}" for each in self.unchecked)]
        return "\n\n".join(filter(None, parts))


def error_line(rows: str, errors: np.ndarray, biases: np.ndarray, **where: Any) -> dict[str, Any]:
    """Sums the errors of some rows up.

    Args:
        rows: Which rows they are.
        errors: Prediction minus label of each, `(rows,)`.
        biases: The same of the baseline.
        **where: The column of ids and the counts that the rows were chosen by.

    Returns:
        A line of a `Diagnosis`.
    """
    where = {"column": None, "low": None, "high": None, **where}
    line: dict[str, Any] = {"rows": rows, **where, "num_rows": len(errors)}
    for name, values in (("", errors), ("biases_", biases)):
        line[f"{name}rmse"] = float(np.sqrt(np.mean(values**2)))
        line[f"{name}mean_error"] = float(values.mean())
    return line


def error_lines_by_count(
    column: str, ids: np.ndarray, train_ids: np.ndarray, errors: np.ndarray, biases: np.ndarray
) -> list[dict[str, Any]]:
    """Sums errors up by how many training rows the id of a row has.

    Args:
        column: Name of the column of ids.
        ids: The id of each row, `(rows,)`.
        train_ids: The id of each training row.
        errors: Prediction minus label of each row, `(rows,)`.
        biases: The same of the baseline.

    Returns:
        A line for the ids without training rows, for those with 1 or 2, 3 to 9, 10 to 29, 30 to
        99 and so on, as far as there are rows of them.
    """
    known = Counter(train_ids.tolist())
    counts = np.array([known[each] for each in ids.tolist()])
    starts = [0, 1, 3]
    while starts[-1] <= counts.max():
        starts.append(10 * starts[-2])
    lines = []
    for low, after in itertools.pairwise(starts):
        chosen = (counts >= low) & (counts < after)
        if chosen.any():
            span = f"{low:,} to {after - 1:,}" if low else "no"
            rows = f"{column} with {span} training rows"
            where = {"column": column, "low": low, "high": after - 1}
            lines.append(error_line(rows, errors[chosen], biases[chosen], **where))
    return lines


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


def with_unknown_id(rows: ScoredRows, name: str) -> dict[str, np.ndarray] | None:
    """Gives the rows with an id that no row has in the place of each row's own.

    Args:
        rows: The rows.
        name: The column of ids.

    Returns:
        The columns; None where the scorer does not say that it takes such ids.
    """
    if name not in (specs_of(rows.scorer) or ()):
        return None
    taken = {*rows.columns[name].tolist(), *rows.known[name].tolist()}
    for layer in id_layers(rows.scorer, name):
        taken |= set(layer.vocabulary)
    is_text = isinstance(rows.columns[name][0], str | bytes)
    number = -1
    while (unknown := f"unknown{number}" if is_text else number) in taken:
        number -= 1
    column = np.full(len(rows.labels), unknown, object if is_text else None)
    return {**rows.columns, name: column}


def untrained_row(rows: ScoredRows, name: str) -> bool | None:
    """Tells whether no training row was ever looked up as an unknown id.

    Args:
        rows: The rows, with those of training.
        name: The column of ids.

    Returns:
        None if the scorer does not show the layer that looks the ids up.
    """
    layers = id_layers(rows.scorer, name)
    if not layers:
        return None
    ids = set(rows.known[name].tolist())
    return any(not each.id_dropout_rate and ids <= set(each.vocabulary) for each in layers)


def id_layers(scorer: Any, name: str) -> list[IdEmbedding]:
    """Finds the layers that a live model or network gives a column of ids to."""
    network = getattr(scorer, "network", scorer)
    inputs = getattr(network, "input", None)
    if not isinstance(network, tf.keras.Model) or not isinstance(inputs, Mapping):
        return []
    if name not in inputs:
        return []
    return [layer for layer, _ in readers(network, name) if isinstance(layer, IdEmbedding)]
