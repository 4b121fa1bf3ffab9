"""Scores computed from other scores: those of several heads, or of an ensemble."""

import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.arguments import ArgumentsLayer
from rankkit.utils.errors import check_boolean, invalid, is_number


@tf.keras.utils.register_keras_serializable(package="rankkit")
class WeightedScore(ArgumentsLayer):
    """Computes the weighted sum of the scores of several heads.

    Args:
        weights: The weight of each head, by its name; other heads do not contribute.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        A dict of the heads' scores, `(batch, 1)` each.

    Output shape:
        `(batch, 1)`.

    Raises:
        ValueError: If a weight is not a finite number, or all weights are 0.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.WeightedScore({"rating": 1.0, "click": 0.5})
        >>> layer({"rating": tf.constant([[4.0]]), "click": tf.constant([[-1.0]])}).numpy()
        array([[3.5]], dtype=float32)
    """

    def __init__(self, weights: Mapping[str, float], **kwargs: Any):
        # Scores stay in full precision in mixed precision, too: half precision would tie them.
        super().__init__(**{"dtype": "float32", **kwargs})
        found = dict(weights) if isinstance(weights, Mapping) else {}
        are_numbers = all(is_number(each) and math.isfinite(each) for each in found.values())
        if not are_numbers or not any(found.values()) or not all(isinstance(n, str) for n in found):
            raise invalid("weights", weights, "a finite number for each head, not all 0")
        self.weights_by_head = {name: float(weight) for name, weight in found.items()}

    def call(self, inputs: Any) -> tf.Tensor:
        weights = self.weights_by_head.items()
        return tf.add_n([weight * tf.cast(inputs[name], self.dtype) for name, weight in weights])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weights": dict(self.weights_by_head)}


@tf.keras.utils.register_keras_serializable(package="rankkit")
class EnsembleMean(ArgumentsLayer):
    """Averages the scores of the members of an ensemble; the last layer of a network.

    For the standard deviation of the members' scores, see `rankkit.score_std`.

    Args:
        independent: Whether each member is trained on its own squared error, as if it were alone,
            instead of on the error of the mean, for which members compensate each other. The
            squared error of the mean is the average squared error of the members minus their
            variance, so the variance is added to the loss. It ignores sample weights and is
            reported as part of `regularization_loss`. Defaults to `False`.
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
        self.independent = check_boolean("independent", independent)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> tf.Tensor:
        scores = tf.cast(inputs, self.variable_dtype)
        mean = tf.reduce_mean(scores, axis=1, keepdims=True)
        if not (self.independent and training):
            return mean
        variance = tf.reduce_mean(tf.math.reduce_variance(scores, axis=1))
        # The mean divides the gradient of each member by the number of members. The added terms
        # are 0 and scale the gradient up to that of a member trained alone.
        others = float(scores.shape[1] - 1)
        self.add_loss(variance + others * (variance - tf.stop_gradient(variance)))
        return mean + others * (mean - tf.stop_gradient(mean))
