"""What candidates are ranked by where a network has several heads."""

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class WeightedScore(tf.keras.layers.Layer):
    """Adds up the scores of heads, each times its weight.

    Args:
        weights: Name of the head to weight; heads that are not named do not count.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A dict of the heads' scores, `(batch, 1)` each.

    Output shape:
        `(batch, 1)`.

    Raises:
        ValueError: If there is no weight, or one is not finite.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.WeightedScore({"rating": 1.0, "click": 0.5})
        >>> layer({"rating": tf.constant([[4.0]]), "click": tf.constant([[-1.0]])}).numpy()
        array([[3.5]], dtype=float32)
    """

    def __init__(self, weights: Mapping[str, float], **kwargs: Any):
        # In mixed precision too, scores are told apart in full precision.
        super().__init__(**{"dtype": "float32", **kwargs}, autocast=False)
        self.weights_by_head = {name: float(weight) for name, weight in weights.items()}
        given = self.weights_by_head.values()
        if not any(given) or not all(map(math.isfinite, given)):
            raise invalid("weights", weights, "a finite number for each head, not all 0")

    def call(self, inputs: Any) -> tf.Tensor:
        weights = self.weights_by_head.items()
        return tf.add_n([weight * tf.cast(inputs[name], self.dtype) for name, weight in weights])

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape[next(iter(self.weights_by_head))])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weights": dict(self.weights_by_head)}
