"""Precision and recall at k."""

from typing import Any

import tensorflow as tf

from rankkit.metrics.base import ListMetric
from rankkit.utils.errors import check_integer


class _AtK(ListMetric):
    """Base class of metrics that count the relevant items among the first `k`."""

    def __init__(
        self, k: int = 10, *, relevant: float = 1.0, name: str | None = None, **kwargs: Any
    ):
        check_integer("k", k)
        super().__init__(k, relevant=relevant, name=name, **kwargs)

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        hits = self.hits_of(labels, mask)
        num_found = tf.reduce_sum(hits * self.among_first(higher, tied), axis=1)
        num_relevant = tf.reduce_sum(hits, axis=1)
        return self.share_of(num_found, num_relevant), num_relevant > 0.0

    def share_of(self, num_found: tf.Tensor, num_relevant: tf.Tensor) -> tf.Tensor:
        """Computes the metric of each list from its counts of relevant items."""
        raise NotImplementedError


@tf.keras.utils.register_keras_serializable(package="rankkit")
class PrecisionAtK(_AtK):
    """Precision at k: the fraction of the first `k` items that are relevant, averaged over lists.

    Lists without relevant items do not count. Lists of fewer than `k` items cannot reach 1.

    Args:
        k: Number of ranks that count. Defaults to `10`.
        relevant: Items with at least this label are relevant. Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`: a name such as `"precision_at_10"`.
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

    short_name = "precision"

    def share_of(self, num_found: tf.Tensor, num_relevant: tf.Tensor) -> tf.Tensor:
        return num_found / float(self.k or 1)


@tf.keras.utils.register_keras_serializable(package="rankkit")
class RecallAtK(_AtK):
    """Recall at k: the fraction of relevant items that are in the first `k`, averaged over lists.

    Lists without relevant items do not count.

    Args:
        k: Number of ranks that count. Defaults to `10`.
        relevant: Items with at least this label are relevant. Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`: a name such as `"recall_at_10"`.
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

    short_name = "recall"

    def share_of(self, num_found: tf.Tensor, num_relevant: tf.Tensor) -> tf.Tensor:
        return tf.math.divide_no_nan(num_found, num_relevant)
