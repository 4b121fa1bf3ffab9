"""The likelihood of rating steps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class OrdinalLoss(tf.keras.losses.Loss):
    """The negative log-likelihood of the label's step, for `rankkit.layers.OrdinalHead`.

    Args:
        steps: Those of the head.
        name: Name of the loss. Defaults to `"ordinal_loss"`.

    Raises:
        ValueError: If there are fewer than two steps, or they do not ascend.
        tf.errors.InvalidArgumentError: If the loss is called with a label that is no step.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.OrdinalLoss((1, 2, 3))
        >>> loss([[3.0]], [[0.25, 0.25, 0.5]]).numpy().round(4)
        array([0.6931], dtype=float32)
    """

    reads = "distribution"  # of what the head gives

    def __init__(self, steps: Sequence[float], name: str = "ordinal_loss"):
        super().__init__(reduction=tf.keras.losses.Reduction.NONE, name=name)
        self.steps = tuple(float(step) for step in steps)
        if len(self.steps) < 2 or not all(np.diff(self.steps) > 0):
            raise invalid("steps", steps, "at least two numbers that ascend")

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        distribution = tf.convert_to_tensor(y_pred)  # (batch, steps)
        steps = tf.constant(self.steps, distribution.dtype)
        labels = tf.reshape(tf.cast(y_true, distribution.dtype), (-1, 1))
        distances = tf.abs(labels - steps)
        message = (
            f"Labels must be steps of the loss, {self.steps}. Got: others. Give the loss and the "
            "head all steps there are."
        )
        near = tf.reduce_all(tf.reduce_min(distances, axis=1) < 1e-3)
        with tf.control_dependencies([tf.debugging.Assert(near, [message])]):
            place = tf.argmin(distances, axis=1)
        chance = tf.gather(distribution, place, batch_dims=1)
        return -tf.math.log(tf.maximum(chance, 1e-30))

    def get_config(self) -> dict[str, Any]:
        return {"steps": self.steps, "name": self.name}
