"""Listwise losses: softmax, ListMLE and ApproxNDCG."""

import tensorflow as tf

from rankkit.core.listwise import best_gain, checked_gains, checked_labels, discounts_until
from rankkit.losses.base import ListLoss
from rankkit.losses.pairwise import pairwise_differences
from rankkit.utils.errors import check_number


@tf.keras.utils.register_keras_serializable(package="rankkit")
class SoftmaxLoss(ListLoss):
    """Softmax cross entropy between the labels and the scores of a list, including ListNet.

    The softmax of the scores is the predicted probability that an item is ranked first. The target
    distribution is by default the labels divided by their sum, which for one clicked item is the
    log loss of that click. With a temperature it is the softmax of `label / temperature`, as in
    ListNet, for graded labels. Weights multiply the terms of their items.

    Args:
        temperature: Temperature of the labels, above 0; the lower, the more of the target is on
            the items with the highest labels. Defaults to `None`: labels divided by their sum.
        name: Name of the loss. Defaults to `"softmax_loss"`.

    Raises:
        ValueError: If the temperature is not above 0.
        tf.errors.InvalidArgumentError: If a label is negative and there is no temperature.

    References:
        Cao et al., Learning to rank: from pairwise approach to listwise approach, ICML 2007.
        Bruch et al., An analysis of the softmax cross entropy loss for learning-to-rank with
        binary relevance, ICTIR 2019.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.SoftmaxLoss()
        >>> loss([[1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]).numpy().round(4)
        array([1.0986], dtype=float32)
    """

    def __init__(self, temperature: float | None = None, name: str = "softmax_loss"):
        super().__init__(name)
        if temperature is not None:
            fix = "Pass None to divide the labels by their sum."
            expected = "finite and above 0, or None"
            temperature = float(check_number("temperature", temperature, expected, fix, above=0))
        self.temperature = temperature

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        if self.temperature is not None:
            labels = tf.where(mask, labels / self.temperature, labels.dtype.min)
            targets = tf.nn.softmax(labels)
        else:
            expected = "at least 0 for a softmax loss without temperature"
            labels = checked_labels(labels, labels >= 0.0, expected, "Pass a temperature.")
            targets = tf.math.divide_no_nan(labels, tf.reduce_sum(labels, axis=1, keepdims=True))
        # Outside the sum, padding keeps its score of 0: the lowest score would give 0 * infinity.
        competing = tf.where(mask, scores, scores.dtype.min)
        log_probabilities = scores - tf.reduce_logsumexp(competing, axis=1, keepdims=True)
        return -tf.reduce_sum(weights * targets * log_probabilities, axis=1)


@tf.keras.utils.register_keras_serializable(package="rankkit")
class ListMLELoss(ListLoss):
    """ListMLE: negative log-likelihood of the order of the labels, divided by the list length.

    In the Plackett-Luce model, items are sampled one after the other, with probabilities that are
    the softmax of the scores of the remaining items. Items with equal labels do not compete: the
    softmax of each is over itself and the items with lower labels. Weights multiply the terms of
    their items.

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

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        is_self = tf.eye(tf.shape(labels)[1], dtype=tf.bool)
        is_lower = labels[:, tf.newaxis, :] < labels[:, :, tf.newaxis]
        is_remaining = mask[:, tf.newaxis, :] & is_lower | is_self
        competing = tf.where(is_remaining, scores[:, tf.newaxis, :], scores.dtype.min)
        terms = tf.reduce_logsumexp(competing, axis=2) - scores
        num_items = tf.reduce_sum(tf.cast(mask, scores.dtype), axis=1)
        return tf.math.divide_no_nan(tf.reduce_sum(weights * terms, axis=1), num_items)


@tf.keras.utils.register_keras_serializable(package="rankkit")
class ApproxNDCGLoss(ListLoss):
    """ApproxNDCG: 1 minus the NDCG of smoothed ranks, with gains `2**label - 1`.

    The smoothed rank of an item is 1 plus the sum of `sigmoid((other - own) / temperature)` over
    the scores of all other items. The weight of a list is the mean of its items', weighted by gain.

    Args:
        temperature: Score difference below which ranks blur, above 0. Defaults to `0.1`.
        name: Name of the loss. Defaults to `"approx_ndcg_loss"`.

    Raises:
        ValueError: If the temperature is not above 0.
        tf.errors.InvalidArgumentError: If the loss is called with labels below 0.

    References:
        Qin et al., A general approximation framework for direct optimization of information
        retrieval measures, Information Retrieval 13, 2010.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.ApproxNDCGLoss()
        >>> loss([[1.0, 0.0], [1.0, 0.0]], [[9.0, 0.0], [0.0, 9.0]]).numpy().round(4)
        array([0.    , 0.3691], dtype=float32)
    """

    def __init__(self, temperature: float = 0.1, name: str = "approx_ndcg_loss"):
        super().__init__(name)
        expected = "above 0 and finite"
        self.temperature = float(check_number("temperature", temperature, expected, above=0))

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        is_above = tf.sigmoid(-pairwise_differences(scores) / self.temperature)
        is_above = tf.where(mask[:, tf.newaxis, :], is_above, 0.0)
        rank = 0.5 + tf.reduce_sum(is_above, axis=2)  # an item counts as half above itself
        gains = checked_gains(labels, mask)
        dcg = tf.reduce_sum(gains * tf.math.log(2.0) / tf.math.log1p(rank), axis=1)
        best = best_gain(gains, discounts_until(tf.shape(labels)[1], None))
        weight = tf.math.divide_no_nan(
            tf.reduce_sum(weights * gains, axis=1), tf.reduce_sum(gains, axis=1)
        )
        return weight * (1.0 - tf.math.divide_no_nan(dcg, best))
