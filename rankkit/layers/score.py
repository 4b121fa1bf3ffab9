"""Scores computed from other scores: of several heads, or of an ensemble."""

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit.utils.errors import invalid


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


@tf.keras.utils.register_keras_serializable(package="rankkit")
class EnsembleMean(tf.keras.layers.Layer):
    """Averages the scores of the members of an ensemble; the last layer of a network.

    `rankkit.score_std` gives what the mean hides: how far the members are apart.

    Args:
        independent: Whether each member is trained on its own error, by the squared error, as if
            it were alone. The error of the mean is that of the members, on average, less their
            variance; so their variance is added to the loss, without sample weights, and shown as
            part of `regularization_loss`. Otherwise the members make up for each other's errors.
            Defaults to `False`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, members)`.

    Output shape:
        `(batch, 1)`.

    References:
        Krogh and Vedelsby, Neural network ensembles, cross validation, and active learning,
        NIPS 1994.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> rk.layers.EnsembleMean()(tf.constant([[3.0, 4.0], [1.0, 2.0]])).numpy().tolist()
        [[3.5], [1.5]]
    """

    def __init__(self, *, independent: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.independent = bool(independent)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        scores = tf.cast(inputs, self.variable_dtype)
        mean = tf.reduce_mean(scores, axis=1, keepdims=True)
        if not (self.independent and training):
            return mean
        variance = tf.reduce_mean(tf.math.reduce_variance(scores, axis=1))
        # Of a mean, each member gets its share of the gradient; alone it would get all of it.
        share = float(scores.shape[1] - 1)
        self.add_loss(variance + share * (variance - tf.stop_gradient(variance)))
        return mean + share * (mean - tf.stop_gradient(mean))

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        return tf.TensorShape(input_shape)[:1].concatenate(1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "independent": self.independent}
