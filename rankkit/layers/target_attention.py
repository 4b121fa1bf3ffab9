"""The events of a history, weighted by how they match the candidate."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.features import as_feature
from rankkit.core.partial import repeat_to_equal_length
from rankkit.layers._dense import make_dense
from rankkit.layers._sequence import SequenceLayer, event_slots, is_event
from rankkit.utils.errors import check_units, invalid


@tf.keras.utils.register_keras_serializable(package="rankkit")
class TargetAttention(SequenceLayer):
    """Embeds the candidate and the weighted sum of the events of a history, with learned weights.

    This is the deep interest network (DIN): for a candidate, the past purchases of its kind count,
    and others do not. The weight of an event is computed by an MLP of the vectors of the event and
    of the candidate and of their product; their difference, which is a linear combination of both,
    would add nothing to the first dense layer. As in the paper, weights are not normalized: they
    are larger if more events match the candidate. The order of the events makes no difference;
    embed their age or position as a side column, or use `rankkit.layers.TargetTransformer`.

    Under mixed precision, the layer computes in float32. In `rankkit.rank`, the
    events are embedded once for all candidates.

    Args:
        item_layer: Layer that embeds the ids of items, those of the history and the candidate, such
            as `rankkit.layers.IdEmbedding`. It must not be a feature of the network as well.
        side_layers: Layers that embed further columns of the history, such as the rating, the
            action or the time since the event, in vectors of the same dimension. The vectors of an
            event are summed. Defaults to `()`.
        max_length: Number of events of a history that are read: the last ones. Defaults to `50`.
        hidden_units: Sizes of the hidden layers of the MLP that computes the weights, at least one.
            Defaults to `(16,)`; the paper has 36 units.
        activation: Activation of the hidden layers. Defaults to `"relu"`.
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
        ValueError: If `max_length` or a size is below 1, there is no hidden layer, dimensions
            differ, or the padding is an id of `item_layer`.
        tf.errors.InvalidArgumentError: If the columns of a history differ in length.

    References:
        Zhou et al., Deep interest network for click-through rate prediction, KDD 2018.

    Example:
        >>> import rankkit as rk
        >>> layer = rk.layers.TargetAttention(rk.layers.IdEmbedding(["Heat", "Clue"], 4))
        >>> layer.attention([[["Heat", "Clue"], []], ["Heat", "Clue"]]).shape
        TensorShape([2, 2])
    """

    def __init__(
        self,
        item_layer: Any,
        *,
        side_layers: Sequence[Any] = (),
        max_length: int = 50,
        hidden_units: Sequence[int] = (16,),
        activation: Any = "relu",
        **kwargs: Any,
    ):
        super().__init__(item_layer, side_layers=side_layers, max_length=max_length, **kwargs)
        self.hidden_units = check_units("hidden_units", hidden_units)
        if not self.hidden_units:
            raise invalid("hidden_units", hidden_units, "at least one size", "Pass [16].")
        self.activation = tf.keras.activations.get(activation)

    def build(self, input_shape: Any) -> None:
        dim, (units, *more) = self.item_layer.embedding_dim, self.hidden_units

        def weight(name: str, *shape: int) -> Any:
            initializer = "glorot_uniform" if len(shape) > 1 else "zeros"
            # In full precision, as the sums are.
            return self.add_weight(
                name, shape, initializer=initializer, experimental_autocast=False
            )

        # The first dense layer, split by its inputs: only the product is of each pair.
        self._of_event = weight("kernel_of_event", dim, units)
        self._of_item = weight("kernel_of_item", dim, units)
        self._of_product = weight("kernel_of_product", dim, units)
        self._bias = weight("bias", units)
        self._empty = weight("empty", dim)
        dtype = self.variable_dtype
        self._layers = [make_dense(each, dtype, self.activation) for each in more]
        self._layers.append(make_dense(1, dtype))
        for layer, size in zip(self._layers, self.hidden_units, strict=True):
            layer.build((None, size))
        super().build(input_shape)

    def combine(
        self, events: tf.Tensor, mask: tf.Tensor, item: tf.Tensor, training: Any = None
    ) -> tf.Tensor:
        events = tf.cast(events, self.variable_dtype)
        interest = tf.expand_dims(self._weights(events, mask, item), 1) @ events
        return self._outputs(tf.squeeze(interest, 1), mask, item)

    def combine_parts(self, events: tf.Tensor, mask: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """As `combine`; of a single history, the first dense layer is one matrix product."""
        return tf.cond(
            tf.shape(events)[0] == 1,
            lambda: self._combine_one(events, mask, item),
            lambda: self.combine(events, mask, item),
        )

    def _combine_one(self, events: tf.Tensor, mask: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        item, units = tf.cast(item, self.variable_dtype), self.hidden_units[0]
        (events,) = tf.unstack(tf.cast(tf.ensure_shape(events, [1, None, None]), item.dtype))
        of_pair = tf.expand_dims(tf.transpose(events), 2) * tf.expand_dims(self._of_product, 1)
        kernel = tf.reshape(of_pair + tf.expand_dims(self._of_item, 1), [item.shape[1], -1])
        # The last row, of ones, adds what depends on the event alone.
        of_event = tf.reshape(events @ self._of_event + self._bias, [1, -1])
        kernel, ones = tf.concat([kernel, of_event], axis=0), tf.ones_like(item[:, :1])
        hidden = tf.concat([item, ones], axis=1) @ kernel
        hidden = tf.reshape(hidden, tf.stack([tf.shape(item)[0], -1, units]))
        return self._outputs(self._mlp(hidden, mask) @ events, mask, item)

    def _weights(self, events: tf.Tensor, mask: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """The weight of each event, `(rows, slots)`."""
        item = tf.cast(item, self.variable_dtype)
        kernel = tf.expand_dims(item, 2) * self._of_product + self._of_event
        hidden = events @ kernel + tf.expand_dims(item @ self._of_item + self._bias, 1)
        return self._mlp(hidden, mask)

    def _mlp(self, hidden: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        outputs = self.activation(hidden)
        for layer in self._layers:
            outputs = layer(outputs)
        return tf.squeeze(outputs, 2) * tf.cast(mask, outputs.dtype)

    def _outputs(self, interest: tf.Tensor, mask: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        has_events = tf.reduce_any(mask, axis=1, keepdims=True)
        interest = tf.where(has_events, interest, self._empty)
        return tf.concat(repeat_to_equal_length([tf.cast(item, interest.dtype), interest]), axis=1)

    def attention(self, inputs: Any) -> tf.Tensor:
        """Computes the weights of events, such as to show which ones count for a candidate.

        Args:
            inputs: Histories and candidates as in a call of the layer; lists may be of any lengths.

        Returns:
            One weight for each member of the lists, `(batch, length)`; 0 for padding and for events
            before the last `max_length`. Weights have any sign and are not normalized.
        """
        inputs = [
            as_feature(f"inputs[{index}]", values, spec)
            for index, (values, spec) in enumerate(zip(inputs, self._spec, strict=True))
        ]
        if not self.built:
            self(inputs)
        *history, item = inputs
        events, mask = self._embed_events(self._encode_history(history), False)
        weights = self._weights(tf.cast(events, self.variable_dtype), mask, self.item_layer(item))
        slot, _ = event_slots(is_event(history[0]), self.max_length)
        found = tf.gather(weights, tf.maximum(slot, 0), batch_dims=1)
        return tf.where(slot >= 0, found, tf.zeros_like(found))

    def get_config(self) -> dict[str, Any]:
        activation = tf.keras.activations.serialize(self.activation)
        return {**super().get_config(), "activation": activation}
