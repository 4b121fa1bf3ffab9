"""Baselines that a model should beat."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rankkit.core.arrays import NUMBER, fill_numbers, single_values
from rankkit.core.columns import as_text
from rankkit.core.precision import check_float32
from rankkit.core.timestamps import is_missing
from rankkit.data.columns import as_columns
from rankkit.utils.errors import check_number, check_sequence

_MAX_ITERATIONS = 200
_TOLERANCE = 1e-6  # change of a bias, in units of the label


class BiasBaseline:
    """Predicts the mean label plus a bias for each id: what any model should beat.

    `label = mean + bias[user] + bias[item]`, fitted by regularized least squares with alternating
    updates (Koren, Bell and Volinsky 2009, equation 3). Ids that are not in the training rows have
    a bias of 0. Without `ids` it predicts the mean.

    Args:
        rows: The training rows, as a dict of arrays or lists, or a pandas DataFrame.
        ids: Columns of ids that get a bias each.
        label: Column of labels.
        regularization: L2 regularization: each bias is shrunk towards 0, as by this number of
            additional rows of its id with a residual of 0. Defaults to `3.0`.

    Raises:
        ValueError: If a column is missing, a label is not finite or the regularization is negative.
        TypeError: If `ids` is a string, or the labels are not numbers.

    Example:
        >>> rows = {"user_id": ["a", "a", "b"], "rating": [5.0, 5.0, 2.0]}
        >>> baseline = BiasBaseline(rows, ["user_id"], label="rating", regularization=0.0)
        >>> baseline({"user_id": ["a", "b", "new"]})
        array([5., 2., 4.])
    """

    def __init__(self, rows: Any, ids: Sequence[str], *, label: str, regularization: float = 3.0):
        fix = f"Pass ids=[{ids!r}]." if isinstance(ids, str) else ""
        ids = check_sequence("ids", ids, "a list of column names", fix)
        check_number("regularization", regularization, "a number of at least 0", least=0)
        columns = as_columns(rows, [*ids, label])
        labels = numeric_labels(label, columns[label])
        check_finite_labels(label, labels)
        labels = labels.astype(float)
        self.label, self.score_kind = label, "estimate"  # what reports would judge by the values
        self.mean = labels.mean()
        self._vocabularies: dict[str, np.ndarray] = {}
        self._biases: dict[str, np.ndarray] = {}
        indices = {}
        for name in ids:
            self._vocabularies[name], indices[name] = unique_ids(name, columns[name])
            self._biases[name] = np.zeros(len(self._vocabularies[name]))
        residuals = labels - self.mean
        for _ in range(_MAX_ITERATIONS):
            change = 0.0
            for name, index in indices.items():
                bias = self._biases[name]
                residuals += bias[index]
                counts = np.bincount(index) + regularization
                self._biases[name] = np.bincount(index, residuals) / counts
                residuals -= self._biases[name][index]
                change = max(change, float(np.abs(self._biases[name] - bias).max()))
            if change < _TOLERANCE:
                break

    def __call__(self, columns: Any) -> np.ndarray:
        """Predicts labels.

        Args:
            columns: The columns of ids, as a dict of arrays or a pandas DataFrame; others are
                ignored.

        Returns:
            The predicted labels, `(rows,)`.
        """
        arrays = as_columns(columns, list(self._vocabularies) or None, argument="columns")
        scores = np.full(len(next(iter(arrays.values()))), self.mean)
        for name, vocabulary in self._vocabularies.items():
            ids = as_text(name, arrays[name])
            if (kind := _kind(ids)) != (known := _kind(vocabulary)):
                raise TypeError(
                    f"Ids must be of the type of the training rows, but column {name!r} contains "
                    f"{kind}, and {known} there. Convert one of them."
                )
            indices = np.searchsorted(vocabulary, ids).clip(max=len(vocabulary) - 1)
            scores += np.where(vocabulary[indices] == ids, self._biases[name][indices], 0.0)
        return scores


def numeric_labels(name: str, column: Any) -> np.ndarray:
    """Returns the labels of a column as numbers, NaN where they are missing."""
    where = f"column {name!r}"
    labels = fill_numbers(where, single_values(where, column))
    if labels.dtype.kind not in "biuf":
        raise TypeError(
            f"Labels must be numbers, but column {name!r} contains "
            f"{labels[:1].tolist()[0]!r}. Pass the name of a numeric column as label."
        )
    check_float32(where, labels)  # as in training
    return labels


def check_finite_labels(name: str, column: np.ndarray) -> None:
    """Raises unless all labels in a column are finite."""
    wrong = column[~np.isfinite(column)]
    if wrong.size:
        raise ValueError(
            f"Labels must be finite, but column {name!r} contains {wrong[0]}. Drop those rows."
        )


def unique_ids(name: str, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct ids of a column in order, and the index of that of each row, `(rows,)`."""
    ids = as_text(name, single_values(f"column {name!r}", ids))
    try:
        distinct, indices = np.unique(ids, return_inverse=True)
    except TypeError:  # they have no order
        distinct, indices = ids, None
    if distinct.dtype.kind in "OfM" and any(map(is_missing, distinct)):
        value = next(filter(is_missing, distinct))
        raise ValueError(
            f"Ids must not be missing, but column {name!r} contains {value}. Drop those rows, or "
            "replace it by an id such as ''."
        )
    if indices is None:
        kinds = ", ".join(dict.fromkeys(type(each).__name__ for each in ids))
        raise TypeError(
            f"Ids must be of one type, but column {name!r} contains {kinds}. Convert them to str."
        )
    return distinct, indices


def _kind(ids: np.ndarray) -> str:
    """The kind of the ids of a column, by the first one."""
    for kind, types in (("text", str), ("numbers", NUMBER)):
        if isinstance(ids[0], types):
            return kind
    return type(ids[0]).__name__
