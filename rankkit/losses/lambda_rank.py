"""The logistic loss of pairs, each by what it would change of the NDCG."""

from typing import Any

import tensorflow as tf

from rankkit._errors import check_integer
from rankkit._lists import best_gain, checked_gains, discounts_until, places
from rankkit.losses.list_loss import ListLoss
from rankkit.losses.pairwise import differences_of, pairs_in_order


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

    def of_lists(
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
