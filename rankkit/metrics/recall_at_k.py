"""The share of a list's relevant items that are among its first."""

from typing import Any

import tensorflow as tf

from rankkit.metrics.list_metric import ListMetric, named


@tf.keras.utils.register_keras_serializable(package="rankkit")
class RecallAtK(ListMetric):
    """Relevant items among the first `k` places, divided by all relevant ones, the mean over lists.

    Lists without a relevant item do not count.

    Args:
        k: How many places count. Defaults to `10`.
        relevant: Labels from this on are relevant. Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`, such as `"recall_at_10"`.
        **kwargs: Keyword arguments of `tf.keras.metrics.Metric`, such as `dtype`.

    Raises:
        ValueError: If `k` is below 1.

    Example:
        >>> import rankkit as rk
        >>> metric = rk.metrics.RecallAtK(k=1)
        >>> metric.update_state([[1.0, 1.0, 0.0]], [[0.9, 0.7, 0.1]])
        >>> float(metric.result())
        0.5
    """

    def __init__(
        self, k: int = 10, *, relevant: float = 1.0, name: str | None = None, **kwargs: Any
    ):
        super().__init__(k, relevant=relevant, name=name or named("recall", k), **kwargs)

    def of_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        hits = self.hits_of(labels, mask)
        found = tf.reduce_sum(hits * self.among_first(higher, tied), axis=1)
        there = tf.reduce_sum(hits, axis=1)
        return tf.math.divide_no_nan(found, there), there > 0.0
