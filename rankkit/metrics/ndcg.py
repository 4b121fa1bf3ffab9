"""Normalized discounted cumulative gain (NDCG)."""

from typing import Any

import tensorflow as tf

from rankkit.core.listwise import allows_gains, best_gain, compute_gains, discounts_until
from rankkit.metrics.base import ListMetric


@tf.keras.utils.register_keras_serializable(package="rankkit")
class NDCG(ListMetric):
    """Normalized discounted cumulative gain (NDCG) of the first `k` ranks, averaged over lists.

    The gain `2**label - 1` of the item at rank `i` is divided by `log2(1 + i)`, and the sum by that
    of the ideal order. Lists of one item, without gain or with a label below 0 do not count, as
    with `gain="exponential"` and `no_relevant="skip"` of `rankkit.evaluate_ranking`.

    Args:
        k: Number of ranks that count; `None` for all. Defaults to `10`.
        name: Name of the metric. Defaults to `None`: a name such as `"ndcg_at_10"`.
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

    short_name = "ndcg"

    def __init__(self, k: int | None = 10, *, name: str | None = None, **kwargs: Any):
        super().__init__(k, name=name, **kwargs)

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        gains = compute_gains(labels, mask)
        until = discounts_until(tf.shape(labels)[1], self.k)
        discounts = tf.gather(until, higher + tied) - tf.gather(until, higher)
        dcg = tf.reduce_sum(gains * discounts / tf.cast(tied, tf.float32), axis=1)
        best = best_gain(gains, until)
        has_several = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1) > 1
        is_valid = has_several & (best > 0.0) & allows_gains(labels)
        return tf.math.divide_no_nan(dcg, best), is_valid

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["relevant"]  # NDCG has graded labels instead
        return config
