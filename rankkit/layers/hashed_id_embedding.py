"""An id of an open set as a trained vector, without a vocabulary."""

from typing import Any

import tensorflow as tf

from rankkit.core.columns import as_array
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import check_integer, wrong_type


@tf.keras.utils.register_keras_serializable(package="rankkit")
class HashedIdEmbedding(EmbeddingLayer):
    """Gives an id the sum of those rows of a table that its hashes name.

    For more ids than a vocabulary can hold, or ids that keep coming: there is nothing to count
    ahead, and the table stays as large as it is. Two ids are the same to the network only if they
    share all of their rows: with two hashes, a share of about 2 * ids / num_bins**2 of the ids, 2 %
    of a million ids in 10,000 rows. More hashes make it smaller. TensorFlow Lite has no hashing.
    (Svenstrup, Hansen and Winther, "Hash Embeddings for Efficient Word Representations", 2017.)

    Args:
        num_bins: Rows of the table, at least 2.
        embedding_dim: Width of the vectors, at least 1.
        num_hashes: Rows that each id has, at least 1. Defaults to `2`.
        integers: Whether the ids are whole numbers; strings otherwise. Defaults to `False`.
        **kwargs: Further keyword arguments, as those of `rankkit.layers.IdEmbedding`.

    Input shape:
        Any shape, usually `(batch,)`, of `tf.string`, or `tf.int64` with `integers`.

    Output shape:
        The input's shape and `embedding_dim`, usually `(batch, embedding_dim)`.

    Raises:
        ValueError: If a number is out of range, or the machine has no memory for the table.
        TypeError: If the layer is called with integers where its ids are strings, or the other
            way round.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.HashedIdEmbedding(1000, 4)
        >>> layer(tf.constant(["whoever", "comes"])).shape
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
        check_integer("num_bins", num_bins, 2)
        check_integer("num_hashes", num_hashes)
        super().__init__(int(num_bins), embedding_dim, **kwargs)
        self.num_bins, self.num_hashes = int(num_bins), int(num_hashes)
        self.integers = bool(integers)

    @classmethod
    def from_column(
        cls, column: Any, embedding_dim: int, *, num_bins: int, **kwargs: Any
    ) -> "HashedIdEmbedding":
        """Makes the layer for a column, of which only the kind of its ids matters.

        Args:
            column: Ids, all strings or all whole numbers.
            embedding_dim: Width of the vectors.
            num_bins: Rows of the table.
            **kwargs: Further arguments of the layer.

        Raises:
            TypeError: If an id is neither.
        """
        ids = as_array(column)
        integers = ids.dtype.kind in "iu"
        strange = [] if integers else [each for each in ids.tolist() if not isinstance(each, str)]
        if strange:
            fix = "Cast the ids to int or to str."
            raise wrong_type("ids", strange[0], "strings or whole numbers, without gaps", fix)
        return cls(num_bins, embedding_dim, integers=integers, **kwargs)

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch,)` of strings or integers."""
        return tf.TensorSpec((None,), tf.int64 if self.integers else tf.string)

    def sample_values(self, count: int) -> list:
        """Gives `count` raw values to try a network with."""
        return [place if self.integers else f"id-{place}" for place in range(count)]

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the rows of each id, the input's shape and `num_hashes`, `tf.int64`."""
        ids = tf.convert_to_tensor(inputs)
        if not (ids.dtype.is_integer if self.integers else ids.dtype == tf.string):
            kind = "integers" if self.integers else "strings"
            raise wrong_type("ids", ids, f"{kind}, as layer {self.name!r} was made for")
        text = tf.strings.as_string(ids) if self.integers else ids
        salted = [text, *(tf.strings.join([f"{n}:", text]) for n in range(1, self.num_hashes))]
        rows = [tf.strings.to_hash_bucket_fast(each, self.num_bins) for each in salted]
        return tf.stack(rows, axis=-1)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        return tf.reduce_sum(super().embed(codes), axis=-2)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_bins": self.num_bins,
            "num_hashes": self.num_hashes,
            "integers": self.integers,
        }
