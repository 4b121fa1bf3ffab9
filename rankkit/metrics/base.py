"""Base class of ranking metrics."""

from typing import Any

import tensorflow as tf

from rankkit.core.listwise import check_lists, mask_of, places
from rankkit.utils.errors import check_integer


class ListMetric(tf.keras.metrics.Metric):
    """The mean over lists of a measure of their order; a subclass fills in `call_on_lists`.

    Labels and scores are `(lists, items)`, filled up to one length: a label of NaN marks what
    fills up. Weights are one a list, `(lists,)`, or one an item, of which a list has the mean.
    Items with equal scores are tied: the measure is its mean over all orders of the ties.

    Args:
        k: How many places count. Defaults to `None`, all.
        relevant: Labels from this on are relevant, where a measure asks for it.
            Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`, that of its class.
        **kwargs: Keyword arguments of `tf.keras.metrics.Metric`, such as `dtype`.

    Raises:
        ValueError: If `k` is below 1.
    """

    def __init__(
        self, k: int | None = None, *, relevant: float = 1.0, name: str | None = None, **kwargs: Any
    ):
        if k is not None:
            check_integer("k", k)
        super().__init__(name=name, **kwargs)
        self.k = k
        self.relevant = float(relevant)
        self._sum = self.add_weight("sum", initializer="zeros")
        self._weight = self.add_weight("weight", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts lists in.

        Args:
            y_true: Labels, `(lists, items)`, NaN where there is no item.
            y_pred: Scores, `(lists, items)`.
            sample_weight: `(lists,)` or `(lists, items)`. Defaults to `None`, 1 each.
        """
        labels, scores = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
        given = None if sample_weight is None else tf.cast(sample_weight, tf.float32)
        check_lists(labels, scores, given)
        mask = mask_of(labels)
        labels = tf.where(mask, labels, 0.0)
        values, valid = self.call_on_lists(labels, *places(scores, mask), mask)
        weights = tf.cast(valid, tf.float32)
        if given is not None:
            if given.shape.rank != 1:
                there = tf.cast(mask, tf.float32)
                total = tf.reduce_sum(given * there, axis=1)
                given = tf.math.divide_no_nan(total, tf.reduce_sum(there, axis=1))
            weights *= given
        self._sum.assign_add(tf.cast(tf.reduce_sum(weights * values), self.dtype))
        self._weight.assign_add(tf.cast(tf.reduce_sum(weights), self.dtype))

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes the measure of each list.

        Args:
            labels: `(lists, items)`, 0 where masked.
            higher: How many items of the list score higher than each, `(lists, items)`.
            tied: How many score the same, itself included, `(lists, items)`.
            mask: Which items there are, `(lists, items)`.

        Returns:
            The measure, finite, and whether the list has one, each `(lists,)`.
        """
        raise NotImplementedError

    def hits_of(self, labels: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Marks relevant items with 1, `(lists, items)`."""
        return tf.cast(mask & (labels >= self.relevant), tf.float32)

    def among_first(self, higher: tf.Tensor, tied: tf.Tensor) -> tf.Tensor:
        """Gives the share of the orders of the ties in which each item is among the first `k`."""
        if self.k is None:
            return tf.ones_like(higher, tf.float32)
        places_left = tf.clip_by_value(self.k - higher, 0, tied)
        return tf.cast(places_left, tf.float32) / tf.cast(tied, tf.float32)

    def result(self) -> tf.Tensor:
        """Gives the weighted mean over the lists that have a value, NaN if none has."""
        return self._sum / self._weight

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k, "relevant": self.relevant}


def named(measure: str, k: int | None) -> str:
    """The name of a measure of the first `k` places, as `evaluate_ranking` writes it.

    Args:
        measure: Such as `"ndcg"`.
        k: How many places count, or `None`.
    """
    return measure if k is None else f"{measure}_at_{k}"
