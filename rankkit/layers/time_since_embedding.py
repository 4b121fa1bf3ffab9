"""The time since an id's own reference moment, as a trained vector."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_list
from rankkit.core.vocabulary import check_vocabulary
from rankkit.layers._lookup import IdTable
from rankkit.layers._numeric import bucket_edges, buckets_of, check_edges, finite_numbers
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TimeSinceEmbedding(EmbeddingLayer):
    """Sorts the age of an id at a moment into a bucket and gives the embedding trained for it.

    How old a movie was when it was rated, or how long a user had been there. The reference moments
    stay in the network. Unknown ids have no age: they have the first row of the table.

    Args:
        ids: The known ids, all `str` or all `int`, without duplicates.
        references: The moment from which the age of each counts, whole numbers such as seconds
            since 1970.
        boundaries: Ascending ages, whole numbers of the same unit, at least one. Bucket `i` holds
            `boundaries[i-1] <= age < boundaries[i]`; the first and the last are open, so that
            moments before the reference are in the first.
        embedding_dim: Width of the vectors, at least 1.
        **kwargs: Further keyword arguments, as those of `rankkit.layers.IdEmbedding`.

    Input shape:
        Two tensors of `(batch,)`: ids, `tf.string` or `tf.int64` as the known ones, and moments,
        `tf.int64`.

    Output shape:
        `(batch, embedding_dim)`.

    Raises:
        ValueError: If there is no id, one comes twice, the references are more or fewer, or the
            boundaries are not ascending.
        TypeError: If references or boundaries are no whole numbers, or the layer is called with
            strings where its ids are integers, or the other way round.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.TimeSinceEmbedding(["Heat"], [100], [60, 3600], 4)
        >>> ids, moments = tf.constant(["Heat", "Heat", "new"]), tf.constant([130, 9000, 130])
        >>> layer.encode([ids, moments]).numpy().tolist()
        [1, 3, 0]
    """

    def __init__(
        self,
        ids: Sequence[str] | Sequence[int],
        references: Sequence[int],
        boundaries: Sequence[int],
        embedding_dim: int,
        **kwargs: Any,
    ):
        self._edges = check_edges("boundaries", boundaries, whole=True)
        super().__init__(len(self._edges) + 2, embedding_dim, **kwargs)
        self._ids = np.array(check_vocabulary("ids", ids), dtype=object)
        self._table = IdTable(self._ids.tolist())
        self._references = finite_numbers("references", references, whole=True)
        if len(self._references) != len(self._ids):
            fix = f"one for each of {len(self._ids)} ids"
            raise invalid("references", len(self._references), fix)

    @classmethod
    def from_columns(
        cls, ids: Any, moments: Any, embedding_dim: int, *, num_buckets: int = 10, **kwargs: Any
    ) -> "TimeSinceEmbedding":
        """Makes the layer from training rows: each id's first moment is its reference.

        Args:
            ids: The id of each row.
            moments: Its moment, a whole number.
            embedding_dim: Width of the vectors.
            num_buckets: At most so many buckets of equally many rows, at least 2; fewer where ages
                repeat. Defaults to `10`.
            **kwargs: Further arguments of the layer.

        Raises:
            ValueError: If all ages are equal.
        """
        values = finite_numbers("moments", moments, whole=True).tolist()
        first: dict[Any, int] = {}
        keys = as_list(ids)
        for each, moment in zip(keys, values, strict=True):
            first[each] = min(moment, first.get(each, moment))
        ages = np.array([moment - first[each] for each, moment in zip(keys, values, strict=True)])
        edges = bucket_edges("ages", ages, num_buckets)
        return cls(list(first), list(first.values()), edges.tolist(), embedding_dim, **kwargs)

    @property
    def feature_spec(self) -> tuple[tf.TensorSpec, tf.TensorSpec]:
        """Shapes and dtypes of the two raw features, `(batch,)` each."""
        spec = tf.TensorSpec((None,), self._table.dtype)
        return spec, tf.TensorSpec((None,), tf.int64)

    def sample_values(self, count: int) -> tuple[list, list]:
        """Gives `count` ids, and as many moments from below to above the boundaries."""
        places = np.linspace(0, len(self._ids) - 1, count, dtype=int)
        ages = np.linspace(self._edges[0] - 1, self._edges[-1] + 1, count).astype(np.int64)
        return self._ids[places].tolist(), (self._references[places] + ages).tolist()

    def encode(self, inputs: Any) -> tf.Tensor:
        """Gives one more than the bucket of each age, 0 for unknown ids, `tf.int64`."""
        ids, moments = inputs
        places = self._table.find(self._table.check(ids, self.name))
        references = tf.gather(tf.constant(self._references), tf.maximum(places, 0))
        buckets = buckets_of(tf.cast(moments, tf.int64) - references, self._edges)
        return tf.where(places >= 0, buckets + 1, tf.zeros_like(buckets))

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape[0]).concatenate(self.embedding_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "ids": self._ids.tolist(),
            "references": self._references.tolist(),
            "boundaries": self._edges.tolist(),
        }
