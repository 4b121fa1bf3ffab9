"""Dot-product interaction of DLRM."""

from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit.core.arguments import ArgumentsLayer
from rankkit.core.partial import ActivationCache, Part, Vector
from rankkit.interactions._vectors import as_vectors, unequal_dims


@tf.keras.utils.register_keras_serializable(package="rankkit")
class DotInteraction(ArgumentsLayer):
    """Concatenates the vectors and the dot products of all pairs of them, as in DLRM.

    The products are those of `tfrs.layers.feature_interaction.DotInteraction`, made savable.

    Args:
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A list of `n` vectors of `(batch, dim)`, one per feature, of equal dimension.

    Output shape:
        `(batch, n * dim + n * n)`; an `n * n` matrix has the products below its diagonal, else 0.

    Raises:
        TypeError: If the dimensions differ.

    References:
        Naumov et al., Deep learning recommendation model (DLRM), arXiv:1906.00091, 2019.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> vectors = [tf.constant([[1.0, 2.0]]), tf.constant([[3.0, 4.0]])]
        >>> rk.interactions.DotInteraction()(vectors).numpy().tolist()
        [[1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 11.0, 0.0]]
    """

    _casts_input = True

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        # Gathering the lower triangle is slower, and TensorFlow Lite has no operation for it.
        self._products = tfrs.layers.feature_interaction.DotInteraction(
            skip_gather=True, dtype=self.dtype_policy
        )

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        vectors = as_vectors(inputs)
        return tf.concat([*vectors, self._multiply(vectors)], axis=1)

    def call_parts(self, inputs: Any, cache: ActivationCache) -> Vector:
        vectors = as_vectors(inputs)
        products = self._multiply(cache.whole(vectors))
        parts = [part for vector in vectors for part in vector.parts]
        sides = frozenset().union(*(part.sides for part in parts))
        return Vector([*parts, Part(sides, products.shape, lambda: products)])

    def _multiply(self, vectors: list[tf.Tensor]) -> tf.Tensor:
        dims = [vector.shape[-1] for vector in vectors]
        if len(set(dims)) != 1:
            raise unequal_dims(dims, "dot product")
        return self._products(vectors)
