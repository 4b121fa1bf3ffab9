"""A transformer over a history and the candidate."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.partial import repeat_to_equal_length
from rankkit.layers._norm import LayerNormalization
from rankkit.layers._sequence import SequenceLayer, mean_of_events
from rankkit.layers._transformer import TransformerBlock
from rankkit.utils.errors import check_integer, check_share, invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TargetTransformer(SequenceLayer):
    """Embeds the candidate and a history with a transformer, in which the order of events counts.

    This is the behavior sequence transformer (BST): the candidate is put behind the last event, a
    vector that is learned for each position is added, and blocks of self-attention let each event
    depend on the others, and the candidate on all events. Unlike in the paper, events do not depend
    on the candidate, so that in `rankkit.rank` the blocks compute a history once for all of its
    candidates; and the mean of the events is returned instead of all of them. The positions count
    from the last event. For those of the paper, the time between an event and the ranking, embed
    the time as a side column (`gaps` of `rankkit.data.InteractionLog.add_histories`).

    Args:
        item_layer: Layer that embeds the ids of items, those of the history and the candidate, such
            as `rankkit.layers.IdEmbedding`. It must not be a feature of the network as well.
        side_layers: Layers that embed further columns of the history, such as the rating, the
            action or the time since the event, in vectors of the same dimension. The vectors of an
            event are summed. Defaults to `()`.
        max_length: Number of events of a history that are read: the last ones. Defaults to `50`.
        num_blocks: Number of blocks. Defaults to `1`, as in the paper.
        num_heads: Number of attention heads, which divides the dimension of the vectors. Defaults
            to `2`.
        hidden_units: Units of the hidden layer of each block. Defaults to `None`, twice the
            dimension of the vectors.
        dropout_rate: Share of the outputs of each attention and each hidden layer dropped in
            training, in [0, 1). Defaults to `0.1`.
        activation: Activation of the hidden layers. Defaults to `"relu"`.
        **kwargs: Keyword arguments of `tf.keras.layers.Layer`, such as `name`.

    Input shape:
        The column of histories, `(batch, length)`, with the oldest event first and `""` or -1 as
        padding; one such column for each of `side_layers`; and the column of candidates,
        `(batch,)`.

    Output shape:
        `(batch, 2 * embedding_dim)`: the output of the candidate, then the mean of those of the
        events. An empty history has a vector that is learned.

    Raises:
        TypeError: If a layer does not embed single values.
        ValueError: If a number is out of range, `num_heads` does not divide the dimension,
            dimensions differ, or the padding is an id of `item_layer`.
        tf.errors.InvalidArgumentError: If the columns of a history differ in length.

    References:
        Chen et al., Behavior sequence transformer for e-commerce recommendation in Alibaba,
        DLP-KDD 2019.

    Example:
        >>> import rankkit as rk
        >>> import tensorflow as tf
        >>> layer = rk.layers.TargetTransformer(rk.layers.IdEmbedding(["Heat", "Clue"], 4))
        >>> layer([tf.constant([["Heat", "Clue"], ["", ""]]), tf.constant(["Heat", "Clue"])]).shape
        TensorShape([2, 8])
    """

    def __init__(
        self,
        item_layer: Any,
        *,
        side_layers: Sequence[Any] = (),
        max_length: int = 50,
        num_blocks: int = 1,
        num_heads: int = 2,
        hidden_units: int | None = None,
        dropout_rate: float = 0.1,
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(item_layer, side_layers=side_layers, max_length=max_length, **kwargs)
        self.num_blocks = check_integer("num_blocks", num_blocks)
        self.num_heads = check_integer("num_heads", num_heads)
        if item_layer.embedding_dim % self.num_heads:
            expected = f"a divisor of {item_layer.embedding_dim}, the dimension of the vectors"
            raise invalid("num_heads", num_heads, expected)
        if hidden_units is not None:
            hidden_units = check_integer("hidden_units", hidden_units)
        self.hidden_units = hidden_units
        self.dropout_rate = check_share("dropout_rate", dropout_rate)
        self.activation = tf.keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        dim, dtype = self.item_layer.embedding_dim, self.variable_dtype
        # In full precision, as their gradients are sums over the batch.
        self._positions = self.add_weight(
            "positions", (self.max_length + 1, dim), initializer="uniform",
            experimental_autocast=False,
        )  # fmt: skip
        self._empty = self.add_weight("empty", (dim,), experimental_autocast=False)
        arguments = (self.num_heads, self.hidden_units or 2 * dim, self.dropout_rate)
        self._blocks = [
            TransformerBlock(*arguments, self.activation, self.dtype_policy)
            for _ in range(self.num_blocks)
        ]
        for block in self._blocks:
            block.build((None, None, dim))
        self._norm = LayerNormalization(dtype=dtype, name="norm")
        self._norm.build((None, None, dim))
        super().build(input_shape)

    def combine(
        self, events: tf.Tensor, mask: tf.Tensor, item: tf.Tensor, training: Any = None
    ) -> tf.Tensor:
        slots, dtype = tf.shape(events)[1], self.variable_dtype
        positions = tf.expand_dims(tf.convert_to_tensor(self._positions), 0)
        # The last position is that of the candidate, the one before it that of the last event.
        events = tf.cast(events, dtype) + positions[:, self.max_length - slots : -1]
        _, item = repeat_to_equal_length([mask, item])
        item = tf.expand_dims(tf.cast(item, dtype), 1) + positions[:, -1:]
        events, item = tf.cast(events, self.compute_dtype), tf.cast(item, self.compute_dtype)
        seen = tf.concat([mask, tf.ones_like(mask[:, :1])], axis=1)
        mask, seen = tf.expand_dims(mask, 1), tf.expand_dims(seen, 1)
        for block in self._blocks:
            context = tf.concat(repeat_to_equal_length([events, item]), axis=1)
            item = block(item, seen, training=training, context=context)
            events = block(events, mask, training=training)
        item = tf.squeeze(self._norm(item), 1)
        mean = mean_of_events(self._norm(events), tf.squeeze(mask, 1), self._empty)
        return tf.concat(repeat_to_equal_length([item, mean]), axis=1)

    def get_config(self) -> dict[str, Any]:
        activation = tf.keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}
