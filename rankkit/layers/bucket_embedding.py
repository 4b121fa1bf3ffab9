"""Embedding of the bucket that a number falls into."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import column_name
from rankkit.core.precision import check_float32
from rankkit.layers import _numeric
from rankkit.layers.base import EmbeddingLayer


@tf.keras.utils.register_keras_serializable(package="rankkit")
class BucketEmbedding(EmbeddingLayer):
    """Discretizes a number into buckets and embeds the bucket.

    Use it for ages, prices, counts and timestamps with a nonlinear effect; for a nearly linear one
    use `rankkit.layers.NormalizedNumber`. With boundaries `b[0] < ... < b[n-1]`, bucket `i` holds
    `b[i-1] <= x < b[i]`; the first and the last are unbounded. `from_column` takes quantiles.

    Args:
        boundaries: Ascending numbers, at least one. Integers are compared with integers, exactly.
        embedding_dim: Dimension of the vectors, at least 1.
        missing: `"error"`, or `"learn"` for a separate embedding of NaN. Defaults to `"error"`.
        **kwargs: The `**kwargs` of `IdEmbedding`, such as `embeddings_initializer` and `name`.

    Input shape:
        `(batch,)` of `tf.int64` if the boundaries are integers and `missing` is `"error"`,
        otherwise of `tf.float32`.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If the boundaries are not finite or not ascending, or `missing` is unknown.
        tf.errors.InvalidArgumentError: If an input is infinite, or NaN and `missing` is `"error"`.

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
        _numeric.check_missing_policy(missing)
        edges = _numeric.as_boundaries("boundaries", boundaries)
        super().__init__(len(edges) + 1 + (missing == "learn"), embedding_dim, **kwargs)
        self.boundaries = edges
        self.missing = missing
        reads_integers = edges.dtype.kind in "iu" and missing == "error"
        if not reads_integers:
            fix = "Pass integers, and missing='error', to read int64, or scale the column."
            check_float32("boundaries", edges, fix)
        self._spec = tf.TensorSpec((None,), tf.int64 if reads_integers else tf.float32)

    @classmethod
    def from_column(
        cls, column: Any, embedding_dim: int, *, num_buckets: int = 10, **kwargs: Any
    ) -> "BucketEmbedding":
        """Creates the layer with quantiles of a column of training rows as boundaries.

        Args:
            column: Numbers; missing ones, NaN or None, need `missing="learn"`.
            embedding_dim: Dimension of the vectors.
            num_buckets: Number of buckets, at least 2; fewer if values repeat. Defaults to `10`.
            **kwargs: Further arguments of the layer.

        Raises:
            ValueError: If all numbers are equal, or one is missing and `missing` is `"error"`.
        """
        values = _numeric.column_numbers(column, kwargs.get("missing", "error"))
        boundaries = _numeric.quantile_boundaries(column_name(column), values, num_buckets)
        return cls(boundaries.tolist(), embedding_dim, **kwargs)

    def sample_values(self, count: int) -> list:
        """Returns `count` example inputs, from below to above the boundaries."""
        low, high = self.boundaries[0] - 1, self.boundaries[-1] + 1
        return np.linspace(low, high, count).astype(self._spec.dtype.as_numpy_dtype).tolist()

    def encode(self, inputs: Any) -> tf.Tensor:
        """Finds the bucket of each number, `tf.int64`; NaN has the index after the last bucket."""
        values = _numeric.as_numbers(inputs, self._spec.dtype, self.name)
        values = _numeric.check_finite(values, self.missing, self.name)
        buckets = _numeric.bucket_indices(values, self.boundaries)
        if self.missing == "error":
            return buckets
        nan_index = tf.cast(len(self.boundaries) + 1, tf.int64)
        return tf.where(tf.math.is_nan(values), nan_index, buckets)
