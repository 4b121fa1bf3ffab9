"""Embedding of an id."""

from typing import Any

import tensorflow as tf

from rankkit.core.vocabulary import distinct_ids
from rankkit.layers._lookup import IdLookup, Ids
from rankkit.layers.base import EmbeddingLayer, VocabularyLayer
from rankkit.utils.errors import check_integer, check_share


@tf.keras.utils.register_keras_serializable(package="rankkit")
class IdEmbedding(VocabularyLayer, EmbeddingLayer):
    """Embeds an id: looks it up in a vocabulary and returns its trained vector.

    This is the layer for users, items and every other category with more than a few values. It
    reads raw strings or integers, so that a saved model needs no preprocessing. If there are too
    many ids for a vocabulary, use `rankkit.layers.HashedIdEmbedding`.

    Out-of-vocabulary (OOV) ids share the first `num_oov_indices` rows of the table. If every
    training id is in the vocabulary, these rows are never trained and a new id is scored with a
    random vector. There are two remedies: leave rare ids out of the vocabulary (`min_count` of
    `rankkit.data.vocabulary`), or set `id_dropout_rate`. Id dropout replaces that share of the ids
    by OOV ids at each training step, so that the OOV row learns the vector of an average id.

    Args:
        vocabulary: Distinct ids, all `str` or all `int`, such as from `rankkit.data.vocabulary`.
        embedding_dim: Dimension of the vectors, at least 1.
        num_oov_indices: Number of rows for OOV ids, at least 1. With several, an id is assigned to
            one by its hash, which TensorFlow Lite does not support. Defaults to `1`.
        id_dropout_rate: Share of ids replaced by OOV ids in training, in [0, 1). Defaults to `0.0`.
        **kwargs: `embeddings_initializer`, `embeddings_regularizer` and `embeddings_constraint`
            of the table, as in `tf.keras.layers.Embedding`, and keyword arguments of
            `tf.keras.layers.Layer`, such as `name`, or `activity_regularizer` to penalize only the
            vectors of the current batch.

    Input shape:
        Any shape, usually `(batch,)`, of `tf.string` or `tf.int64` as the vocabulary.

    Output shape:
        The input shape followed by `embedding_dim`, usually `(batch, embedding_dim)`.

    Raises:
        ValueError: If the vocabulary is empty, has duplicates, or holds an id with a newline, a NUL
            or invalid UTF-8; if a number is out of range; or if the table does not fit into memory.
        TypeError: If the vocabulary mixes types, or the input has another type.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.IdEmbedding.from_column(["u2", "u1", "u2"], 4)
        >>> layer.vocabulary
        ['u1', 'u2']
        >>> layer(tf.constant(["u2", "new"])).shape
        TensorShape([2, 4])
        >>> layer.encode(tf.constant(["u2", "new"])).numpy().tolist()  # rows of the table
        [2, 0]
    """

    def __init__(
        self,
        vocabulary: Ids,
        embedding_dim: int,
        *,
        num_oov_indices: int = 1,
        id_dropout_rate: float = 0.0,
        **kwargs: Any,
    ):
        lookup = IdLookup("vocabulary", vocabulary)
        check_integer("num_oov_indices", num_oov_indices, fix="OOV ids need a row of their own.")
        rate = check_share("id_dropout_rate", id_dropout_rate)
        super().__init__(len(lookup) + int(num_oov_indices), embedding_dim, **kwargs)
        self.num_oov_indices, self.id_dropout_rate = int(num_oov_indices), rate
        self._lookup, self._spec = lookup, lookup.spec
        if rate:
            policy = self.dtype_policy
            self._dropout = tf.keras.layers.Dropout(rate, dtype=policy, name="id_dropout")

    @classmethod
    def from_column(cls, column: Any, embedding_dim: int, **kwargs: Any) -> "IdEmbedding":
        """Creates the layer for the ids in a column of training rows.

        Args:
            column: The ids, all strings or all integers.
            embedding_dim: Dimension of the vectors.
            **kwargs: Further arguments of the layer.
        """
        return cls(distinct_ids(column), embedding_dim, **kwargs)

    def encode(self, inputs: Any) -> tf.Tensor:
        """Looks up the row of each id in the table, `tf.int64` of the input's shape."""
        ids = self._lookup.check(inputs, self.name)
        indices = self._lookup.find(ids, self.name)
        if self.num_oov_indices == 1:
            return indices + 1
        text = ids if ids.dtype == tf.string else tf.strings.as_string(ids)
        oov_indices = tf.strings.to_hash_bucket_fast(text, self.num_oov_indices)
        return tf.where(indices < 0, oov_indices, indices + self.num_oov_indices)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        if self.id_dropout_rate and training:
            # Dropout of ones, so that Keras's seed decides which ids are dropped.
            kept = self._dropout(tf.ones_like(codes, self.compute_dtype), training=training)
            codes = tf.where(kept > 0, codes, codes % self.num_oov_indices)
        return super().embed(codes)
