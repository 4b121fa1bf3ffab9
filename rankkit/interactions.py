"""How feature vectors meet: a list of vectors in, one vector out."""

from collections.abc import Sequence

import tensorflow as tf


def concatenate(vectors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Puts the vectors side by side, in the order of the features.

    Args:
        vectors: One tensor of shape `(batch, dim)` for each feature.

    Returns:
        A tensor of shape `(batch, sum of dims)`.
    """
    if len(vectors) == 1:
        return vectors[0]
    return tf.keras.layers.Concatenate(name="joined-features")(vectors)
