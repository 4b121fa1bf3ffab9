"""The normalized discounted cumulative gain of lists."""

from typing import Any

import tensorflow as tf

from rankkit.core.listwise import best_gain, discounts_until, gains_of, make_gains
from rankkit.metrics.base import ListMetric, named


@tf.keras.utils.register_keras_serializable(package="rankkit")
class NDCG(ListMetric):
    """Normalized discounted cumulative gain of the first `k` places, the mean over lists.

    The gain of the item at place `i`, `2**label - 1`, is divided by `log2(1 + i)`; the sum is
    divided by that of the best order. Lists of one item, without any gain, or with a label below 0
    do not count.

    Args:
        k: How many places count; `None` counts all. Defaults to `10`.
        name: Name of the metric. Defaults to `None`, such as `"ndcg_at_10"`.
        **kwargs: Keyword arguments of `tf.keras.metrics.Metric`, such as `dtype`.

    Raises:
        ValueError: If `k` is below 1.

    References:
        Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, TOIS 20, 2002.

    Example:
        >>> import rankkit as rk
        >>> metric = rk.metrics.NDCG(k=2)
        >>> metric.update_state([[1.0, 0.0]], [[0.2, 0.7]])
        >>> round(float(metric.result()), 4)
        0.6309
    """

    def __init__(self, k: int | None = 10, *, name: str | None = None, **kwargs: Any):
        super().__init__(k, name=name or named("ndcg", k), **kwargs)

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        gains = gains_of(labels, mask)
        until = discounts_until(tf.shape(labels)[1], self.k)
        discounts = tf.gather(until, higher + tied) - tf.gather(until, higher)
        gained = tf.reduce_sum(gains * discounts / tf.cast(tied, tf.float32), axis=1)
        best = best_gain(gains, until)
        several = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1) > 1
        valid = several & (best > 0.0) & make_gains(labels)
        return tf.math.divide_no_nan(gained, best), valid

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["relevant"]  # gains take its place
        return config
