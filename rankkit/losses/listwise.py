"""Listwise losses: softmax, ListMLE and ApproxNDCG."""

from typing import Any

import tensorflow as tf

from rankkit.core.listwise import best_gain, checked_gains, checked_labels, discounts_until
from rankkit.losses.base import ListLoss
from rankkit.losses.pairwise import differences_of
from rankkit.utils.errors import invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class SoftmaxLoss(ListLoss):
    """The cross entropy of how a list's labels share it and of the softmax of its scores.

    Each share is the chance of an item to come first. An item's weight multiplies its term. By
    default an item's share is its label over the sum of the labels: the clicked item has all of
    it. With a temperature it is the softmax of `label / temperature`: ListNet.

    Args:
        temperature: Of the labels, above 0: the lower, the more of the list the best items have.
            Defaults to `None`, shares of the labels themselves.
        name: Name of the loss. Defaults to `"softmax_loss"`.

    Raises:
        ValueError: If the temperature is not above 0.
        tf.errors.InvalidArgumentError: If the loss is called with negative labels, without a
            temperature.

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
        if temperature is not None and not 0 < temperature < float("inf"):
            raise invalid("temperature", temperature, "above 0, or None for shares of the labels")
        self.temperature = None if temperature is None else float(temperature)

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        wanted = self._shares(labels, mask)
        # A score so low would give 0 times infinity.
        logs = scores - tf.reduce_logsumexp(
            tf.where(mask, scores, scores.dtype.min), axis=1, keepdims=True
        )
        return -tf.reduce_sum(weights * wanted * logs, axis=1)

    def _shares(self, labels: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        if self.temperature is not None:
            return tf.nn.softmax(tf.where(mask, labels / self.temperature, labels.dtype.min))
        expected = "at least 0 for shares of them"
        labels = checked_labels(labels, labels >= 0.0, expected, "Name a temperature.")
        return tf.math.divide_no_nan(labels, tf.reduce_sum(labels, axis=1, keepdims=True))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}


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

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        own = tf.eye(tf.shape(labels)[1], dtype=tf.bool)
        lower = labels[:, tf.newaxis, :] < labels[:, :, tf.newaxis]
        left = mask[:, tf.newaxis, :] & lower | own
        competing = tf.where(left, scores[:, tf.newaxis, :], scores.dtype.min)
        terms = tf.reduce_logsumexp(competing, axis=2) - scores
        items = tf.reduce_sum(tf.cast(mask, scores.dtype), axis=1)
        return tf.math.divide_no_nan(tf.reduce_sum(weights * terms, axis=1), items)


@tf.keras.utils.register_keras_serializable(package="rankkit")
class ApproxNDCGLoss(ListLoss):
    """1 less the NDCG of smooth places, gains of `2**label - 1`: ApproxNDCG.

    An item's place is 1 and the sum, over all others, of `sigmoid((their score - its) /
    temperature)`. A list's weight is the mean of those of its items, weighted by their gains.

    Args:
        temperature: Below it, differences of scores are blurred, in units of the score, above 0.
            Defaults to `0.1`.
        name: Name of the loss. Defaults to `"approx_ndcg_loss"`.

    Raises:
        ValueError: If the temperature is not above 0.
        tf.errors.InvalidArgumentError: If the loss is called with negative labels.

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
        if not temperature > 0:
            raise invalid("temperature", temperature, "above 0")
        self.temperature = float(temperature)

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        behind = tf.sigmoid(-differences_of(scores) / self.temperature)
        behind = tf.where(mask[:, tf.newaxis, :], behind, 0.0)
        place = 0.5 + tf.reduce_sum(behind, axis=2)  # an item is half behind itself
        gains = checked_gains(labels, mask)
        gained = tf.reduce_sum(gains * tf.math.log(2.0) / tf.math.log1p(place), axis=1)
        best = best_gain(gains, discounts_until(tf.shape(labels)[1], None))
        weight = tf.math.divide_no_nan(
            tf.reduce_sum(weights * gains, axis=1), tf.reduce_sum(gains, axis=1)
        )
        return weight * (1.0 - tf.math.divide_no_nan(gained, best))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "temperature": self.temperature}
