"""A smooth form of the normalized discounted cumulative gain."""

from typing import Any

import tensorflow as tf

from rankkit._errors import invalid
from rankkit._lists import best_gain, checked_gains, discounts_until
from rankkit.losses.list_loss import ListLoss
from rankkit.losses.pairwise import differences_of


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

    def of_lists(
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
