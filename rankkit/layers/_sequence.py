"""The base class of layers that read an ordered history of items and the candidate."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.features import padding_of
from rankkit.core.partial import ActivationCache, Part, Vector
from rankkit.layers.base import EmbeddingLayer, FeatureLayer, check_inner
from rankkit.utils.errors import check_integer, check_sequence, invalid, wrong_type
from rankkit.utils.graph_errors import assert_in_graph


class SequenceLayer(FeatureLayer):
    """Embeds the events of a history and the candidate with one table; subclasses combine them.

    The vector of an event is that of its item plus those of its side columns. Subclasses implement
    `combine`, and set `_dim` in the constructor if it is not the sum of two vectors.

    Histories have the oldest event first. `encode` drops padding and all but the last `max_length`
    events of a history, and moves the others to the end: the last slot has the most recent event.
    """

    item_layer: Any
    side_layers: list[Any]
    max_length: int

    def __init__(
        self,
        item_layer: Any,
        *,
        side_layers: Sequence[Any] = (),
        max_length: int = 50,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        check_sequence("side_layers", side_layers, "a list of layers")
        self.item_layer, self.side_layers = (
            _check_layer("item_layer", item_layer),
            list(side_layers),
        )
        dim = item_layer.embedding_dim
        for index, layer in enumerate(self.side_layers):
            _check_layer(f"side_layers[{index}]", layer, dim)
        self.max_length = check_integer("max_length", max_length)
        self._dim = 2 * dim
        layers = (item_layer, *self.side_layers)
        if len({*map(id, layers)}) < len(layers):
            fix = "Make a layer for each column: a config would hold several copies of one."
            raise invalid("side_layers", side_layers, "layers of their own", fix)
        self._sizes = [*map(_num_codes, layers)]
        lists = [tf.TensorSpec((None, None), each.feature_spec.dtype) for each in layers]
        self._spec = (*lists, item_layer.feature_spec)
        ids = getattr(item_layer, "vocabulary", ())
        if (padding := padding_of(item_layer.feature_spec.dtype)) in ids:
            expected = f"a layer without the id {padding!r}, which pads histories"
            raise invalid("item_layer", item_layer, expected, "Leave that id out, or rename it.")

    def combine(
        self, events: tf.Tensor, mask: tf.Tensor, item: tf.Tensor, training: Any = None
    ) -> tf.Tensor:
        """Combines the vectors of events and of the candidate to the output of the layer.

        Args:
            events: Vectors of the events, the most recent last, `(rows, events, dim)`. The events
                may be of a single row for all candidates, or the candidate for all histories.
            mask: False for slots without an event, `(rows, events)`.
            item: Vectors of the candidates, `(rows, dim)`.
            training: Whether the layer is trained.
        """
        raise NotImplementedError

    def sample_values(self, count: int) -> tuple[list, ...]:
        """Returns `count` example inputs: histories, one of them empty, and candidates."""
        lengths = [(i, i % 4) for i in range(count)]
        columns = []
        for layer in (self.item_layer, *self.side_layers):
            padding = padding_of(layer.feature_spec.dtype)
            values = [each for each in layer.sample_values(max(count, 2)) if each != padding]
            lists = [[values[(i + n) % len(values)] for n in range(size)] for i, size in lengths]
            columns.append(lists)
        return *columns, self.item_layer.sample_values(count)

    def encode(self, inputs: Any) -> tf.Tensor:
        """Encodes events and candidates, `(batch, numbers)` of `tf.int64`; -1 for no event.

        A row has the numbers of its events, then those of the candidate.
        """
        *history, item = inputs
        events, item = self._encode_history(history), _codes(self.item_layer, item)
        shape = tf.shape(events)
        events = tf.reshape(events, [shape[0], shape[1] * events.shape[2]])
        return tf.concat([events, item], axis=1)

    def embed(self, codes: tf.Tensor, training: Any = None) -> tf.Tensor:
        of_item, of_event = abs(self._sizes[0]), sum(map(abs, self._sizes))
        events, item = codes[:, :-of_item], codes[:, -of_item:]
        events = tf.reshape(events, [tf.shape(codes)[0], -1, of_event])
        vectors, mask = self._embed_events(events, training)
        item = _embed(self.item_layer, item, self._sizes[0], training)
        outputs = self.combine(vectors, mask, item, training=training)
        return tf.cast(outputs, self.compute_dtype)  # the layers have policies of their own

    def call_parts(self, inputs: Sequence[Vector], kept: ActivationCache) -> tf.Tensor:
        """Embeds the history of a query once for all of its candidates."""
        sides, columns, item = separate(inputs, kept)
        if sides & item.sides:
            return self(kept.whole(inputs))
        dim = self.item_layer.embedding_dim

        @functools.cache
        def events() -> tuple[tf.Tensor, tf.Tensor]:
            return self._embed_events(self._encode_history(columns()), False)

        def candidates() -> tf.Tensor:
            return self.item_layer(item.computed)

        vectors = kept.take(Part(sides, (None, None, dim), lambda: events()[0]))
        mask = kept.take(Part(sides, (None, None), lambda: events()[1]))
        item_vectors = kept.take(Part(item.sides, (None, dim), candidates))
        outputs = self.combine_parts(vectors, mask, item_vectors)
        return tf.cast(outputs, self.compute_dtype)

    def combine_parts(self, events: tf.Tensor, mask: tf.Tensor, item: tf.Tensor) -> tf.Tensor:
        """As `combine`; called by `rank`, where a history has many candidates."""
        return self.combine(events, mask, item)

    def _encode_history(self, columns: Sequence[Any]) -> tf.Tensor:
        """Encodes histories, `(rows, slots, numbers)`, the most recent event last."""
        ids, *sides = [tf.convert_to_tensor(column) for column in columns]
        mask, checks = is_event(ids), []
        for side in sides:
            message = (
                f"Each column of lists that layer {self.name!r} reads must have one value for each "
                "item of the history, and no more. Got: lists of another length, or values that "
                "are padding, '' or -1. Build the columns with rankkit.data.InteractionLog."
            )
            equal = assert_in_graph(tf.shape(side)[1] == tf.shape(ids)[1], message)
            with tf.control_dependencies([equal]):
                checks.append(assert_in_graph(tf.reduce_all(is_event(side) == mask), message))
        pairs = zip((self.item_layer, *self.side_layers), (ids, *sides), strict=True)
        codes = [_codes(layer, each) for layer, each in pairs]
        with tf.control_dependencies(checks):
            codes = tf.concat(codes, axis=2)
        return newest_last(codes, mask, self.max_length)

    def _embed_events(self, codes: tf.Tensor, training: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """The vectors of events, `(rows, slots, dim)`, and which slots have one."""
        layers, mask = (self.item_layer, *self.side_layers), codes[:, :, 0] >= 0
        parts = tf.split(tf.maximum(codes, 0), [*map(abs, self._sizes)], axis=2)
        vectors = [
            _embed(layer, part, size, training)
            for layer, part, size in zip(layers, parts, self._sizes, strict=True)
        ]
        return tf.add_n(vectors), mask

    def get_config(self) -> dict[str, Any]:
        serialized = map(tf.keras.saving.serialize_keras_object, self.side_layers)
        return {**super().get_config(), "side_layers": [*serialized]}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SequenceLayer":
        made = tf.keras.saving.deserialize_keras_object
        item, sides = made(config["item_layer"]), [*map(made, config["side_layers"])]
        return cls(**{**config, "item_layer": item, "side_layers": sides})


def separate(
    inputs: Sequence[Vector], kept: ActivationCache
) -> tuple[frozenset[str], Callable[[], list[tf.Tensor]], Part]:
    """The sides of the columns of a history, a function that returns them, and the candidate."""
    *history, (item,) = [vector.parts for vector in inputs]
    columns = [part for (part,) in history]
    if len({part.sides for part in columns}) == 1:
        return columns[0].sides, lambda: [part.computed for part in columns], item
    sides = frozenset().union(*(part.sides for part in columns))
    return sides, lambda: kept.whole(inputs[:-1]), item


def _check_layer(argument: str, layer: Any, dim: int | None = None) -> Any:
    """Returns a layer after a check that it embeds single values, as vectors of a dimension."""
    spec: Any = getattr(layer, "feature_spec", None)
    is_single = isinstance(spec, tf.TensorSpec) and spec.shape.rank == 1
    if not isinstance(layer, EmbeddingLayer) or not is_single:
        expected = "a layer that embeds a single value, such as rankkit.layers.IdEmbedding"
        raise wrong_type(argument, layer, expected)
    if dim not in (None, layer.embedding_dim):
        expected = f"{dim}, like the embedding_dim of item_layer, as their vectors are summed"
        raise invalid(f"the embedding_dim of {argument}", layer.embedding_dim, expected)
    check_inner(argument, layer)
    return layer


def _num_codes(layer: Any) -> int:
    """How many numbers a layer encodes a value as; -1 for a single one without an axis of its own.

    An example is encoded to find it out.
    """
    codes: Any = layer.encode(tf.constant(layer.sample_values(2), layer.feature_spec.dtype))
    return -1 if codes.shape.rank == 1 else codes.shape[1]


def _codes(layer: Any, values: tf.Tensor) -> tf.Tensor:
    """Encodes values as integers on a last axis."""
    codes = layer.encode(values)
    if codes.shape.rank == values.shape.rank:
        codes = tf.expand_dims(codes, -1)
    return tf.cast(codes, tf.int64)


def _embed(layer: Any, codes: tf.Tensor, size: int, training: Any) -> tf.Tensor:
    """Embeds the numbers of `_codes`."""
    return layer.embed(tf.squeeze(codes, -1) if size == -1 else codes, training=training)


def is_event(values: tf.Tensor) -> tf.Tensor:
    """Which values are not padding."""
    return values != tf.constant(padding_of(values.dtype), values.dtype)


def event_slots(mask: tf.Tensor, length: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The slot of each member, -1 for padding and all but the last `length`; how many there are.

    The last slot has the most recent event. There is at least one, for lists without members.
    """
    count = tf.maximum(tf.minimum(tf.shape(mask)[1], length), 1)
    from_end = tf.cumsum(tf.cast(mask, tf.int32), axis=1, reverse=True)  # 1 for the most recent
    return tf.where(mask, tf.maximum(count - from_end, -1), -1), count


