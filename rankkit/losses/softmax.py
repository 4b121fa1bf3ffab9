"""The cross entropy of two distributions over a list."""

import tensorflow as tf

from rankkit.losses.list_loss import ListLoss


@tf.keras.utils.register_keras_serializable(package="rankkit")
class SoftmaxLoss(ListLoss):
    """The cross entropy of the softmax of a list's labels and that of its scores: ListNet.

    Each is the probability of an item to come first. An item's weight multiplies its term.

    Args:
        name: Name of the loss. Defaults to `"softmax_loss"`.

    References:
        Cao et al., Learning to rank: from pairwise approach to listwise approach, ICML 2007.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.SoftmaxLoss()
        >>> loss([[1.0, 0.0]], [[0.0, 0.0]]).numpy().round(4)
        array([0.6931], dtype=float32)
    """

    def __init__(self, name: str = "softmax_loss"):
        super().__init__(name)

    def of_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        wanted = tf.nn.softmax(tf.where(mask, labels, labels.dtype.min))
        # A score so low would give 0 times infinity.
        logs = scores - tf.reduce_logsumexp(
            tf.where(mask, scores, scores.dtype.min), axis=1, keepdims=True
        )
        return -tf.reduce_sum(weights * wanted * logs, axis=1)
