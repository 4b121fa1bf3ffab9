"""The average precision of lists."""

from typing import Any

import tensorflow as tf

from rankkit.metrics.list_metric import ListMetric, named


@tf.keras.utils.register_keras_serializable(package="rankkit")
class MeanAveragePrecision(ListMetric):
    """The precision at the place of each relevant item, its mean over them and over lists.

    Relevant items beyond the first `k` places count 0; the mean is over as many items as there are
    relevant ones, and no more than `k`. Lists without a relevant item do not count.

    Args:
        k: How many places count; `None` counts all. Defaults to `None`.
        relevant: Labels from this on are relevant. Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`, such as `"map"` or `"map_at_10"`.
        **kwargs: Keyword arguments of `tf.keras.metrics.Metric`, such as `dtype`.

    Raises:
        ValueError: If `k` is below 1.

    Example:
        >>> import rankkit as rk
        >>> metric = rk.metrics.MeanAveragePrecision()
        >>> metric.update_state([[1.0, 0.0, 1.0]], [[0.9, 0.7, 0.1]])
        >>> round(float(metric.result()), 4)
        0.8333
    """

    def __init__(
        self,
        k: int | None = None,
        *,
        relevant: float = 1.0,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(k, relevant=relevant, name=name or named("map", k), **kwargs)

    def of_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        hits = self.hits_of(labels, mask)
        above, within = _hits_above_and_within(hits, higher)
        # An item comes at each of the t places of its ties alike, p of them before it; of the
        # others there, in the mean, (relevant others) * p / (t - 1) are before it and relevant.
        share = tf.math.divide_no_nan(within - 1.0, tf.cast(tied, tf.float32) - 1.0)
        counted = tied if self.k is None else tf.clip_by_value(self.k - higher, 0, tied)
        harmonic = _harmonic_until(tf.shape(labels)[1])
        inverses = tf.gather(harmonic, higher + counted) - tf.gather(harmonic, higher)
        # The sums over p of 1 / place and of p / place, with place = higher + p + 1.
        weighted = tf.cast(counted, tf.float32) - tf.cast(higher + 1, tf.float32) * inverses
        precision = (above + 1.0) * inverses + share * weighted
        precision /= tf.cast(tied, tf.float32)
        there = tf.reduce_sum(hits, axis=1)
        most = there if self.k is None else tf.minimum(there, float(self.k))
        total = tf.reduce_sum(hits * precision, axis=1)
        return tf.math.divide_no_nan(total, most), there > 0.0


def _hits_above_and_within(hits: tf.Tensor, higher: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Counts the relevant items above each item, and those that are tied with it."""
    other, own = higher[:, tf.newaxis, :], higher[:, :, tf.newaxis]
    relevant = hits[:, tf.newaxis, :]
    above = tf.reduce_sum(tf.where(other < own, relevant, 0.0), axis=2)
    return above, tf.reduce_sum(tf.where(other == own, relevant, 0.0), axis=2)


def _harmonic_until(num_items: tf.Tensor) -> tf.Tensor:
    inverses = 1.0 / (tf.cast(tf.range(num_items), tf.float32) + 1.0)
    return tf.concat([[0.0], tf.cumsum(inverses)], axis=0)