def newest_last(codes: tf.Tensor, mask: tf.Tensor, length: int) -> tf.Tensor:
    """Moves the last `length` events of each row to its end, without the padding; -1 before them.

    `codes` is `(rows, members, numbers)`. The result has as few slots as the members allow.
    """
    slot, count = event_slots(mask, length)
    # Further events and padding add nothing to the first slot.
    row = tf.broadcast_to(tf.expand_dims(tf.range(tf.shape(mask)[0]), 1), tf.shape(mask))
    indices = tf.stack([row, tf.maximum(slot, 0)], axis=2)
    added = tf.where(tf.expand_dims(slot >= 0, -1), codes + 1, tf.zeros_like(codes))
    return tf.scatter_nd(indices, added, tf.stack([tf.shape(mask)[0], count, codes.shape[2]])) - 1


def mean_of_events(events: tf.Tensor, mask: tf.Tensor, empty: Any) -> tf.Tensor:
    """The mean of the vectors of each history, `(rows, dim)`; `empty` for one without events.

    It is computed in the precision of `empty`.
    """
    is_event = tf.expand_dims(tf.cast(mask, empty.dtype), 2)
    summed = tf.reduce_sum(tf.cast(events, empty.dtype) * is_event, axis=1)
    count = tf.reduce_sum(is_event, axis=1)
    return tf.where(count > 0, summed / tf.maximum(count, 1.0), empty)
