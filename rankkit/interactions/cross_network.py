"""Products of features of ever higher degree: the cross network of DCN-v2."""

from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit.interactions._vectors import listed
from rankkit.utils.errors import check_integer


@tf.keras.utils.register_keras_serializable(package="rankkit")
class CrossNetwork(tf.keras.layers.Layer):
    """A stack of `tfrs.layers.feature_interaction.Cross` layers over the joined vectors.

    With `x0` the vectors side by side, each layer gives `x0 * (W x + b) + x` of what the one
    before it gave: after `n` layers there are products of up to `n + 1` features.

    Args:
        num_layers: How many layers, at least 1. Defaults to `2`.
        projection_dim: Rank of `W`, to save time and memory. Defaults to `None`, full rank.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A list of vectors of `(batch, dim)`, one a feature; widths may differ.

    Output shape:
        `(batch, sum of dims)`.

    Raises:
        ValueError: If a number is below 1.

    References:
        Wang et al., DCN V2: improved deep & cross network, WWW 2021.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> rk.interactions.CrossNetwork()([tf.ones((2, 3)), tf.ones((2, 1))]).shape
        TensorShape([2, 4])
    """

    def __init__(self, num_layers: int = 2, *, projection_dim: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        check_integer("num_layers", num_layers)
        if projection_dim is not None:
            check_integer("projection_dim", projection_dim)
        self.num_layers = num_layers
        self.projection_dim = projection_dim
        self._layers = [
            tfrs.layers.feature_interaction.Cross(projection_dim, dtype=self.dtype_policy)
            for _ in range(num_layers)
        ]

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        joined = tf.concat(listed(inputs), axis=1)
        crossed = joined
        for layer in self._layers:
            crossed = layer(joined, crossed)
        return crossed

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        shapes = listed(input_shape)
        return tf.TensorShape([shapes[0][0], sum(shape[-1] for shape in shapes)])

    def get_config(self) -> dict[str, Any]:
        mine = {"num_layers": self.num_layers, "projection_dim": self.projection_dim}
        return {**super().get_config(), **mine}
