"""A pair of values, such as a user on a day, as a trained vector."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_array, as_list
from rankkit.core.vocabulary import check_vocabulary
from rankkit.layers._lookup import IdTable
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import check_integer, invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class CrossEmbedding(EmbeddingLayer):
    """Gives the embedding trained for a pair of two columns' values: a feature cross.

    For what neither column tells alone: a user's mood of the day, an item in a season, a user's
    taste in one genre. Pairs outside the vocabulary share the first row of the table.

    Args:
        first: First value of each known pair, all `str` or all `int`.
        second: Second value of each, as many.
        embedding_dim: Width of the vectors, at least 1.
        width: Second values that are whole numbers fall into windows so wide, each known by its
            begin, `second - second % width`: 86,400 makes days of seconds. Defaults to `1`.
        **kwargs: Further keyword arguments, as those of `rankkit.layers.IdEmbedding`.

    Input shape:
        Two tensors of `(batch,)`, each of `tf.string` or `tf.int64` as the known values.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If there is no pair, one comes twice, or `width` is below 1.
        TypeError: If the layer is called with strings where its values are integers, or the other
            way round.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> user, seconds = ["7", "42"], [100, 86_500]
        >>> layer = rk.layers.CrossEmbedding.from_columns(user, seconds, 4, width=86_400)
        >>> layer.encode([tf.constant(["42", "42"]), tf.constant([90_000, 0])]).numpy().tolist()
        [2, 0]
    """

    def __init__(
        self,
        first: Sequence[str] | Sequence[int],
        second: Sequence[str] | Sequence[int],
        embedding_dim: int,
        *,
        width: int = 1,
        **kwargs: Any,
    ):
        firsts, seconds = (np.array(as_array(each).tolist(), object) for each in (first, second))
        if len(firsts) != len(seconds) or not len(firsts):
            raise invalid("second", len(seconds), f"as many as first, {len(firsts)}, at least one")
        check_integer("width", width)
        if width > 1 and isinstance(seconds[0], str):
            raise invalid("width", width, "1 where the second values are no numbers")
        super().__init__(len(firsts) + 1, embedding_dim, **kwargs)
        self.width = int(width)
        self._pairs = (firsts, seconds)
        known = [check_vocabulary("values", list(dict.fromkeys(each))) for each in self._pairs]
        self._tables = [IdTable(each) for each in known]
        places = [dict(zip(each, range(len(each)), strict=True)) for each in known]
        keys = [
            places[0][one] * len(known[1]) + places[1][other]
            for one, other in zip(*self._pairs, strict=True)
        ]
        self._num_second = len(known[1])
        self._keys = IdTable(check_vocabulary("pairs", keys))

    @classmethod
    def from_columns(
        cls, first: Any, second: Any, embedding_dim: int, *, width: int = 1, **kwargs: Any
    ) -> "CrossEmbedding":
        """Makes the layer for the pairs that come in training rows.

        Args:
            first: First value of each row.
            second: Second value of each row.
            embedding_dim: Width of the vectors.
            width: Width of the windows of second values. Defaults to `1`.
            **kwargs: Further arguments of the layer.
        """
        seconds = as_array(second)
        windows = seconds - seconds % width if seconds.dtype.kind in "iu" else seconds
        pairs = list(dict.fromkeys(zip(as_list(first), as_list(windows), strict=True)))
        first, second = ([pair[side] for pair in pairs] for side in (0, 1))
        return cls(first, second, embedding_dim, width=width, **kwargs)

    @property
    def feature_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """Shapes and dtypes of the two raw features, `(batch,)` each."""
        first, second = (tf.TensorSpec((None,), table.dtype) for table in self._tables)
        return first, second

    def sample_values(self, count: int) -> tuple[list, list]:
        """Gives `count` values of each feature to try a network with."""
        places = np.linspace(0, len(self._pairs[0]) - 1, count, dtype=int)
        firsts, seconds = (each[places].tolist() for each in self._pairs)
        return firsts, seconds

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the row of each pair, 0 for unknown ones, `tf.int64`."""
        tables, (first, second) = self._tables, inputs
        second = tables[1].check(second, self.name)
        if second.dtype != tf.string:
            second -= tf.math.floormod(second, self.width)
        of_first = tables[0].find(tables[0].check(first, self.name))
        of_second = tables[1].find(second)
        known = (of_first >= 0) & (of_second >= 0)
        keys = of_first * self._num_second + of_second
        return self._keys.find(tf.where(known, keys, -tf.ones_like(keys))) + 1

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape[0]).concatenate(self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        first, second = (each.tolist() for each in self._pairs)
        return {**super().get_config(), "first": first, "second": second, "width": self.width}
