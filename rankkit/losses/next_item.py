"""Loss for the next item of a sequence."""

from typing import Any

import tensorflow as tf

from rankkit.core.arguments import arguments_of
from rankkit.utils.errors import check_integer, check_number, check_text


@tf.keras.utils.register_keras_serializable(package="rankkit")
class NextItemLoss(tf.keras.losses.Loss):
    """Negative log-likelihood of each item of a sequence, given the items before it.

    For networks whose score is a `rankkit.layers.NextItemScore`, such as those of
    `rankkit.models.sasrec`, and batches of `rankkit.data.sequences`. Each row is a sequence: the
    items of its history, then its candidate. The probability of an item is a softmax over all items
    of the layer. The loss is the mean over all predicted items, each with the sample weight of its
    sequence, so that long sequences count more.

    With several targets, each state predicts the items after the next one as well, with decreasing
    weights, which learns more from short sequences. The loss is then a weighted mean of the
    negative log-likelihoods of these items.

    The `y_pred` of a call are the log-probabilities, `(items, 1)`.

    Args:
        num_targets: Number of following items that are predicted from each state. Defaults to `1`.
        target_decay: Weight of each following item relative to the one before it, in (0, 1].
            Defaults to `0.6`.
        num_negatives: For training, the size of a uniform sample of all items over which the
            softmax is computed, the same for a whole batch. With hundreds of thousands of items, a
            softmax over all takes too long. `evaluate` and validation use all items in any case.
            Defaults to `None`: all items.
        name: Name of the loss. Defaults to `"next_item_loss"`.

    Raises:
        ValueError: If a number is out of range.

    References:
        Klenitskiy and Vasilev, Turning dross into gold loss: is BERT4Rec really better than
        SASRec?, RecSys 2023.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": [1, 1, 1, 2, 2], "item_id": [*"abcab"], "timestamp": [1, 2, 3, 1, 2]}
        >>> items = rk.layers.IdEmbedding.from_column(rows["item_id"], 4)
        >>> model = rk.RankingModel(rk.models.sasrec({"item_id": items}))
        >>> model.compile("adam", loss=rk.losses.NextItemLoss())
        >>> history = model.fit(rk.data.sequences(rows, batch_size=2), verbose=0)
        >>> round(history.history["loss"][0], 1)  # about log(4): three items and unknown ones
        1.4
    """

    def __init__(
        self,
        num_targets: int = 1,
        *,
        target_decay: float = 0.6,
        num_negatives: int | None = None,
        name: str = "next_item_loss",
    ):
        check_text("name", name)
        super().__init__(reduction=tf.keras.losses.Reduction.NONE, name=name)
        self.num_targets = check_integer("num_targets", num_targets)
        expected = "a number in (0, 1]"
        self.target_decay = check_number("target_decay", target_decay, expected, above=0, most=1)
        if num_negatives is not None:
            num_negatives = check_integer("num_negatives", num_negatives)
        self.num_negatives = num_negatives

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        return -tf.reshape(tf.cast(y_pred, tf.float32), [-1])

    def get_config(self) -> dict[str, Any]:
        return arguments_of(self)
