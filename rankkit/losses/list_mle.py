"""The likelihood of the order of the labels."""

import tensorflow as tf

from rankkit.losses.list_loss import ListLoss


@tf.keras.utils.register_keras_serializable(package="rankkit")
class ListMLELoss(ListLoss):
    """The negative log-likelihood of the labels' order, an item: ListMLE.

    Items are chosen one by one, by the softmax of the scores of those that are left. Of equal
    labels no order is known: each is chosen from itself and the items of lower labels, so that
    they do not compete. An item's weight multiplies its term.

    Args:
        name: Name of the loss. Defaults to `"list_mle_loss"`.

    References:
        Xia et al., Listwise approach to learning to rank: theory and algorithm, ICML 2008.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.ListMLELoss()
        >>> loss([[2.0, 1.0]], [[0.0, 0.0]]).numpy().round(4)  # log(2) / 2
        array([0.3466], dtype=float32)
    """

    def __init__(self, name: str = "list_mle_loss"):
        super().__init__(name)

    def of_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        own = tf.eye(tf.shape(labels)[1], dtype=tf.bool)
        lower = labels[:, tf.newaxis, :] < labels[:, :, tf.newaxis]
        left = mask[:, tf.newaxis, :] & lower | own
        competing = tf.where(left, scores[:, tf.newaxis, :], scores.dtype.min)
        terms = tf.reduce_logsumexp(competing, axis=2) - scores
        items = tf.reduce_sum(tf.cast(mask, scores.dtype), axis=1)
        return tf.math.divide_no_nan(tf.reduce_sum(weights * terms, axis=1), items)
