"""Concatenation of feature vectors."""

from collections.abc import Sequence

import tensorflow as tf


def concatenate(vectors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Concatenates the vectors, in the order of the features.

    Args:
        vectors: One tensor of shape `(batch, dim)` per feature.

    Returns:
        A tensor of shape `(batch, sum of dims)`.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> rk.interactions.concatenate([tf.zeros((2, 3)), tf.zeros((2, 1))]).shape
        TensorShape([2, 4])
    """
    if len(vectors) == 1:
        return vectors[0]
    return tf.keras.layers.Concatenate(name="joined-features")(vectors)
