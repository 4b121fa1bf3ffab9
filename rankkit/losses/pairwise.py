"""Pairwise losses: logistic, hinge and LambdaRank."""

from typing import Any

import tensorflow as tf

from rankkit.core.listwise import best_gain, checked_gains, discounts_until, places
from rankkit.losses.base import ListLoss
from rankkit.utils.errors import check_integer, invalid


class PairwiseLoss(ListLoss):
    """A loss over the pairs of items of different label; a subclass fills in `pairwise_loss`.

    Of each pair, the item of the higher label is to score higher. A list's loss is the mean over
    its pairs, each weighted by the weight of that item. While it is computed, there are
    `(lists, items, items)` numbers in memory a few times.

    Args:
        name: Name of the loss. Defaults to `None`, that of its class.
    """

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        above = pairs_in_order(labels, mask)
        losses = above * self.pairwise_loss(differences_of(scores))  # (lists, items, items)
        weighted = tf.reduce_sum(weights * tf.reduce_sum(losses, axis=2), axis=1)
        return tf.math.divide_no_nan(weighted, tf.reduce_sum(above, axis=(1, 2)))

    def pairwise_loss(self, differences: tf.Tensor) -> tf.Tensor:
        """Computes the loss of each pair.

        Args:
            differences: By how much the item that is to be above scores higher, of any shape.
        """
        raise NotImplementedError


def pairs_in_order(labels: tf.Tensor, mask: tf.Tensor) -> Any:
    """Marks with 1 where the first item of a pair is to be above the second.

    Args:
        labels: `(lists, items)`.
        mask: Which items there are, `(lists, items)`.

    Returns:
        `(lists, items, items)`, 0 for all other pairs.
    """
    there = mask[:, :, tf.newaxis] & mask[:, tf.newaxis, :]
    return tf.cast(there & (differences_of(labels) > 0), tf.float32)


def differences_of(numbers: tf.Tensor) -> Any:
    """Subtracts the number of the second item of each pair from that of the first.

    Args:
        numbers: `(lists, items)`.

    Returns:
        `(lists, items, items)`.
    """
    return numbers[:, :, tf.newaxis] - numbers[:, tf.newaxis, :]


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PairwiseHingeLoss(PairwiseLoss):
    """`max(0, margin - d)` of the difference `d` of each pair's scores, as in a ranking SVM.

    Args:
        margin: By how much the higher label is to score higher, above 0. Defaults to `1.0`.
        name: Name of the loss. Defaults to `"pairwise_hinge_loss"`.

    Raises:
        ValueError: If the margin is not above 0.

    References:
        Joachims, Optimizing search engines using clickthrough data, KDD 2002.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.PairwiseHingeLoss()
        >>> loss([[1.0, 0.0]], [[0.75, 0.5]]).numpy()
        array([0.75], dtype=float32)
    """

    def __init__(self, margin: float = 1.0, name: str = "pairwise_hinge_loss"):
        super().__init__(name)
        if not margin > 0:
            raise invalid("margin", margin, "above 0")
        self.margin = float(margin)

    def pairwise_loss(self, differences: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(self.margin - differences)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "margin": self.margin}


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PairwiseLogisticLoss(PairwiseLoss):
    """`log(1 + exp(-d))` of the difference `d` of each pair's scores, as in RankNet.

    Args:
        name: Name of the loss. Defaults to `"pairwise_logistic_loss"`.

    References:
        Burges et al., Learning to rank using gradient descent, ICML 2005.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.PairwiseLogisticLoss()
        >>> loss([[1.0, 0.0]], [[0.5, 0.5]]).numpy().round(4)
        array([0.6931], dtype=float32)
    """

    def __init__(self, name: str = "pairwise_logistic_loss"):
        super().__init__(name)

    def pairwise_loss(self, differences: tf.Tensor) -> tf.Tensor:
        return tf.math.softplus(-differences)


@tf.keras.utils.register_keras_serializable(package="rankkit")
class LambdaRankLoss(ListLoss):
    """The logistic loss of each pair, times the change of NDCG if the two were swapped: LambdaRank.

    It is `log(1 + exp(-d))` of the difference `d` of scores; gains are `2**label - 1`. A list's
    loss is the sum over its pairs, each weighted by the weight of the item of the higher label.

    Args:
        k: How many places of the NDCG count. Defaults to `None`, all.
        name: Name of the loss. Defaults to `"lambda_rank_loss"`.

    Raises:
        ValueError: If `k` is below 1.
        tf.errors.InvalidArgumentError: If the loss is called with negative labels.

    References:
        Burges, From RankNet to LambdaRank to LambdaMART: an overview, 2010.

    Example:
        >>> import rankkit as rk
        >>> loss = rk.losses.LambdaRankLoss()
        >>> loss([[1.0, 0.0]], [[1.0, 0.0]]).numpy().round(4)
        array([0.1156], dtype=float32)
    """

    def __init__(self, k: int | None = None, name: str = "lambda_rank_loss"):
        super().__init__(name)
        if k is not None:
            check_integer("k", k)
        self.k = k

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        gains = checked_gains(labels, mask)
        until = discounts_until(tf.shape(labels)[1], self.k)
        higher, tied = places(scores, mask)
        # Where scores are the same, each has the mean of their places' discounts.
        sums = tf.gather(until, higher + tied) - tf.gather(until, higher)
        discounts = tf.where(mask, sums / tf.cast(tied, tf.float32), 0.0)
        changes = tf.abs(differences_of(gains) * differences_of(discounts))
        best = best_gain(gains, until)[:, tf.newaxis, tf.newaxis]
        changes = tf.stop_gradient(tf.math.divide_no_nan(changes, best))
        losses = pairs_in_order(labels, mask) * changes * tf.math.softplus(-differences_of(scores))
        return tf.reduce_sum(weights * tf.reduce_sum(losses, axis=2), axis=1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k}
