"""An id, string or integer, as a trained vector."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.vocabulary import check_vocabulary, distinct_ids
from rankkit.layers._lookup import IdTable, unknown_id
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import check_integer, invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class IdEmbedding(EmbeddingLayer):
    """Looks an id up in a vocabulary and gives the embedding trained for it.

    Ids outside the vocabulary share `num_oov_indices` extra rows, the first ones of the table.
    With a vocabulary that holds every training id such a row is never trained, and an unknown id
    is scored by a random vector. `id_dropout_rate` cures that: while training, this share of the
    ids is looked up as if it were unknown, so that the row learns what an average id is worth.

    Args:
        vocabulary: The known ids, all `str` or all `int`, without duplicates, as
            `rankkit.data.vocabulary` gives them.
        embedding_dim: Width of the vectors, at least 1.
        num_oov_indices: Rows shared by unknown ids, at least 1. An id always gets the same one,
            by hash. TensorFlow Lite takes only 1. Defaults to `1`.
        id_dropout_rate: Share of the ids, in [0, 1), treated as unknown at each training step.
            Defaults to `0.0`.
        **kwargs: `embeddings_initializer`, `embeddings_regularizer` and `embeddings_constraint`
            of the table, as in `tf.keras.layers.Embedding`; and keyword arguments of
            `tf.keras.layers.Layer`, such as `name`, and `activity_regularizer` for a penalty on
            the vectors of the rows of a batch.

    Input shape:
        Any shape, usually `(batch,)`, of `tf.string` or `tf.int64` as the vocabulary says.

    Output shape:
        The input's shape and `embedding_dim`, usually `(batch, embedding_dim)`.

    Raises:
        ValueError: If the vocabulary is empty, has duplicates, mixes types or holds an id that
            cannot be looked up safely; if a number is out of range.
        TypeError: If the layer is called with integers where its ids are strings, or the other
            way round.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.IdEmbedding(["a", "b", "c"], 4)
        >>> layer(tf.constant(["a", "unknown"])).shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        vocabulary: Sequence[str] | Sequence[int],
        embedding_dim: int,
        *,
        num_oov_indices: int = 1,
        id_dropout_rate: float = 0.0,
        **kwargs: Any,
    ):
        # An array, since Keras would wrap and track every string of a list.
        ids = np.array(check_vocabulary("vocabulary", vocabulary), dtype=object)
        fix = "Unknown ids need a row of their own."
        check_integer("num_oov_indices", num_oov_indices, fix=fix)
        if not 0.0 <= id_dropout_rate < 1.0:
            raise invalid("id_dropout_rate", id_dropout_rate, "in [0, 1)")
        super().__init__(len(ids) + int(num_oov_indices), embedding_dim, **kwargs)
        self.num_oov_indices = int(num_oov_indices)
        self.id_dropout_rate = float(id_dropout_rate)
        self._ids = ids
        self._table = IdTable(ids.tolist())
        # Dropout of ones is a Keras-seeded coin for each id.
        if self.id_dropout_rate:
            self._dropout = tf.keras.layers.Dropout(self.id_dropout_rate, name="id_dropout")

    @classmethod
    def from_column(cls, column: Any, embedding_dim: int, **kwargs: Any) -> "IdEmbedding":
        """Makes the layer for the ids of a column of training rows.

        Args:
            column: Ids, all strings or all whole numbers, as for `rankkit.data.vocabulary`.
            embedding_dim: Width of the vectors.
            **kwargs: Further arguments of the layer.
        """
        return cls(distinct_ids(column), embedding_dim, **kwargs)

    @property
    def vocabulary(self) -> list:
        """The known ids, in the order of their rows."""
        return self._ids.tolist()

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch,)` of strings or integers."""
        return tf.TensorSpec((None,), self._table.dtype)

    def sample_values(self, count: int) -> list:
        """Gives `count` raw values to try a network with: known ids and one unknown."""
        known = [self._ids[i] for i in np.linspace(0, len(self._ids) - 1, count - 1, dtype=int)]
        return [*known, unknown_id(self.vocabulary)]

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the row of each id in the table, of the input's shape, `tf.int64`."""
        ids = self._table.check(inputs, self.name)
        places = self._table.find(ids)
        if self.num_oov_indices == 1:
            return places + 1
        text = ids if ids.dtype == tf.string else tf.strings.as_string(ids)
        buckets = tf.strings.to_hash_bucket_fast(text, self.num_oov_indices)
        return tf.where(places < 0, buckets, places + self.num_oov_indices)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        if self.id_dropout_rate and training:
            kept = self._dropout(tf.ones_like(codes, self.compute_dtype), training=training)
            codes = tf.where(kept > 0, codes, codes % self.num_oov_indices)
        return super().embed(codes)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary": self.vocabulary,
            "num_oov_indices": self.num_oov_indices,
            "id_dropout_rate": self.id_dropout_rate,
        }
