"""Base class of listwise losses."""

from typing import Any

import tensorflow as tf

from rankkit.core.listwise import check_lists, has_order, mask_of


class ListLoss(tf.keras.losses.Loss):
    """A loss over the lists of queries; a subclass fills in `call_on_lists`.

    Labels and scores are `(lists, items)`, filled up to one length: a label of NaN marks what
    fills up, and the score there is never read. Weights are one a list, `(lists,)`, or one an
    item. A list of one item, or of equal labels, has no order to learn: its loss is 0. The loss
    is never reduced: `rankkit.RankingModel` averages it over the lists of all replicas.

    Args:
        name: Name of the loss. Defaults to `None`, that of its class.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> class Squares(rk.losses.ListLoss):
        ...     def call_on_lists(self, labels, scores, mask, weights):
        ...         return tf.reduce_sum(weights * (labels - scores) ** 2, axis=1)
        >>> labels = [[1.0, 2.0, float("nan")], [3.0, float("nan"), float("nan")]]
        >>> Squares()(labels, [[1.0, 4.0, 9.0], [0.0, 0.0, 0.0]]).numpy()
        array([4., 0.], dtype=float32)
    """

    def __init__(self, name: str | None = None):
        super().__init__(reduction=tf.keras.losses.Reduction.NONE, name=name)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        scores = tf.cast(y_pred, tf.float32)
        labels = tf.cast(y_true, tf.float32)
        given = None if sample_weight is None else tf.cast(sample_weight, tf.float32)
        check_lists(labels, scores, given)
        mask = mask_of(labels)
        weights = tf.cast(mask, tf.float32)
        if given is not None:
            weights *= given[:, tf.newaxis] if given.shape.rank == 1 else given
        zeroed = tf.where(mask, labels, 0.0), tf.where(mask, scores, 0.0)
        losses = self.call_on_lists(*zeroed, mask, weights)
        return tf.where(has_order(labels), losses, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        return self(y_true, y_pred)

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        """Computes the loss of each list, in proportion to the weights.

        It has to be finite, and so its gradient, for lists whose loss does not count too.

        Args:
            labels: `(lists, items)`, 0 where masked.
            scores: `(lists, items)`, 0 where masked.
            mask: Which items there are, `(lists, items)`.
            weights: Of the items, `(lists, items)`, 0 where masked.

        Returns:
            `(lists,)`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}
