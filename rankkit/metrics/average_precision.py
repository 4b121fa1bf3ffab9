"""Mean average precision (MAP) and mean reciprocal rank (MRR)."""

import tensorflow as tf

from rankkit.metrics.base import ListMetric


@tf.keras.utils.register_keras_serializable(package="rankkit")
class MeanAveragePrecision(ListMetric):
    """Mean average precision (MAP): precision at the rank of each relevant item, averaged.

    The average over a list divides by the number of relevant items, or by `k` if that is smaller;
    relevant items below rank `k` contribute 0. Lists without relevant items do not count, as with
    `no_relevant="skip"` of `rankkit.evaluate_ranking`.

    Args:
        k: Number of ranks that count. Defaults to `None`: all.
        relevant: Items with at least this label are relevant. Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`: a name such as `"map"` or `"map_at_10"`.
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

    short_name = "map"

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        hits = self.hits_of(labels, mask)
        # Relevant items above each item, and relevant items tied with it.
        other, own = higher[:, tf.newaxis, :], higher[:, :, tf.newaxis]
        relevant = hits[:, tf.newaxis, :]
        above = tf.reduce_sum(tf.where(other < own, relevant, 0.0), axis=2)
        within = tf.reduce_sum(tf.where(other == own, relevant, 0.0), axis=2)
        # An item has each of the ranks of its t ties with equal probability. With p of the ties
        # before it, it expects (relevant other ties) * p / (t - 1) relevant ones among them.
        share = tf.math.divide_no_nan(within - 1.0, tf.cast(tied, tf.float32) - 1.0)
        counted = tied if self.k is None else tf.clip_by_value(self.k - higher, 0, tied)
        inverse_ranks = 1.0 / (tf.cast(tf.range(tf.shape(labels)[1]), tf.float32) + 1.0)
        harmonic = tf.concat([[0.0], tf.cumsum(inverse_ranks)], axis=0)
        # Sums over p of 1 / rank and of p / rank, with rank = higher + p + 1.
        inverses = tf.gather(harmonic, higher + counted) - tf.gather(harmonic, higher)
        weighted = tf.cast(counted, tf.float32) - tf.cast(higher + 1, tf.float32) * inverses
        precision = (above + 1.0) * inverses + share * weighted
        precision /= tf.cast(tied, tf.float32)
        num_relevant = tf.reduce_sum(hits, axis=1)
        most = num_relevant if self.k is None else tf.minimum(num_relevant, float(self.k))
        total = tf.reduce_sum(hits * precision, axis=1)
        return tf.math.divide_no_nan(total, most), num_relevant > 0.0


@tf.keras.utils.register_keras_serializable(package="rankkit")
class MeanReciprocalRank(ListMetric):
    """Mean reciprocal rank (MRR): 1 / rank of the first relevant item, averaged over lists.

    It is 0 if that item is below rank `k`. Lists without relevant items do not count, as with
    `no_relevant="skip"` of `rankkit.evaluate_ranking`.

    Args:
        k: Number of ranks that count. Defaults to `None`: all.
        relevant: Items with at least this label are relevant. Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`: a name such as `"mrr"` or `"mrr_at_10"`.
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

    short_name = "mrr"

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        hits = self.hits_of(labels, mask) > 0.0
        num_items = tf.shape(labels)[1]
        # The highest group of ties that has a relevant item: `n` items, `r` of them relevant.
        before = tf.reduce_min(tf.where(hits, higher, num_items), axis=1, keepdims=True)
        in_group = mask & (higher == before)
        # Sums of many logarithms need double precision.
        n = tf.reduce_sum(tf.cast(in_group, tf.float64), axis=1, keepdims=True)
        r = tf.reduce_sum(tf.cast(in_group & hits, tf.float64), axis=1, keepdims=True)
        # Probability that the first relevant item has position p in the group, from 0: of all ways
        # to choose the positions of the relevant items, those that choose p and r - 1 later ones.
        p = tf.cast(tf.range(num_items), tf.float64)[tf.newaxis, :]
        later = n - p - 1.0
        is_possible = later >= r - 1.0
        logs = _log_choose(tf.where(is_possible, later, r), r - 1.0)
        probabilities = tf.where(is_possible, tf.exp(logs - _log_choose(n, r)), 0.0)
        rank = tf.cast(before, tf.float64) + p + 1.0
        if self.k is not None:
            probabilities = tf.where(rank <= self.k, probabilities, 0.0)
        has_hit = tf.reduce_any(hits, axis=1)
        reciprocal = tf.cast(tf.reduce_sum(probabilities / rank, axis=1), tf.float32)
        return tf.where(has_hit, reciprocal, 0.0), has_hit


def _log_choose(n: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
    k = tf.maximum(k, 0.0)
    n = tf.maximum(n, k)
    return tf.math.lgamma(n + 1.0) - tf.math.lgamma(k + 1.0) - tf.math.lgamma(n - k + 1.0)
