"""Embedding of a pair of values: a feature cross."""

from collections import Counter
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import single_values
from rankkit.core.timestamps import as_seconds
from rankkit.layers._lookup import IdLookup, Ids, paired_columns
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import check_integer, invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class CrossEmbedding(EmbeddingLayer):
    """Embeds a pair of values of two columns: a feature cross.

    Use it for effects that neither column has alone: a user's mood on a day, an item in a season,
    a user's taste in a genre. Out-of-vocabulary pairs share the first row of the table.

    Args:
        first: First value of each known pair, all `str` or all `int`.
        second: Second value of each known pair, all `str` or all `int`.
        embedding_dim: Dimension of the vectors, at least 1.
        width: Width of the windows that integers of the second column are grouped into. A window
            is represented by its start, `second - second % width`; with 86,400, seconds are
            grouped by day. Defaults to `1`, no grouping.
        **kwargs: The `**kwargs` of `IdEmbedding`, such as `embeddings_initializer` and `name`.

    Input shape:
        Two tensors of `(batch,)`, each of `tf.string` or `tf.int64` as the known values.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If there is no pair, a pair is duplicated, or `width` is below 1.
        TypeError: If the input has another type than the known values.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> user, seconds = ["7", "42"], [100, 86_500]
        >>> layer = rk.layers.CrossEmbedding.from_columns(user, seconds, 4, width=86_400)
        >>> layer.encode([tf.constant(["42", "42"]), tf.constant([90_000, 0])]).numpy().tolist()
        [2, 0]
    """

    def __init__(
        self, first: Ids, second: Ids, embedding_dim: int, *, width: int = 1, **kwargs: Any
    ):
        pairs = paired_columns(first=first, second=second)
        # Arrays, since Keras would wrap and track every string of a list.
        columns = [np.fromiter((pair[i] for pair in pairs), object, len(pairs)) for i in (0, 1)]
        lookups = [
            IdLookup(name, list(dict.fromkeys(column)))
            for name, column in zip(("first", "second"), columns, strict=True)
        ]
        if len(set(pairs)) < len(pairs):
            (pair, _), *_ = Counter(pairs).most_common(1)
            raise ValueError(
                f"Each pair of first and second must be unique. Got: {pair} twice. Remove "
                "duplicates."
            )
        check_integer("width", width)
        if width > 1 and lookups[1].dtype == tf.string:
            fix = "Convert second to integers, or leave width out."
            raise invalid("width", width, "1 if the values of second are strings", fix)
        super().__init__(len(pairs) + 1, embedding_dim, **kwargs)
        self.width = int(width)
        self.first, self.second = columns
        self._lookups = lookups
        self._spec = tuple(lookup.spec for lookup in lookups)
        indices = [{value: i for i, value in enumerate(each.ids)} for each in lookups]
        keys = [indices[0][one] * len(lookups[1]) + indices[1][other] for one, other in pairs]
        self._pair_lookup = IdLookup("pairs", keys)

    @classmethod
    def from_columns(
        cls, first: Any, second: Any, embedding_dim: int, *, width: int = 1, **kwargs: Any
    ) -> "CrossEmbedding":
        """Creates the layer for the pairs in two columns of training rows.

        Args:
            first: First value of each row.
            second: Second value of each row.
            embedding_dim: Dimension of the vectors.
            width: Width of the windows that integers of `second` are grouped into. Defaults to `1`.
            **kwargs: Further arguments of the layer.
        """
        check_integer("width", width)
        values = as_seconds("second", single_values("second", second))
        windows = values - values % width if values.dtype.kind in "iu" else values
        pairs = dict.fromkeys(paired_columns(first=first, second=windows))
        first, second = ([pair[side] for pair in pairs] for side in (0, 1))
        return cls(first, second, embedding_dim, width=width, **kwargs)

    def sample_values(self, count: int) -> tuple[list, list]:
        """Returns `count` example inputs, known pairs."""
        positions = np.linspace(0, len(self.first) - 1, count, dtype=int)
        return self.first[positions].tolist(), self.second[positions].tolist()

    def encode(self, inputs: Any) -> tf.Tensor:
        """Looks up the row of each pair in the table, 0 if it is out of vocabulary, `tf.int64`."""
        first, second = self._lookups
        window = second.check(inputs[1], self.name)
        if window.dtype != tf.string:
            window -= tf.math.floormod(window, self.width)
        one, other = first.find(inputs[0], self.name), second.find(window, self.name)
        keys = one * len(second) + other
        is_known = (one >= 0) & (other >= 0)
        return self._pair_lookup.find(tf.where(is_known, keys, -tf.ones_like(keys)), self.name) + 1
