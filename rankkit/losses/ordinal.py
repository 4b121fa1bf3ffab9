"""Loss for ordinal labels."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.arguments import arguments_of
from rankkit.core.levels import as_levels
from rankkit.core.listwise import checked_labels
from rankkit.utils.errors import check_text


@tf.keras.utils.register_keras_serializable(package="rankkit")
class OrdinalLoss(tf.keras.losses.Loss):
    """Negative log-likelihood of the rating level, for `rankkit.layers.OrdinalHead`.

    Its predictions are the output `log_distribution` of the head, `(batch, levels)`.

    Args:
        levels: All rating levels in ascending order, the same as those of the head.
        name: Name of the loss. Defaults to `"ordinal_loss"`.

    Raises:
        ValueError: If there are fewer than two levels, one is not finite, they do not ascend, or
            the loss is compiled for a head with other levels.
        TypeError: If the levels are not numbers.
        tf.errors.InvalidArgumentError: If the loss is called with a label that is not a level.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.OrdinalLoss((1, 2, 3))
        >>> loss([[3.0]], [[-1.3863, -1.3863, -0.6931]]).numpy()  # log of 1/4, 1/4 and 1/2
        array([0.6931], dtype=float32)
    """

    reads = "log_distribution"  # the output of the head

    def __init__(self, levels: Sequence[float], name: str = "ordinal_loss"):
        check_text("name", name)
        super().__init__(reduction=tf.keras.losses.Reduction.NONE, name=name)
        self.levels = as_levels(levels)

    def checked(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns labels, `(batch, 1)`, after checking that each of them is a level."""
        levels = tf.constant(self.levels, labels.dtype)
        is_level = tf.reduce_min(tf.abs(labels - levels), axis=1, keepdims=True) < 1e-3
        fix = "Pass all levels to both the loss and the head."
        return checked_labels(labels, is_level, f"levels of the loss, {self.levels}", fix)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        log_probabilities = tf.cast(y_pred, tf.float32)  # (batch, levels)
        levels = tf.constant(self.levels, log_probabilities.dtype)
        labels = self.checked(tf.reshape(tf.cast(y_true, log_probabilities.dtype), (-1, 1)))
        indices = tf.argmin(tf.abs(labels - levels), axis=1)
        return -tf.gather(log_probabilities, indices, batch_dims=1)

    def get_config(self) -> dict[str, Any]:
        return arguments_of(self)
