"""Embedding of the time that has passed since a reference timestamp of an id."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import single_values
from rankkit.core.timestamps import check_no_missing, check_unit
from rankkit.core.vocabulary import distinct_ids
from rankkit.layers import _numeric
from rankkit.layers._lookup import IdLookup, Ids, paired_columns
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.seconds import SECONDS_LIMIT


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TimeSinceEmbedding(EmbeddingLayer):
    """Discretizes the time since an id's reference timestamp into buckets and embeds the bucket.

    Use it for the age of a movie when it was rated, or the time since a user's first visit. The
    reference timestamps are stored in the layer, which reads the id and the timestamp of an
    example. Out-of-vocabulary ids have no reference and share the first row of the table.

    Args:
        ids: The known ids, all `str` or all `int`, without duplicates.
        references: The reference timestamp of each id, integers such as seconds since 1970.
        boundaries: Ascending integers in the unit of the timestamps, at least one. With `t` the
            time since the reference, bucket `i` holds `boundaries[i-1] <= t < boundaries[i]`; the
            first, which holds timestamps before the reference, and the last are unbounded.
        embedding_dim: Dimension of the vectors, at least 1.
        **kwargs: The `**kwargs` of `IdEmbedding`, such as `embeddings_initializer` and `name`.

    Input shape:
        Two tensors of `(batch,)`: ids, of `tf.string` or `tf.int64`, and timestamps, of `tf.int64`.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If the ids are empty or duplicated, there are more or fewer references, or the
            boundaries are not ascending.
        tf.errors.InvalidArgumentError: If a timestamp is in seconds and the references are not, or
            the reverse.
        TypeError: If references or boundaries are not integers, or the input has another type.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.TimeSinceEmbedding(["Heat"], [100], [60, 3600], 4)
        >>> ids, timestamps = tf.constant(["Heat", "Heat", "new"]), tf.constant([130, 9000, 130])
        >>> layer.encode([ids, timestamps]).numpy().tolist()
        [1, 3, 0]
    """

    def __init__(
        self,
        ids: Ids,
        references: Sequence[int],
        boundaries: Sequence[int],
        embedding_dim: int,
        **kwargs: Any,
    ):
        edges = _numeric.as_boundaries("boundaries", boundaries, integers=True)
        super().__init__(len(edges) + 2, embedding_dim, **kwargs)
        self.boundaries = edges
        self._lookup = IdLookup("ids", ids)
        self.ids = self._lookup.ids
        self.references = _numeric.finite_numbers("references", references, integers=True)
        self._lookup.check_one_per_id("references", self.references)
        is_finer = np.abs(self.references) >= SECONDS_LIMIT
        # `None`, unknown, if only some references or boundaries are too large for seconds.
        self.in_seconds = False if is_finer.all() else None
        if not is_finer.any() and np.abs(edges).max() < SECONDS_LIMIT:
            self.in_seconds = True
        self._spec = self._lookup.spec, tf.TensorSpec((None,), tf.int64)

    @classmethod
    def from_columns(
        cls, ids: Any, timestamps: Any, embedding_dim: int, *, num_buckets: int = 10, **kwargs: Any
    ) -> "TimeSinceEmbedding":
        """Creates the layer from training rows, with each id's first timestamp as its reference.

        Args:
            ids: The id of each row.
            timestamps: The timestamp of each row, an integer, or a date or time, which is read as
                seconds since 1970-01-01 UTC.
            embedding_dim: Dimension of the vectors.
            num_buckets: Number of buckets, at least 2, with quantiles of the training rows as
                boundaries. There are fewer if values repeat. Defaults to `10`.
            **kwargs: Further arguments of the layer.

        Raises:
            ValueError: If a timestamp is missing, or all are the first of their id.
        """
        distinct_ids(ids, name="ids")  # raises if one is not an id
        check_no_missing("timestamps", single_values("timestamps", timestamps))
        numbers = _numeric.finite_numbers("timestamps", timestamps, integers=True)
        rows = paired_columns(ids=ids, timestamps=numbers)
        first: dict[Any, Any] = {}
        for each, timestamp in rows:
            first[each] = min(timestamp, first.get(each, timestamp))
        elapsed = np.array([timestamp - first[each] for each, timestamp in rows])
        name = "The time since the first of timestamps"
        boundaries = _numeric.quantile_boundaries(name, elapsed, num_buckets)
        references = list(first.values())
        return cls(list(first), references, boundaries.tolist(), embedding_dim, **kwargs)

    def sample_values(self, count: int) -> tuple[list, list]:
        """Returns `count` example inputs: ids, and timestamps below to above the boundaries."""
        positions = np.linspace(0, len(self._lookup) - 1, count, dtype=int)
        low, high = self.boundaries[0] - 1, self.boundaries[-1] + 1
        elapsed = np.linspace(low, high, count).astype(np.int64)
        return self._lookup.sample(count), (self.references[positions] + elapsed).tolist()

    def encode(self, inputs: Any) -> tf.Tensor:
        """Finds the bucket of each time since the reference, from 1, or 0 for an OOV id."""
        ids, timestamps = inputs
        indices = self._lookup.find(ids, self.name)
        references = tf.gather(tf.constant(self.references), tf.maximum(indices, 0))
        times = _numeric.as_numbers(timestamps, tf.int64, self.name)
        if self.in_seconds is not None:
            name = f"The timestamp of layer {self.name!r}"
            times = check_unit(name, times, in_seconds=self.in_seconds)
        elapsed = times - references
        buckets = _numeric.bucket_indices(elapsed, self.boundaries)
        return tf.where(indices >= 0, buckets + 1, tf.zeros_like(buckets))
