"""A list of tags or ids as the mean of their trained vectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.features import NUMBER_PADDING, TEXT_PADDING
from rankkit.core.vocabulary import check_vocabulary, distinct_ids
from rankkit.layers._lookup import IdTable, unknown_id
from rankkit.layers._pooling import check_pooling, pooled
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TagsEmbedding(EmbeddingLayer):
    """Looks up each member of a list and pools their embeddings into one vector.

    For genres, tags or the ids of what a user chose. With `v` the vectors of the `n` members, the
    result is `sum(v) / n` for `"mean"`, `sum(v) / sqrt(n)` for `"sqrtn"`, `sum(v)` for `"sum"`,
    and zero for an empty list. Members outside the vocabulary share one row of the table, its
    first.

    Args:
        vocabulary: The known members, all `str` or all `int`, without duplicates. Neither `""`
            nor -1, which fill up lists to one length.
        embedding_dim: Width of the vectors, at least 1.
        pooling: `"mean"`, `"sqrtn"` or `"sum"`. Defaults to `"mean"`.
        **kwargs: Further keyword arguments, as those of `rankkit.layers.IdEmbedding`.

    Input shape:
        `(batch, members)` of `tf.string` or `tf.int64`, lists filled up with `""` or -1.
        `rankkit.data.batches` and `rankkit.rank` take lists of any lengths.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If the vocabulary is empty, has duplicates, mixes types or holds what fills up
            lists; if `pooling` is unknown.
        TypeError: If the layer is called with integers where its members are strings, or the
            other way round.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.TagsEmbedding(["Comedy", "Drama"], 4)
        >>> layer(tf.constant([["Drama", "Comedy"], ["Drama", ""]])).shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | Sequence[int],
        embedding_dim: int,
        *,
        pooling: str = "mean",
        **kwargs: Any,
    ):
        tags = np.array(check_vocabulary("vocabulary", vocabulary), dtype=object)
        padding = TEXT_PADDING if isinstance(tags[0], str) else NUMBER_PADDING
        if padding in tags:
            fix = "It fills up lists to one length. Leave it out, or give that member another name."
            raise invalid("vocabulary", padding, f"of members other than {padding!r}", fix)
        check_pooling(pooling)
        super().__init__(len(tags) + 1, embedding_dim, **kwargs)
        self.pooling = pooling
        self._tags = tags
        self._padding = padding
        self._table = IdTable(tags.tolist())

    @classmethod
    def from_column(cls, column: Any, embedding_dim: int, **kwargs: Any) -> "TagsEmbedding":
        """Makes the layer for the lists of a column of training rows.

        Args:
            column: A list of members for each row.
            embedding_dim: Width of the vectors.
            **kwargs: Further arguments of the layer.
        """
        return cls(distinct_ids(column), embedding_dim, **kwargs)

    @property
    def vocabulary(self) -> list:
        """The known members, in the order of their rows."""
        return self._tags.tolist()

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch, members)` of strings or integers."""
        return tf.TensorSpec((None, None), self._table.dtype)

    def sample_values(self, count: int) -> list:
        """Gives `count` raw values to try a network with, an empty and an unknown one included."""
        known = [self._tags[place : place + 2].tolist() for place in range(count - 2)]
        first = self._tags[:1].tolist()
        return [[], *[tags or first for tags in known], [*first, unknown_id(self.vocabulary)]]

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the row of each member, -1 for what fills up, of the input's shape."""
        tags = self._table.check(inputs, self.name)
        rows = self._table.find(tags) + 1
        return tf.where(tags == tf.constant(self._padding, tags.dtype), -tf.ones_like(rows), rows)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return pooled(self._embedding, codes, self.pooling)

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape)[:-1].concatenate(self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "vocabulary": self.vocabulary, "pooling": self.pooling}
