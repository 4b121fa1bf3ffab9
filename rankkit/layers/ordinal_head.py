"""A head whose output is a distribution over rating levels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.levels import as_levels
from rankkit.core.partial import Kept, Vector
from rankkit.layers.dense_rating_head import DenseRatingHead

_OF_TOWER = (
    "hidden_units", "activation", "dropout_rate", "kernel_initializer", "kernel_regularizer"
)  # fmt: skip


@tf.keras.utils.register_keras_serializable(package="rankkit")
class OrdinalHead(tf.keras.layers.Layer):
    """Turns the joined feature vectors into chances of each step of a rating.

    A tower gives one number `x`; a rating is at most the step `k` with the chance
    `sigmoid(t_k - x)`, of ascending thresholds `t` that are trained: the proportional odds model.
    The score is the mean of the levels, so that it orders as any score does, and is in their unit.

    It goes with `rankkit.losses.OrdinalLoss`; other losses are of the score.

    Args:
        levels: The ratings there are, ascending, at least two, such as `(1, 2, 3, 4, 5)`.
        hidden_units: Widths of the hidden layers of the tower. Defaults to `(256, 64)`.
        activation: Activation of the hidden layers. Defaults to `"relu"`.
        dropout_rate: Share of the hidden units dropped while training, in [0, 1).
            Defaults to `0.0`.
        kernel_initializer: Initializer of all kernels. Defaults to `"glorot_uniform"`.
        kernel_regularizer: Regularizer of all kernels. Defaults to `None`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, width)`.

    Output shape:
        A dict: `score` and `std`, the mean and the standard deviation of the levels,
        `(batch, 1)` each, `distribution`, the chance of each step, and `log_distribution`, its
        logarithm, `(batch, levels)` each.

    Raises:
        ValueError: If there are fewer than two levels, one is not finite, or they do not ascend; if
            a width is below 1 or the dropout rate outside [0, 1).
        TypeError: If the levels are no numbers.

    References:
        McCullagh, Regression models for ordinal data, 1980; for ratings: Koren and Sill, OrdRec,
        RecSys 2011.

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
            name="tower",
        )
        # In mixed precision too, chances are told apart in full precision.
        dtype = self.variable_dtype
        self._thresholds = _Thresholds(self.levels, name="thresholds", dtype=dtype)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> dict[str, tf.Tensor]:
        return self._thresholds(self._tower(inputs, training=training))

    def call_parts(self, inputs: Vector, kept: Kept) -> dict[str, tf.Tensor]:
        return self._thresholds(self._tower.call_parts(inputs, kept))

    def compute_output_shape(self, input_shape: Any) -> dict[str, tf.TensorShape]:
        batch = tf.TensorShape(input_shape)[:-1]
        levels = len(self.levels)
        widths = {"score": 1, "std": 1, "distribution": levels, "log_distribution": levels}
        return {name: batch.concatenate(width) for name, width in widths.items()}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "levels": self.levels,
            **{
                name: value for name, value in self._tower.get_config().items() if name in _OF_TOWER
            },
        }


class _Thresholds(tf.keras.layers.Layer):
    """From the number of the tower to the chances of the levels.

    Args:
        levels: The ratings there are.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.
    """

    def __init__(self, levels: Sequence[float], **kwargs: Any):
        super().__init__(**kwargs)
        self._levels = tuple(levels)
        between = len(levels) - 2
        # Thresholds begin one apart, around zero.
        first = tf.keras.initializers.Constant(-between / 2)
        gaps = tf.keras.initializers.Constant(np.log(np.e - 1))
        self._first = self.add_weight("first_threshold", (1,), initializer=first)
        self._gaps = self.add_weight("gaps", (between,), initializer=gaps)

    def call(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        further = self._first + tf.cumsum(tf.math.softplus(self._gaps))
        below = tf.concat([self._first, further], axis=0) - inputs  # (batch, levels - 1)
        at_most, above = tf.math.log_sigmoid(below), tf.math.log_sigmoid(-below)
        # The chance between two thresholds, without a difference of chances near 0 or 1.
        between = at_most[:, 1:] + above[:, :-1] + tf.math.log_sigmoid(self._gaps)
        logs = tf.concat([at_most[:, :1], between, above[:, -1:]], axis=1)
        distribution = tf.exp(logs)
        levels = tf.constant(self._levels, distribution.dtype)
        score = tf.reduce_sum(distribution * levels, axis=1, keepdims=True)
        squares = tf.square(levels - score)
        variance = tf.reduce_sum(distribution * squares, axis=1, keepdims=True)
        return {
            "score": score,
            "std": tf.sqrt(variance),
            "distribution": distribution,
            "log_distribution": logs,
        }
