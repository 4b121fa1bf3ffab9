"""The mean of the vectors of a history."""

from typing import Any

import tensorflow as tf

from rankkit.core.partial import repeat_to_equal_length
from rankkit.layers._sequence import SequenceLayer, mean_of_events


@tf.keras.utils.register_keras_serializable(package="rankkit")
class SequenceMean(SequenceLayer):
    """Embeds the candidate, and the mean of the events of a history, with one embedding table.

    The order of the events makes no difference, so that the layer is a baseline for
    `rankkit.layers.TargetAttention`, which weights them.

    Args:
        item_layer: Layer that embeds the ids of items, those of the history and the candidate, such
            as `rankkit.layers.IdEmbedding`. It must not be a feature of the network as well.
        side_layers: Layers that embed further columns of the history, such as the rating, the
            action or the time since the event, in vectors of the same dimension. The vectors of an
            event are summed. Defaults to `()`.
        max_length: Number of events of a history that are read: the last ones. Defaults to `50`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        The column of histories, `(batch, length)`, with the oldest event first and `""` or -1 as
        padding; one such column for each of `side_layers`; and the column of candidates,
        `(batch,)`.

    Output shape:
        `(batch, 2 * embedding_dim)`: the vector of the candidate, then that of the history. An
        empty history has a vector that is learned.

    Raises:
        TypeError: If a layer does not embed single values.
        ValueError: If `max_length` is below 1, dimensions differ, or the padding is an id of
            `item_layer`.
        tf.errors.InvalidArgumentError: If the columns of a history differ in length.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.SequenceMean(rk.layers.IdEmbedding(["Heat", "Clue"], 4))
        >>> layer([tf.constant([["Heat", "Clue"], ["", ""]]), tf.constant(["Heat", "Clue"])]).shape
        TensorShape([2, 8])
    """

    def build(self, input_shape: Any) -> None:
        shape = (self.item_layer.embedding_dim,)
        # In full precision, as the sums are.
        self._empty = self.add_weight("empty", shape, experimental_autocast=False)
        super().build(input_shape)

    def combine(
        self, events: tf.Tensor, mask: tf.Tensor, item: tf.Tensor, training: Any = None
    ) -> tf.Tensor:
        mean = tf.cast(mean_of_events(events, mask, self._empty), item.dtype)
        return tf.concat(repeat_to_equal_length([item, mean]), axis=1)
