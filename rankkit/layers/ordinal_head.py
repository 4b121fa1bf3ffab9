"""Ordinal regression: a head that outputs a distribution over rating levels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arguments import ArgumentsLayer
from rankkit.core.levels import as_levels
from rankkit.core.partial import ActivationCache, Vector
from rankkit.layers.dense_rating_head import DenseRatingHead


@tf.keras.utils.register_keras_serializable(package="rankkit")
class OrdinalHead(ArgumentsLayer):
    """Turns the vector of an example into a probability distribution over rating levels.

    This is the proportional odds model: with `x` the output of a stack of dense layers, the
    probability of a rating of at most level `k` is `sigmoid(t[k] - x)`, with trained ascending
    thresholds `t`. The score is the mean of the distribution, in the unit of the levels.

    Use it with `rankkit.losses.OrdinalLoss` if the uncertainty of a predicted rating matters, or if
    the levels are not evenly spaced; other losses see the score alone.

    Args:
        levels: The possible ratings, ascending, at least two, such as `(1, 2, 3, 4, 5)`.
        hidden_units: Number of units of each hidden layer. Defaults to `(256, 64)`.
        activation: Activation of the hidden layers. Defaults to `"relu"`.
        dropout_rate: Share of hidden units dropped in training, in [0, 1). Defaults to `0.0`.
        kernel_initializer: Initializer of all kernels. Defaults to `"glorot_uniform"`.
        kernel_regularizer: Regularizer of all kernels. Defaults to `None`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, dim)`.

    Output shape:
        A dict: `score` and `std`, the mean and the standard deviation of the distribution,
        `(batch, 1)` each; `distribution`, the probabilities of the levels, and `log_distribution`,
        their logarithms, `(batch, len(levels))` each.

    Raises:
        ValueError: If there are fewer than two levels, a level is not finite or they do not ascend;
            if a number of units is below 1 or `dropout_rate` is outside [0, 1).
        TypeError: If the levels are not numbers.

    References:
        McCullagh, Regression models for ordinal data, 1980; Koren and Sill, OrdRec, RecSys 2011.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> head = rk.layers.OrdinalHead((1, 2, 3), hidden_units=[8])
        >>> outputs = head(tf.zeros((2, 4)))
        >>> outputs["distribution"].shape, outputs["score"].numpy().round(4).tolist()
        (TensorShape([2, 3]), [[2.0], [2.0]])
    """

    def __init__(
        self,
        levels: Sequence[float],
        hidden_units: Sequence[int] = (256, 64),
        *,
        activation: Any = "relu",
        dropout_rate: float = 0.0,
        kernel_initializer: Any = "glorot_uniform",
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.levels = as_levels(levels)
        self._tower = DenseRatingHead(
            hidden_units,
            activation=activation,
            dropout_rate=dropout_rate,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=kernel_regularizer,
            dtype=self.dtype_policy,
            name="tower",
        )
        # Probabilities stay in full precision in mixed precision, too, as scores do.
        dtype = self.variable_dtype
        self._thresholds = _Thresholds(self.levels, name="thresholds", dtype=dtype)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> dict[str, tf.Tensor]:
        return self._thresholds(self._tower(inputs, training=training))

    def call_parts(self, inputs: Vector, kept: ActivationCache) -> dict[str, tf.Tensor]:
        return self._thresholds(self._tower.call_parts(inputs, kept))

    def get_config(self) -> dict[str, Any]:
        config = {**self._tower.get_config(), **super().get_config()}
        del config["rating_range"]  # the levels are the range
        return config


class _Thresholds(tf.keras.layers.Layer):
    """Turns the output of the dense layers into a distribution over the levels."""

    def __init__(self, levels: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self._levels = tuple(levels)
        num_gaps = len(levels) - 2
        # At the start the thresholds are 1 apart and centered at 0: softplus(log(e - 1)) = 1.
        first = tf.keras.initializers.Constant(-num_gaps / 2)
        gaps = tf.keras.initializers.Constant(np.log(np.e - 1))
        self._first = self.add_weight("first_threshold", (1,), initializer=first)
        self._gaps = self.add_weight("gaps", (num_gaps,), initializer=gaps)

    def call(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        others = self._first + tf.cumsum(tf.math.softplus(self._gaps))
        logits = tf.concat([self._first, others], axis=0) - inputs  # (batch, levels - 1)
        at_most, above = tf.math.log_sigmoid(logits), tf.math.log_sigmoid(-logits)
        # The logarithm of sigmoid(b) - sigmoid(a), without cancellation for values near 0 or 1.
        between = at_most[:, 1:] + above[:, :-1] + tf.math.log_sigmoid(self._gaps)
        log_distribution = tf.concat([at_most[:, :1], between, above[:, -1:]], axis=1)
        distribution = tf.exp(log_distribution)  # (batch, levels)
        levels = tf.constant(self._levels, distribution.dtype)
        score = tf.reduce_sum(distribution * levels, axis=1, keepdims=True)
        squares = tf.square(levels - score)
        variance = tf.reduce_sum(distribution * squares, axis=1, keepdims=True)
        return {
            "score": score,
            "std": tf.sqrt(variance),
            "distribution": distribution,
            "log_distribution": log_distribution,
        }
