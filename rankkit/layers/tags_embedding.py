"""Pooled embedding of a list of ids or tags."""

from typing import Any

import tensorflow as tf

from rankkit.core.features import padding_of
from rankkit.core.vocabulary import distinct_ids
from rankkit.layers._lookup import IdLookup, Ids
from rankkit.layers._pooling import POOLINGS, pool_lists
from rankkit.layers.base import EmbeddingLayer, VocabularyLayer
from rankkit.utils.errors import check_choice


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TagsEmbedding(VocabularyLayer, EmbeddingLayer):
    """Looks up each member of a list and pools their embeddings into one vector.

    Use it for genres, tags or the ids of the items that a user has chosen. With `v` the vectors of
    the `n` members, the result is `sum(v) / n` for `"mean"`, `sum(v) / sqrt(n)` for `"sqrtn"` and
    `sum(v)` for `"sum"`; it is zero for an empty list. Out-of-vocabulary members share one row.

    Args:
        vocabulary: Distinct members, all `str` or all `int`, without the padding `""` or -1.
        embedding_dim: Dimension of the vectors, at least 1.
        pooling: `"mean"`, `"sqrtn"` or `"sum"`. Defaults to `"mean"`.
        **kwargs: The `**kwargs` of `IdEmbedding`, such as `embeddings_initializer` and `name`.

    Input shape:
        `(batch, members)` of `tf.string` or `tf.int64`, padded with `""` or -1.
        `rankkit.data.batches` and `rankkit.rank` take lists of any lengths and pad them.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If `vocabulary` is empty, has duplicates or padding, or `pooling` is unknown.
        TypeError: If the vocabulary mixes types, or the input has another type.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.TagsEmbedding(["Comedy", "Drama"], 4)
        >>> layer(tf.constant([["Drama", "Comedy"], ["Drama", ""]])).shape
        TensorShape([2, 4])
    """

    encodes_members = True

    def __init__(
        self, vocabulary: Ids, embedding_dim: int, *, pooling: str = "mean", **kwargs: Any
    ):
        lookup = IdLookup("vocabulary", vocabulary)
        if (padding := padding_of(lookup.dtype)) in lookup.ids:
            raise ValueError(
                f"vocabulary must not contain {padding!r}, which is the padding value. Remove or "
                "rename it."
            )
        check_choice("pooling", pooling, POOLINGS)
        super().__init__(len(lookup) + 1, embedding_dim, **kwargs)
        self.pooling = pooling
        self._lookup = lookup
        self._spec = tf.TensorSpec((None, None), lookup.dtype)
        self._padding = padding

    @classmethod
    def from_column(cls, column: Any, embedding_dim: int, **kwargs: Any) -> "TagsEmbedding":
        """Creates the layer for the members of the lists in a column of training rows.

        Args:
            column: A list of members for each row.
            embedding_dim: Dimension of the vectors.
            **kwargs: Further arguments of the layer.
        """
        return cls(distinct_ids(column, lists=True), embedding_dim, **kwargs)

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs, with an empty list and an out-of-vocabulary member."""
        ids = self.vocabulary
        known = [ids[start : start + 2] or ids[:1] for start in range(count - 2)]
        return [[], *known, [ids[0], self._lookup.unknown_id()]]

    def encode(self, inputs: Any) -> tf.Tensor:
        """Looks up the row of each member in the table, -1 for padding."""
        members = self._lookup.check(inputs, self.name)
        rows = self._lookup.find(members, self.name) + 1
        is_padding = members == tf.constant(self._padding, members.dtype)
        return tf.where(is_padding, -tf.ones_like(rows), rows)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return pool_lists(self._embedding, codes, self.pooling)
