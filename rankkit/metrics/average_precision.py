"""Mean average precision (MAP) and mean reciprocal rank (MRR)."""

from typing import Any

import tensorflow as tf

from rankkit.metrics.base import ListMetric, named


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

    def call_on_lists(
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


@tf.keras.utils.register_keras_serializable(package="rankkit")
class MeanReciprocalRank(ListMetric):
    """One divided by the place of the first relevant item, the mean over lists.

    It is 0 for a list whose first relevant item is beyond the first `k` places. Lists without a
    relevant item do not count.

    Args:
        k: How many places count; `None` counts all. Defaults to `None`.
        relevant: Labels from this on are relevant. Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`, such as `"mrr"` or `"mrr_at_10"`.
        **kwargs: Keyword arguments of `tf.keras.metrics.Metric`, such as `dtype`.

    Raises:
        ValueError: If `k` is below 1.

    Example:
        >>> import rankkit as rk
        >>> metric = rk.metrics.MeanReciprocalRank()
        >>> metric.update_state([[1.0, 0.0, 0.0]], [[0.2, 0.7, 0.1]])
        >>> float(metric.result())
        0.5
    """

    def __init__(
        self,
        k: int | None = None,
        *,
        relevant: float = 1.0,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(k, relevant=relevant, name=name or named("mrr", k), **kwargs)

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        hits = self.hits_of(labels, mask) > 0.0
        items = tf.shape(labels)[1]
        # The first tied items with a relevant one among them.
        before = tf.reduce_min(tf.where(hits, higher, items), axis=1, keepdims=True)
        first = mask & (higher == before)
        count = tf.reduce_sum(tf.cast(first, tf.float32), axis=1, keepdims=True)
        relevant = tf.reduce_sum(tf.cast(first & hits, tf.float32), axis=1, keepdims=True)
        # That the first relevant one comes at the p-th of their places, from 0: of the orders of
        # what is relevant and what is not, the share that begins so.
        # In double precision, which sums of many logarithms need.
        count, relevant = tf.cast(count, tf.float64), tf.cast(relevant, tf.float64)
        p = tf.cast(tf.range(items), tf.float64)[tf.newaxis, :]
        rest = count - p - 1.0  # places after it
        possible = rest >= relevant - 1.0
        logs = _log_choose(tf.where(possible, rest, relevant), relevant - 1.0)
        chances = tf.where(possible, tf.exp(logs - _log_choose(count, relevant)), 0.0)
        place = tf.cast(before, tf.float64) + p + 1.0
        if self.k is not None:
            chances = tf.where(place <= self.k, chances, 0.0)
        found = tf.reduce_any(hits, axis=1)
        reciprocal = tf.cast(tf.reduce_sum(chances / place, axis=1), tf.float32)
        return tf.where(found, reciprocal, 0.0), found


def _log_choose(n: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
    k = tf.maximum(k, 0.0)
    n = tf.maximum(n, k)
    return tf.math.lgamma(n + 1.0) - tf.math.lgamma(k + 1.0) - tf.math.lgamma(n - k + 1.0)
