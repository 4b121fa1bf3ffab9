"""Base class of ranking metrics."""

from typing import Any

import tensorflow as tf

from rankkit.core.listwise import as_lists, count_above_and_tied, item_mask
from rankkit.utils.errors import check_integer, check_number, check_text


class ListMetric(tf.keras.metrics.Metric):
    """Mean of a ranking measure over padded lists; subclasses implement `call_on_lists`.

    Labels and scores are `(lists, items)`; padding has the label NaN. In batches of
    `rankkit.data.lists` it repeats the first row of the list, and `rankkit.RankingModel` sets its
    label to NaN. Weights are per list, `(lists,)`, or per item, which are averaged over each list.
    Items with equal scores are tied: the measure is averaged over all orders of tied items.

    A subclass with the class attribute `short_name = "ndcg"` gets names such as `"ndcg_at_10"`.

    Args:
        k: Number of ranks that count. Defaults to `None`: all.
        relevant: Items with at least this label are relevant, in measures of binary relevance.
            Defaults to `1.0`.
        name: Name of the metric. Defaults to `None`: from `short_name` and `k`, or the class.
        **kwargs: Keyword arguments of `tf.keras.metrics.Metric`, such as `dtype`.

    Raises:
        ValueError: If `k` is below 1.
    """

    short_name: str | None = None

    def __init__(
        self, k: int | None = None, *, relevant: float = 1.0, name: str | None = None, **kwargs: Any
    ):
        if k is not None:
            k = check_integer("k", k)
        if name is not None:
            check_text("name", name)
        elif self.short_name:
            name = self.short_name if k is None else f"{self.short_name}_at_{k}"
        super().__init__(name=name, **kwargs)
        self.k = k
        self.relevant = float(check_number("relevant", relevant))
        self._sum = self.add_weight("sum", initializer="zeros")
        self._weight = self.add_weight("weight", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of lists.

        Args:
            y_true: Labels, `(lists, items)`, NaN for padding.
            y_pred: Scores, `(lists, items)`.
            sample_weight: `(lists,)` or `(lists, items)`. Defaults to `None`: 1 each.
        """
        labels, scores, sample_weight = as_lists(y_true, y_pred, sample_weight)
        mask = item_mask(labels)
        labels = tf.where(mask, labels, 0.0)
        values, is_valid = self.call_on_lists(labels, *count_above_and_tied(scores, mask), mask)
        weights = tf.cast(is_valid, tf.float32)
        if sample_weight is not None:
            if sample_weight.shape.rank != 1:
                is_item = tf.cast(mask, tf.float32)
                total = tf.reduce_sum(sample_weight * is_item, axis=1)
                sample_weight = tf.math.divide_no_nan(total, tf.reduce_sum(is_item, axis=1))
            weights *= sample_weight
        values = tf.math.multiply_no_nan(values, weights)
        self._sum.assign_add(tf.cast(tf.reduce_sum(values), self.dtype))
        self._weight.assign_add(tf.cast(tf.reduce_sum(weights), self.dtype))

    def call_on_lists(
        self, labels: tf.Tensor, higher: tf.Tensor, tied: tf.Tensor, mask: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes the measure of each list.

        Args:
            labels: `(lists, items)`, 0 for padding.
            higher: Number of items in the list with a higher score, `(lists, items)`.
            tied: Number of items with the same score, including itself, `(lists, items)`.
            mask: `(lists, items)`, `False` for padding.

        Returns:
            The measure, which must be finite if the list counts, and whether it does, both
            `(lists,)`.
        """
        raise NotImplementedError

    def hits_of(self, labels: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Returns 1 for relevant items, else 0, `(lists, items)`."""
        return tf.cast(mask & (labels >= self.relevant), tf.float32)

    def among_first(self, higher: tf.Tensor, tied: tf.Tensor) -> tf.Tensor:
        """Returns the fraction of the orders of tied items with each item in the first `k`."""
        if self.k is None:
            return tf.ones_like(higher, tf.float32)
        ranks_left = tf.clip_by_value(self.k - higher, 0, tied)
        return tf.cast(ranks_left, tf.float32) / tf.cast(tied, tf.float32)

    def result(self) -> tf.Tensor:
        """Returns the weighted mean over the lists that count, NaN if there are none."""
        # With a strategy and in mixed precision, operators of Keras's variables raise.
        return tf.identity(self._sum) / tf.identity(self._weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "k": self.k, "relevant": self.relevant}
