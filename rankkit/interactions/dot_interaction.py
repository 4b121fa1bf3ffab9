"""The products of all pairs of vectors, beside the vectors themselves."""

from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit.core.partial import Kept, Part, Vector
from rankkit.interactions._vectors import equal_width, listed


@tf.keras.utils.register_keras_serializable(package="rankkit")
class DotInteraction(tf.keras.layers.Layer):
    """Puts the dot products of each pair of vectors beside the vectors, as DLRM does.

    The products are those of `tfrs.layers.feature_interaction.DotInteraction`, which Keras
    cannot save by itself.

    Args:
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A list of `n` vectors of `(batch, dim)`, one a feature, of equal width.

    Output shape:
        `(batch, n * dim + n * n)`; the products are in a square of which a half is zero.

    Raises:
        TypeError: If the widths differ.

    References:
        Naumov et al., Deep learning recommendation model for personalization and recommendation
        systems, 2019.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> vectors = [tf.constant([[1.0, 2.0]]), tf.constant([[3.0, 4.0]])]
        >>> rk.interactions.DotInteraction()(vectors).numpy().tolist()
        [[1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 11.0, 0.0]]
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        # The gather that leaves the zeros out is slower, and no operation of TensorFlow Lite.
        self._products = tfrs.layers.feature_interaction.DotInteraction(
            skip_gather=True, dtype=self.dtype_policy
        )

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        vectors = equal_width(inputs, "dot product")
        return tf.concat([*vectors, self._products(vectors)], axis=1)

    def call_parts(self, inputs: Any, kept: Kept) -> Vector:
        products = self._products(equal_width(kept.whole(listed(inputs)), "dot product"))
        parts = [part for vector in listed(inputs) for part in vector.parts]
        met = frozenset().union(*(part.sides for part in parts))
        return Vector([*parts, Part(met, products.shape, lambda: products)])

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        shapes = listed(input_shape)
        number, width = len(shapes), shapes[0][-1]
        return tf.TensorShape([shapes[0][0], number * width + number**2])
