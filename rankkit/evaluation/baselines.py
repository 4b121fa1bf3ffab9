"""Baselines that a model should beat."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rankkit.data.columns import as_columns
from rankkit.evaluation.metrics import is_number
from rankkit.utils.errors import invalid, wrong_type

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
        ValueError: If a column is missing or the regularization is negative.
        TypeError: If `ids` is a string.

    Example:
        >>> rows = {"user_id": ["a", "a", "b"], "rating": [5.0, 5.0, 2.0]}
        >>> baseline = BiasBaseline(rows, ["user_id"], label="rating", regularization=0.0)
        >>> baseline({"user_id": ["a", "b", "new"]})
        array([5., 2., 4.])
    """

    def __init__(self, rows: Any, ids: Sequence[str], *, label: str, regularization: float = 3.0):
        if isinstance(ids, str):
            raise wrong_type("ids", ids, "a list of column names", f"Pass ids=[{ids!r}].")
        if not is_number(regularization) or not regularization >= 0:
            raise invalid("regularization", regularization, "a number of at least 0")
        columns = as_columns(rows, [*ids, label])
        labels = columns[label].astype(float)
        self.mean = labels.mean()
        self._vocabularies: dict[str, np.ndarray] = {}
        self._biases: dict[str, np.ndarray] = {}
        indices = {}
        for name in ids:
            self._vocabularies[name], indices[name] = np.unique(columns[name], return_inverse=True)
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

    def __call__(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Predicts labels.

        Args:
            columns: The columns of ids; others are ignored.

        Returns:
            The predicted labels, `(rows,)`.
        """
        scores = np.full(len(next(iter(columns.values()))), self.mean)
        for name, vocabulary in self._vocabularies.items():
            ids = as_columns({name: columns[name]})[name]
            if isinstance(ids[0], bytes):  # of a TensorFlow tensor
                ids = np.array([each.decode() for each in ids], object)
            indices = np.searchsorted(vocabulary, ids).clip(max=len(vocabulary) - 1)
            scores += np.where(vocabulary[indices] == ids, self._biases[name][indices], 0.0)
        return scores
