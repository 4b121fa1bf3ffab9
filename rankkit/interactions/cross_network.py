"""Cross network of DCN-v2."""

from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit.core.arguments import ArgumentsLayer
from rankkit.interactions._vectors import as_vectors
from rankkit.utils.errors import check_integer


@tf.keras.utils.register_keras_serializable(package="rankkit")
class CrossNetwork(ArgumentsLayer):
    """Cross network of DCN-v2: explicit feature interactions of bounded degree.

    It stacks `tfrs.layers.feature_interaction.Cross` layers over the concatenated vectors `x0`.
    Each layer computes `x0 * (W x + b) + x` from the output `x` of the previous one (equation 1 of
    the paper), so `n` layers model products of up to `n + 1` features.

    Args:
        num_layers: Number of layers, at least 1. Defaults to `2`.
        projection_dim: Low rank of `W`, to save time and memory. Defaults to `None`, full rank.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A list of vectors of `(batch, dim)`, one per feature; dimensions may differ.

    Output shape:
        `(batch, sum of dims)`.

    Raises:
        ValueError: If `num_layers` or `projection_dim` is below 1.

    References:
        Wang et al., DCN V2: improved deep & cross network, WWW 2021.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> rk.interactions.CrossNetwork()([tf.ones((2, 3)), tf.ones((2, 1))]).shape
        TensorShape([2, 4])
    """

    _casts_input = True

    def __init__(self, num_layers: int = 2, *, projection_dim: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_layers = num_layers = check_integer("num_layers", num_layers)
        if projection_dim is not None:
            projection_dim = check_integer("projection_dim", projection_dim)
        self.projection_dim = projection_dim
        self._layers = [
            tfrs.layers.feature_interaction.Cross(projection_dim, dtype=self.dtype_policy)
            for _ in range(num_layers)
        ]

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        x = x0 = tf.concat(as_vectors(inputs), axis=1)
        for layer in self._layers:
            x = layer(x0, x)
        return x
