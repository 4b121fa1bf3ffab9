"""Count encoding: how frequent an id is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.layers import _numeric
from rankkit.layers._id_numbers import IdNumbers, distinct_combinations
from rankkit.layers._lookup import Ids
from rankkit.utils.errors import invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class CountEncoding(IdNumbers):
    """Encodes an id, or a combination of ids, as `log(1 + count)`, its count in the training rows.

    The table is fixed, not trained. Counts contain no labels: training rows may be encoded by the
    layer itself.

    Args:
        ids: The known ids, all `str` or all `int`, without duplicates; for combinations, a list
            with the ids of each column.
        counts: The count of each id, or of each combination.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch,)` of `tf.string` or `tf.int64` as the ids; for combinations, one such tensor for
        each column.

    Output shape:
        `(batch, 1)`, 0 for unknown ids and combinations.

    Raises:
        ValueError: If there are no ids, an id is duplicated, there are more or fewer counts, or a
            count is negative.
        TypeError: If the ids of a column mix types, a count is not an integer, or the input has
            another type.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.CountEncoding.from_columns([7, 7, 7, 8])
        >>> layer(tf.constant([7, 8, 9])).numpy().round(3)
        array([[1.386],
               [0.693],
               [0.   ]], dtype=float32)
    """

    def __init__(self, ids: Ids | Sequence[Ids], counts: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.counts = _numeric.finite_numbers("counts", counts, integers=True)
        if self.counts.min() < 0:
            raise invalid("each count", self.counts.min().item(), "at least 0")
        self._set_table(ids, "counts", np.log1p(self.counts), 0.0)

    @classmethod
    def from_columns(cls, columns: Any, **kwargs: Any) -> "CountEncoding":
        """Creates the layer with the counts of ids in training rows.

        Args:
            columns: A column of ids, or a dict of columns, whose combinations are counted. The
                layer reads them in this order.
            **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.
        """
        ids, indices = distinct_combinations(columns)
        return cls(ids, np.bincount(indices).tolist(), **kwargs)
