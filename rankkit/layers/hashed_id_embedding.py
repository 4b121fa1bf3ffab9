"""Embedding of an id without a vocabulary, by hashing."""

from typing import Any

import tensorflow as tf

from rankkit.core.arrays import column_name, single_values
from rankkit.core.columns import as_list
from rankkit.core.vocabulary import plain_ids
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import check_boolean, check_integer, invalid, wrong_type


@tf.keras.utils.register_keras_serializable(package="rankkit")
class HashedIdEmbedding(EmbeddingLayer):
    """Embeds an id as the sum of the rows of a table that its hashes select.

    Use it if there are more ids than a vocabulary can hold, or if new ids keep coming: there is no
    vocabulary to build, and the table does not grow. Two ids have the same vector only if all of
    their hashes collide. With two hashes this happens to a share of about
    `2 * ids / num_bins**2` of the ids: 2 % of a million ids in a table of 10,000 rows. More hashes
    make it rarer. TensorFlow Lite does not support hashing.

    Args:
        num_bins: Number of rows of the table, at least 2.
        embedding_dim: Dimension of the vectors, at least 1.
        num_hashes: Number of hashes of an id, at least 1. Defaults to `2`.
        integers: Whether the ids are integers instead of strings. Defaults to `False`.
        **kwargs: The `**kwargs` of `IdEmbedding`, such as `embeddings_initializer` and `name`.

    Input shape:
        Any shape, usually `(batch,)`, of `tf.string`, or `tf.int64` with `integers`.

    Output shape:
        The input shape followed by `embedding_dim`, usually `(batch, embedding_dim)`.

    Raises:
        ValueError: If a number is out of range, or the table does not fit into memory.
        TypeError: If the input has another type.

    References:
        Svenstrup, Hansen and Winther, "Hash embeddings for efficient word representations", 2017.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.HashedIdEmbedding(1000, 4)
        >>> layer(tf.constant(["any", "string"])).shape
        TensorShape([2, 4])
    """

    def __init__(
        self,
        num_bins: int,
        embedding_dim: int,
        *,
        num_hashes: int = 2,
        integers: bool = False,
        **kwargs: Any,
    ):
        num_bins = check_integer("num_bins", num_bins, 2)
        super().__init__(num_bins, embedding_dim, **kwargs)
        self.num_bins, self.num_hashes = num_bins, check_integer("num_hashes", num_hashes)
        self.integers = check_boolean("integers", integers)
        self._spec = tf.TensorSpec((None,), tf.int64 if self.integers else tf.string)

    @classmethod
    def from_column(
        cls, column: Any, embedding_dim: int, *, num_bins: int, **kwargs: Any
    ) -> "HashedIdEmbedding":
        """Creates the layer for the ids in a column, of which only the type matters.

        Args:
            column: Ids, all strings or all integers.
            embedding_dim: Dimension of the vectors.
            num_bins: Number of rows of the table.
            **kwargs: Further arguments of the layer.

        Raises:
            TypeError: If an id is neither a string nor an integer.
        """
        name = column_name(column)
        ids = single_values(name, column)
        if not ids.size:
            raise invalid(name, [], "a list of at least one id", "Was the column empty?")
        cells = ids[:1] if ids.dtype.kind in "iuSU" else ids
        integers = isinstance(plain_ids(name, as_list(cells, name))[0], int)
        return cls(num_bins, embedding_dim, integers=integers, **kwargs)

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs."""
        return [number if self.integers else f"id-{number}" for number in range(count)]

    def encode(self, inputs: Any) -> tf.Tensor:
        """Hashes each id to `num_hashes` rows of the table, on a last axis, `tf.int64`."""
        ids = tf.convert_to_tensor(inputs)
        if not (ids.dtype.is_integer if self.integers else ids.dtype == tf.string):
            kind = "integers" if self.integers else "strings"
            raise wrong_type("ids", ids, f"{kind}, as layer {self.name!r} was created for")
        text = tf.strings.as_string(ids) if self.integers else ids
        salted = [text, *(tf.strings.join([f"{n}:", text]) for n in range(1, self.num_hashes))]
        rows = [tf.strings.to_hash_bucket_fast(each, self.num_bins) for each in salted]
        return tf.stack(rows, axis=-1)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return tf.reduce_sum(super().embed(codes), axis=-2)
