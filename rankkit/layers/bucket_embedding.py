"""A number as the trained vector of the bucket that it falls into."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.layers._numeric import (
    bucket_edges,
    buckets_of,
    check_edges,
    check_finite,
    check_policy,
    finite_numbers,
)
from rankkit.layers.base import EmbeddingLayer


@tf.keras.utils.register_keras_serializable(package="rankkit")
class BucketEmbedding(EmbeddingLayer):
    """Sorts a number into a bucket and gives the embedding trained for it.

    For ages, prices, counts and timestamps whose effect is no straight line. With boundaries
    `b[0] < ... < b[n-1]`, bucket `i` holds `b[i-1] <= x < b[i]`; the first and the last bucket
    are open. `from_column` takes boundaries between which a column has equally many values.

    Args:
        boundaries: Ascending numbers, at least one. Whole numbers take integers, compared exactly.
        embedding_dim: Width of the vectors, at least 1.
        missing: `"error"`, or `"learn"` for a row of its own for NaN. Defaults to `"error"`.
        **kwargs: Further keyword arguments, as those of `rankkit.layers.IdEmbedding`.

    Input shape:
        `(batch,)` of `tf.int64` where the boundaries are whole numbers and missing ones are
        errors, otherwise of `tf.float32`.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If the boundaries are not finite or not ascending, or `missing` is unknown.
        tf.errors.InvalidArgumentError: If the layer is called with an infinite number, or NaN
            where that is an error.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.BucketEmbedding([18, 65], 4)
        >>> layer.encode(tf.constant([17, 18, 99], tf.int64)).numpy().tolist()
        [0, 1, 2]
    """

    def __init__(
        self,
        boundaries: Sequence[float] | Sequence[int],
        embedding_dim: int,
        *,
        missing: str = "error",
        **kwargs: Any,
    ):
        check_policy(missing)
        edges = check_edges("boundaries", boundaries)
        super().__init__(len(edges) + 1 + (missing == "learn"), embedding_dim, **kwargs)
        self.missing = missing
        self._edges = edges
        whole = edges.dtype.kind in "iu" and missing == "error"
        self._kind = tf.int64 if whole else tf.float32

    @classmethod
    def from_column(
        cls, column: Any, embedding_dim: int, *, num_buckets: int = 10, **kwargs: Any
    ) -> "BucketEmbedding":
        """Makes the layer with buckets of equally many rows of a column of training rows.

        Args:
            column: Numbers. Missing ones have no part in the boundaries.
            embedding_dim: Width of the vectors.
            num_buckets: At most so many buckets, at least 2; fewer where values repeat.
                Defaults to `10`.
            **kwargs: Further arguments of the layer.

        Raises:
            ValueError: If all numbers are equal.
        """
        values = finite_numbers("column", column, missing=True)
        edges = bucket_edges("column", values, num_buckets)
        return cls(edges.tolist(), embedding_dim, **kwargs)

    @property
    def feature_spec(self) -> tf.TensorSpec:
        """Shape and dtype of the raw feature, `(batch,)` of numbers."""
        return tf.TensorSpec((None,), self._kind)

    def sample_values(self, count: int) -> list:
        """Gives `count` raw values to try a network with, from below to above the boundaries."""
        low, high = self._edges[0] - 1, self._edges[-1] + 1
        return np.linspace(low, high, count).astype(self._kind.as_numpy_dtype).tolist()

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives the bucket of each number, the one after the last for missing ones, `tf.int64`."""
        values = check_finite(tf.cast(inputs, self._kind), self.missing, self.name)
        buckets = buckets_of(values, self._edges)
        if self.missing == "error":
            return buckets
        return tf.where(tf.math.is_nan(values), tf.cast(len(self._edges) + 1, tf.int64), buckets)

    def get_config(self) -> dict[str, Any]:
        boundaries = self._edges.tolist()
        return {**super().get_config(), "boundaries": boundaries, "missing": self.missing}
