"""Precision and recall of the first k."""

from typing import Any

import tensorflow as tf

from rankkit.metrics.base import ListMetric, named


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PrecisionAtK(ListMetric):
    """Relevant items among the first `k` places, divided by `k`, the mean over lists.

    Lists without a relevant item do not count. A list of fewer than `k` items cannot reach 1.

    Args:
        k: How many places count. Defaults to `10`.
        relevant: Labels from this on are relevant. Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`, such as `"precision_at_10"`.
        **kwargs: Keyword arguments of `tf.keras.metrics.Metric`, such as `dtype`.

    Raises:
        ValueError: If `k` is below 1.

    Example:
        >>> import rankkit as rk
        >>> metric = rk.metrics.PrecisionAtK(k=2)
        >>> metric.update_state([[1.0, 0.0, 0.0]], [[0.2, 0.7, 0.1]])
        >>> float(metric.result())
        0.5
    """

    def __init__(
        self, k: int = 10, *, relevant: float = 1.0, name: str | None = None, **kwargs: Any
    ):
        super().__init__(k, relevant=relevant, name=name or named("precision", k), **kwargs)

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        hits = self.hits_of(labels, mask)
        found = tf.reduce_sum(hits * self.among_first(higher, tied), axis=1)
        return found / float(self.k or 1), tf.reduce_any(hits > 0.0, axis=1)


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

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        hits = self.hits_of(labels, mask)
        found = tf.reduce_sum(hits * self.among_first(higher, tied), axis=1)
        there = tf.reduce_sum(hits, axis=1)
        return tf.math.divide_no_nan(found, there), there > 0.0
