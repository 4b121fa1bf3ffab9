"""A head whose output is a distribution over rating steps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid
from rankkit.layers.dense_rating_head import DenseRatingHead


@tf.keras.utils.register_keras_serializable(package="rankkit")
class OrdinalHead(tf.keras.layers.Layer):
    """Turns the joined feature vectors into chances of each step of a rating.

    A tower gives one number `x`; a rating is at most the step `k` with the chance
    `sigmoid(t_k - x)`, of ascending thresholds `t` that are trained: the proportional odds model.
    The score is the mean of the steps, so that it orders as any score does, and is in their unit.

    It goes with `rankkit.losses.OrdinalLoss`; other losses are of the score.

    Args:
        steps: The ratings there are, ascending, at least two, such as `(1, 2, 3, 4, 5)`.
        hidden_units: Widths of the hidden layers of the tower. Defaults to `(256, 64)`.
        tower_arguments: Further arguments of the tower, a `DenseRatingHead`.
            Defaults to `None`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        `(batch, width)`.

    Output shape:
        A dict: `score` and `spread`, the mean and the standard deviation of the steps,
        `(batch, 1)` each, and `distribution`, the chance of each step, `(batch, steps)`.

    Raises:
        ValueError: If there are fewer than two steps, or they do not ascend.

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
        steps: Sequence[float],
        hidden_units: Sequence[int] = (256, 64),
        *,
        tower_arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.steps = tuple(float(step) for step in steps)
        if len(self.steps) < 2 or not all(np.diff(self.steps) > 0):
            raise invalid("steps", steps, "at least two numbers that ascend")
        self.hidden_units = tuple(int(units) for units in hidden_units)
        self.tower_arguments = dict(tower_arguments or {})
        self._tower = DenseRatingHead(self.hidden_units, name="tower", **self.tower_arguments)
        between = len(self.steps) - 2
        # Thresholds begin one apart, around zero.
        first = tf.keras.initializers.Constant(-between / 2)
        gaps = tf.keras.initializers.Constant(np.log(np.e - 1))
        self._first = self.add_weight("first_threshold", (1,), initializer=first)
        self._gaps = self.add_weight("gaps", (between,), initializer=gaps)

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Any, training: Any = None) -> dict[str, tf.Tensor]:
        x = tf.cast(self._tower(inputs, training=training), self.variable_dtype)
        further = self._first + tf.cumsum(tf.math.softplus(self._gaps))
        below = tf.concat([self._first, further], axis=0) - x  # (batch, steps - 1)
        at_most, above = tf.math.log_sigmoid(below), tf.math.log_sigmoid(-below)
        # The chance between two thresholds, without a difference of chances near 0 or 1.
        between = at_most[:, 1:] + above[:, :-1] + tf.math.log_sigmoid(self._gaps)
        distribution = tf.exp(tf.concat([at_most[:, :1], between, above[:, -1:]], axis=1))
        steps = tf.constant(self.steps, distribution.dtype)
        score = tf.reduce_sum(distribution * steps, axis=1, keepdims=True)
        squares = tf.square(steps - score)
        variance = tf.reduce_sum(distribution * squares, axis=1, keepdims=True)
        return {"score": score, "spread": tf.sqrt(variance), "distribution": distribution}

    def compute_output_shape(self, input_shape: Any) -> dict[str, tf.TensorShape]:
        batch = tf.TensorShape(input_shape)[:-1]
        widths = {"score": 1, "spread": 1, "distribution": len(self.steps)}
        return {name: batch.concatenate(width) for name, width in widths.items()}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "steps": self.steps,
            "hidden_units": self.hidden_units,
            "tower_arguments": dict(self.tower_arguments),
        }
