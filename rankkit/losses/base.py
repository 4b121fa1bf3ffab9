"""Base class of listwise losses."""

from typing import Any

import tensorflow as tf

from rankkit.core.arguments import arguments_of
from rankkit.core.listwise import as_lists, has_order, item_mask
from rankkit.utils.errors import check_text


class ListLoss(tf.keras.losses.Loss):
    """Base class of losses over padded lists; subclasses implement `call_on_lists`.

    Labels and scores are `(lists, items)`. Padding has the label NaN, and its scores are ignored:
    it repeats the first row of the list in batches of `rankkit.data.lists`, and
    `rankkit.RankingModel` sets its label to NaN. Weights are per list, `(lists,)`, or per item.
    Lists of a single item or of equal labels have no order to learn and a loss of 0. The losses are
    not reduced: `rankkit.RankingModel` averages them over the lists of all replicas. The config
    holds the arguments that a subclass keeps as attributes of the same names.

    Args:
        name: Name of the loss. Defaults to `None`: the name of the class.

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
        if name is not None:
            check_text("name", name)
        super().__init__(reduction=tf.keras.losses.Reduction.NONE, name=name)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tf.Tensor:
        labels, scores, sample_weight = as_lists(y_true, y_pred, sample_weight)
        mask = item_mask(labels)
        weights = tf.cast(mask, tf.float32)
        if sample_weight is not None:
            is_per_list = sample_weight.shape.rank == 1
            weights *= sample_weight[:, tf.newaxis] if is_per_list else sample_weight
        zeroed = tf.where(mask, labels, 0.0), tf.where(mask, scores, 0.0)
        losses = self.call_on_lists(*zeroed, mask, weights)
        if not losses.shape.is_compatible_with(labels.shape[:1]):
            raise TypeError(
                f"call_on_lists of {self.name!r} must return one loss per list. Got: shape "
                f"{losses.shape}. Reduce over the items only."
            )
        return tf.where(has_order(labels), losses, 0.0)

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        return self(y_true, y_pred)

    def call_on_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        """Computes the weighted loss of each list.

        Losses and gradients must be finite, even of lists without an order, whose loss becomes 0.

        Args:
            labels: `(lists, items)`, 0 for padding.
            scores: `(lists, items)`, 0 for padding.
            mask: `(lists, items)`, `False` for padding.
            weights: Weights of the items, `(lists, items)`, 0 for padding.

        Returns:
            The losses, `(lists,)`.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return arguments_of(self)
