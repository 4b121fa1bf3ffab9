"""Loss of ordinal labels."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.levels import as_levels
from rankkit.core.listwise import checked_labels


@tf.keras.utils.register_keras_serializable(package="rankkit")
class OrdinalLoss(tf.keras.losses.Loss):
    """The negative log-likelihood of the label's step, for `rankkit.layers.OrdinalHead`.

    It reads the head's `log_distribution`, `(batch, levels)`.

    Args:
        levels: Those of the head.
        name: Name of the loss. Defaults to `"ordinal_loss"`.

    Raises:
        ValueError: If there are fewer than two levels, one is not finite, or they do not ascend; if
            it is compiled for a head of others.
        TypeError: If they are no numbers.
        tf.errors.InvalidArgumentError: If the loss is called with a label that is no step.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.OrdinalLoss((1, 2, 3))
        >>> loss([[3.0]], [[-1.3863, -1.3863, -0.6931]]).numpy()  # logs of 1/4, 1/4 and 1/2
        array([0.6931], dtype=float32)
    """

    reads = "log_distribution"  # of what the head gives

    def __init__(self, levels: Sequence[float], name: str = "ordinal_loss"):
        super().__init__(reduction=tf.keras.losses.Reduction.NONE, name=name)
        self.levels = as_levels(levels)

    def checked(self, labels: tf.Tensor) -> tf.Tensor:
        """Gives labels, `(batch, 1)`, once all of them are levels.

        Args:
            labels: Numbers, one a row.
        """
        levels = tf.constant(self.levels, labels.dtype)
        near = tf.reduce_min(tf.abs(labels - levels), axis=1, keepdims=True) < 1e-3
        fix = "Give the loss and the head all levels there are."
        return checked_labels(labels, near, f"levels of the loss, {self.levels}", fix)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        logs = tf.convert_to_tensor(y_pred)  # (batch, levels)
        levels = tf.constant(self.levels, logs.dtype)
        labels = self.checked(tf.reshape(tf.cast(y_true, logs.dtype), (-1, 1)))
        place = tf.argmin(tf.abs(labels - levels), axis=1)
        return -tf.gather(logs, place, batch_dims=1)

    def get_config(self) -> dict[str, Any]:
        return {"levels": self.levels, "name": self.name}
