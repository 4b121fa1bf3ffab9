"""Pairwise losses: logistic, hinge and LambdaRank."""

from typing import Any

import tensorflow as tf

from rankkit.core.listwise import best_gain, checked_gains, count_above_and_tied, discounts_until
from rankkit.losses.base import ListLoss
from rankkit.utils.errors import check_integer, check_number


class PairwiseLoss(ListLoss):
    """Base class of losses over pairs of items; subclasses implement `pairwise_loss`.

    In each pair of different labels, the item with the higher label should score higher. The loss
    of a list is the mean over these pairs, weighted by the weight of that item. It takes memory
    for a few tensors of `(lists, items, items)`.

    Args:
        name: Name of the loss. Defaults to `None`: the name of the class.
    """

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        is_pair = _ordered_pairs(labels, mask)  # (lists, items, items)
        losses = is_pair * self.pairwise_loss(pairwise_differences(scores))
        weighted = tf.reduce_sum(weights * tf.reduce_sum(losses, axis=2), axis=1)
        return tf.math.divide_no_nan(weighted, tf.reduce_sum(is_pair, axis=(1, 2)))

    def pairwise_loss(self, differences: tf.Tensor) -> tf.Tensor:
        """Computes the loss of each pair.

        Args:
            differences: Score of the item with the higher label minus the other's, of any shape.

        Returns:
            The losses, of the same shape.
        """
        raise NotImplementedError


def _ordered_pairs(labels: tf.Tensor, mask: tf.Tensor) -> Any:
    """1 where the first item of a pair has the higher label, else 0, `(lists, items, items)`."""
    is_valid = mask[:, :, tf.newaxis] & mask[:, tf.newaxis, :]
    return tf.cast(is_valid & (pairwise_differences(labels) > 0), tf.float32)


def pairwise_differences(values: tf.Tensor) -> Any:
    """The value of the first item of each pair minus the second, `(lists, items, items)`."""
    return values[:, :, tf.newaxis] - values[:, tf.newaxis, :]


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PairwiseHingeLoss(PairwiseLoss):
    """Pairwise hinge loss `max(0, margin - d)`, with `d` the difference of scores: ranking SVM.

    Pairs in the right order whose scores differ by at least the margin have a loss of 0.

    Args:
        margin: Minimum difference of scores, above 0. Defaults to `1.0`.
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
        self.margin = float(check_number("margin", margin, "a number above 0", above=0))

    def pairwise_loss(self, differences: tf.Tensor) -> tf.Tensor:
        return tf.nn.relu(self.margin - differences)


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PairwiseLogisticLoss(PairwiseLoss):
    """Pairwise logistic loss `log(1 + exp(-d))`, with `d` the difference of scores: RankNet.

    It is smooth, and pairs in the right order still have a small loss, unlike with the hinge loss.

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
    """LambdaRank: pairwise logistic loss weighted by the change of NDCG if the pair were swapped.

    The logistic loss is `log(1 + exp(-d))`, with `d` the difference of scores; gains are
    `2**label - 1`. The loss of a list is the sum over its pairs, each multiplied by the weight of
    the item with the higher label. Choose it when the top of the list matters most.

    Args:
        k: Number of ranks that count in the NDCG. Defaults to `None`: all.
        name: Name of the loss. Defaults to `"lambda_rank_loss"`.

    Raises:
        ValueError: If `k` is below 1.
        tf.errors.InvalidArgumentError: If the loss is called with labels below 0.

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
        self.k = None if k is None else check_integer("k", k)

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        gains = checked_gains(labels, mask)
        until = discounts_until(tf.shape(labels)[1], self.k)
        higher, tied = count_above_and_tied(scores, mask)
        # Tied items get the mean discount of their ranks.
        sums = tf.gather(until, higher + tied) - tf.gather(until, higher)
        discounts = tf.where(mask, sums / tf.cast(tied, tf.float32), 0.0)
        changes = tf.abs(pairwise_differences(gains) * pairwise_differences(discounts))
        best = best_gain(gains, until)[:, tf.newaxis, tf.newaxis]
        changes = tf.stop_gradient(tf.math.divide_no_nan(changes, best))
        losses = tf.math.softplus(-pairwise_differences(scores))
        losses = _ordered_pairs(labels, mask) * changes * losses
        return tf.reduce_sum(weights * tf.reduce_sum(losses, axis=2), axis=1)
