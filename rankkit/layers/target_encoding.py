"""Target encoding: the mean label of an id."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.folds import assign_folds
from rankkit.layers import _numeric
from rankkit.layers._id_numbers import IdNumbers, distinct_combinations
from rankkit.layers._lookup import Ids
from rankkit.utils.errors import check_number, invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TargetEncoding(IdNumbers):
    """Encodes an id, or a combination of ids, as its smoothed mean label in the training rows.

    With the sum `s` and the count `n` of the labels of an id, the number is
    `(s + smoothing * prior) / (n + smoothing)`, where `prior` is the mean of all labels. The table
    is fixed, not trained.

    The number of a training row contains its own label: a model that is trained on it fails on new
    rows. Train on the column of `out_of_fold`, and use the layer for new rows, in a network by
    `rankkit.models.replace_inputs`.

    Args:
        ids: The known ids, all `str` or all `int`, without duplicates; for combinations, a list
            with the ids of each column.
        means: The smoothed mean label of each id, or of each combination.
        prior: The number of unknown ids and combinations.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch,)` of `tf.string` or `tf.int64` as the ids; for combinations, one such tensor for
        each column.

    Output shape:
        `(batch, 1)`.

    Raises:
        ValueError: If there are no ids, an id is duplicated, there are more or fewer means, or a
            number is not finite.
        TypeError: If the ids of a column mix types, or the input has another type.

    References:
        Micci-Barreca, A preprocessing scheme for high-cardinality categorical attributes in
        classification and prediction problems, SIGKDD Explorations 2001.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> items, clicks = ["a", "a", "b", "b"], [1, 1, 0, 0]
        >>> layer = rk.layers.TargetEncoding.from_columns(items, clicks, smoothing=2.0)
        >>> layer(tf.constant(["a", "b", "new"])).numpy().tolist()
        [[0.75], [0.25], [0.5]]
    """

    def __init__(
        self, ids: Ids | Sequence[Ids], means: Sequence[float], *, prior: float, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.means = _numeric.finite_numbers("means", means).astype(float)
        self.prior = float(check_number("prior", prior))
        self._set_table(ids, "means", self.means, self.prior)

    @classmethod
    def from_columns(
        cls, columns: Any, labels: Any, *, smoothing: float = 10.0, **kwargs: Any
    ) -> "TargetEncoding":
        """Creates the layer with the mean labels of training rows.

        Args:
            columns: A column of ids, or a dict of columns, whose combinations are encoded. The
                layer reads them in this order.
            labels: The label of each row, such as 1 for a click and 0 for none.
            smoothing: Number of additional rows of each id that have the mean of all labels; with
                more of them, rare ids are closer to it. Defaults to `10.0`.
            **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

        Raises:
            ValueError: If the columns differ in length, a label is not finite, or `smoothing` is
                negative.
        """
        return _TrainingRows(columns, labels, smoothing).layer(cls, **kwargs)

    @classmethod
    def out_of_fold(
        cls,
        columns: Any,
        labels: Any,
        *,
        groups: Any = None,
        num_folds: int = 5,
        seed: int = 42,
        smoothing: float = 10.0,
        **kwargs: Any,
    ) -> tuple[np.ndarray, "TargetEncoding"]:
        """Encodes training rows by the labels of other folds, and creates the layer for new rows.

        Args:
            columns: As in `from_columns`.
            labels: As in `from_columns`.
            groups: The group of each row, such as its query: rows of a group are in one fold.
                Defaults to `None`: rows are assigned to folds one by one.
            num_folds: Number of folds, at least 2. Defaults to `5`.
            seed: Seed of the folds. Defaults to `42`.
            smoothing: As in `from_columns`. Defaults to `10.0`.
            **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

        Returns:
            The numbers of the training rows, `(rows,)`, each without the labels of its own fold,
            and the layer, `from_columns` of all rows.

        Raises:
            ValueError: As in `from_columns`, or if there are fewer groups than folds.

        Example:
            >>> import rankkit as rk
            >>> items, clicks = ["a", "b"] * 50, [1, 0] * 50
            >>> column, layer = rk.layers.TargetEncoding.out_of_fold(items, clicks)
            >>> column[:2].round(1)
            array([0.9, 0.1], dtype=float32)
        """
        rows = _TrainingRows(columns, labels, smoothing)
        folds = assign_folds(len(rows.labels), groups, num_folds, seed)
        column = np.empty(len(folds), np.float32)
        for fold in range(num_folds):
            is_in = folds == fold
            column[is_in] = rows.means(~is_in)[0][rows.indices[is_in]]
        return column, rows.layer(cls, **kwargs)


class _TrainingRows:
    """The ids and labels of training rows."""

    def __init__(self, columns: Any, labels: Any, smoothing: float):
        self._smoothing = check_number("smoothing", smoothing, "a number of at least 0", least=0)
        self._ids, self.indices = distinct_combinations(columns)
        self.labels = _numeric.finite_numbers("labels", labels, is_column=True).astype(float)
        if np.isnan(self.labels).any():
            fix = "Drop the rows without a label."
            raise invalid("each value of labels", np.nan, "finite", fix)
        if len(self.labels) != len(self.indices):
            expected = f"of the length {len(self.indices)}, with the label of each row"
            raise invalid("the column labels", f"{len(self.labels)} labels", expected)

    def means(self, is_used: np.ndarray) -> tuple[np.ndarray, float]:
        """Smoothed mean label of each id in some of the rows, and that of all these rows."""
        indices, labels = self.indices[is_used], self.labels[is_used]
        prior = float(labels.mean())
        size = int(self.indices.max()) + 1
        sums = np.bincount(indices, labels, size) + self._smoothing * prior
        counts = np.bincount(indices, minlength=size) + self._smoothing
        # Without smoothing, an id may have no rows.
        return np.where(counts > 0, sums / np.maximum(counts, 1e-300), prior), prior

    def layer(self, kind: type[TargetEncoding], **kwargs: Any) -> TargetEncoding:
        """The layer with the mean labels of all rows."""
        means, prior = self.means(np.ones(len(self.labels), bool))
        return kind(self._ids, means, prior=prior, **kwargs)
