"""Scores without a network: what a model has to beat."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rankkit.data.columns import as_columns
from rankkit.utils.errors import invalid

_TURNS = 200
_SETTLED = 1e-6  # of a rating step


class BiasBaseline:
    """Predicts a label by its mean and by how much each id's labels differ from it.

    `label = mean + bias[user] + bias[item]`, each bias shrunk towards 0 by `regularization` labels
    that are just as expected (Koren, Bell and Volinsky 2009, equation 3, solved in turns). Ids that
    are not among the rows have no bias. Without ids it is the mean alone.

    Args:
        rows: The training rows, as a dict of arrays or lists, or a pandas DataFrame.
        ids: Names of the columns of ids.
        label: Name of the column of labels.
        regularization: The labels that each bias is shrunk by. Defaults to `3.0`.

    Raises:
        ValueError: If a column is missing, or the regularization is negative.

    Example:
        >>> rows = {"user_id": ["a", "a", "b"], "rating": [5.0, 5.0, 2.0]}
        >>> baseline = BiasBaseline(rows, ["user_id"], label="rating", regularization=0.0)
        >>> baseline({"user_id": ["a", "b", "new"]})
        array([5., 2., 4.])
    """

    def __init__(self, rows: Any, ids: Sequence[str], *, label: str, regularization: float = 3.0):
        if not regularization >= 0:
            raise invalid("regularization", regularization, "a number of at least 0")
        columns = as_columns(rows, [*ids, label])
        labels = columns[label].astype(float)
        self.mean = labels.mean()
        self._known: dict[str, np.ndarray] = {}
        self._biases: dict[str, np.ndarray] = {}
        places = {}
        for name in ids:
            self._known[name], places[name] = np.unique(columns[name], return_inverse=True)
            self._biases[name] = np.zeros(len(self._known[name]))
        left = labels - self.mean
        for _ in range(_TURNS if ids else 0):
            moved = 0.0
            for name, place in places.items():
                bias = self._biases[name]
                left += bias[place]
                counts = np.bincount(place) + regularization
                self._biases[name] = np.bincount(place, left) / counts
                left -= self._biases[name][place]
                moved = max(moved, float(np.abs(self._biases[name] - bias).max()))
            if moved < _SETTLED:
                break

    def __call__(self, columns: Mapping[str, Any]) -> np.ndarray:
        """Scores rows.

        Args:
            columns: The columns of ids; others are ignored.

        Returns:
            The predicted labels, `(rows,)`.
        """
        rows = len(next(iter(columns.values())))
        scores = np.full(rows, self.mean)
        for name, known in self._known.items():
            ids = as_columns({name: columns[name]})[name]
            if isinstance(ids[0], bytes):  # of a TensorFlow tensor
                ids = np.array([each.decode() for each in ids], object)
            places = np.searchsorted(known, ids).clip(max=len(known) - 1)
            scores += np.where(known[places] == ids, self._biases[name][places], 0.0)
        return scores
