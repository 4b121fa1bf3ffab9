"""Loss for the next item of a sequence."""

from typing import Any

import tensorflow as tf

from rankkit.core.arguments import arguments_of
from rankkit.utils.errors import check_integer, check_text


@tf.keras.utils.register_keras_serializable(package="rankkit")
class NextItemLoss(tf.keras.losses.Loss):
    """Negative log-likelihood of each item of a sequence, given the items before it.

    For networks whose score is a `rankkit.layers.NextItemScore`, such as those of
    `rankkit.models.sasrec`, and batches of `rankkit.data.sequences`. Each row is a sequence: the
    items of its history, then its candidate. The probability of an item is a softmax over all items
    of the layer. The loss is the mean over all items of the sequences, with the sample weight of
    their row, so that a row counts once for each item.

    Its predictions are the log-probabilities of the items, `(items, 1)`.

    Args:
        num_negatives: For training, the size of a uniform sample of all items over which the
            softmax is computed, the same for a whole batch. With hundreds of thousands of items, a
            softmax over all takes too long. `evaluate` and validation use all items in any case.
            Defaults to `None`: all items.
        name: Name of the loss. Defaults to `"next_item_loss"`.

    Raises:
        ValueError: If `num_negatives` is below 1.

    References:
        Klenitskiy and Vasilev, Turning dross into gold loss: is BERT4Rec really better than
        SASRec?, RecSys 2023.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": [1, 1, 1, 2, 2], "item_id": [*"abcab"], "timestamp": [1, 2, 3, 1, 2]}
        >>> items = rk.layers.IdEmbedding.from_column(rows["item_id"], 4)
        >>> model = rk.RankingModel(rk.models.sasrec(items))
        >>> model.compile("adam", loss=rk.losses.NextItemLoss())
        >>> history = model.fit(rk.data.sequences(rows, batch_size=2), verbose=0)
        >>> round(history.history["loss"][0], 1)  # about log(4): three items and unknown ones
        1.4
    """

    def __init__(self, num_negatives: int | None = None, name: str = "next_item_loss"):
        check_text("name", name)
        super().__init__(reduction=tf.keras.losses.Reduction.NONE, name=name)
        if num_negatives is not None:
            num_negatives = check_integer("num_negatives", num_negatives)
        self.num_negatives = num_negatives

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        return -tf.reshape(tf.cast(y_pred, tf.float32), [-1])

    def get_config(self) -> dict[str, Any]:
        return arguments_of(self)
