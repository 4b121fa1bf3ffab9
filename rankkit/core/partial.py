"""Lazy tensors for computing the query side and the item side of a network separately."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


class Part:
    """A tensor that is computed when needed, for one row (the query) or for all candidates."""

    def __init__(self, sides: frozenset[str], shape: Any, make: Callable[[], tf.Tensor]):
        self.sides = sides  # what it depends on; parts of the same sides have as many rows
        self.shape = tf.TensorShape(shape)
        self._make = make

    @functools.cached_property
    def computed(self) -> tf.Tensor:
        """The tensor."""
        return self._make()


class Vector:
    """A tensor as parts that are concatenated on its last axis."""

    def __init__(self, parts: Sequence[Part]):
        self.parts = list(parts)

    @property
    def sides(self) -> set[frozenset[str]]:
        """The sides of all parts."""
        return {part.sides for part in self.parts}

    @property
    def width(self) -> int:
        """Length of the last axis."""
        return sum(part.shape[-1] for part in self.parts)

    @property
    def computed(self) -> tf.Tensor:
        """The concatenated tensor of parts that have the same sides."""
        return _joined([part.computed for part in self.parts])


class ActivationCache:
    """Activations of one side before it interacts with the others; computed, or from a cache."""

    def __init__(self, side: str | None = None, given: Sequence[tf.Tensor] | None = None):
        self._sides = None if side is None else frozenset([side])
        self._given = None if given is None else iter(given)
        self._taken: dict[Part, tf.Tensor] = {}
        self.tensors: list[tf.Tensor] = []

    def take(self, part: Part) -> tf.Tensor:
        """Returns the tensor of a part that is about to interact with others."""
        if part.sides != self._sides:
            return part.computed
        if part not in self._taken:
            self._taken[part] = part.computed if self._given is None else next(self._given)
            self.tensors.append(self._taken[part])
        return self._taken[part]

    def whole(self, vectors: Sequence[Vector]) -> list[tf.Tensor]:
        """Returns the tensors of vectors, repeated to the same number of rows."""
        parts = [part for vector in vectors for part in vector.parts]
        tensors = [self.take(part) for part in parts]
        if len({part.sides for part in parts}) > 1:
            tensors = repeat_to_equal_length(tensors)
        rest = iter(tensors)
        return [_joined([next(rest) for _ in vector.parts]) for vector in vectors]


def supports_parts(layer: Any) -> bool:
    """Whether a layer has a `call_parts`, and no subclass overrides what that computes."""
    for kind in type(layer).__mro__:
        if "call_parts" in vars(kind):
            return True
        if not vars(kind).keys().isdisjoint(("call", "encode", "embed")):
            return False
    return False


def repeat_to_equal_length(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Repeats tensors of one row to the number of rows of the others."""
    lengths = tf.stack([tf.shape(tensor)[0] for tensor in tensors])
    rows = tf.reduce_max(lengths) * tf.reduce_min(tf.minimum(lengths, 1))  # none, if one has none
    return [repeated(tensor, rows) for tensor in tensors]


def repeated(tensor: tf.Tensor, rows: Any) -> tf.Tensor:
    """Repeats a tensor of one row; any other must have that many rows already."""
    if tensor.shape[1:].is_fully_defined():  # needs fewer operations
        return tf.broadcast_to(tensor, tf.stack([rows, *tensor.shape[1:]]))
    return tf.broadcast_to(tensor, tf.concat([[rows], tf.shape(tensor)[1:]], axis=0))


def apply_layers(
    layers: Sequence[tf.keras.layers.Layer], vector: Vector, kept: ActivationCache
) -> tf.Tensor:
    """Applies layers to a vector; the first, if it is a Dense layer, is applied part by part."""
    first, *rest = layers
    can_be_split = type(first) is tf.keras.layers.Dense and first.built
    # In half precision, a sum of parts differs from the whole in the third digit.
    in_full_precision = first.compute_dtype == first.variable_dtype
    if can_be_split and in_full_precision and all(each.shape.rank == 2 for each in vector.parts):
        outputs = _dense(first, vector, kept)
    else:
        (inputs,) = kept.whole([vector])
        outputs = first(inputs)
    for layer in rest:
        outputs = layer(outputs)
    return outputs


def _dense(layer: tf.keras.layers.Dense, vector: Vector, kept: ActivationCache) -> tf.Tensor:
    """`x @ W + b` as the sum of the products of parts with their rows of `W`."""
    ends = [0]
    for part in vector.parts:
        ends.append(ends[-1] + part.shape[-1])
    products = []
    for sides in sorted(vector.sides, key=sorted):
        indices = [i for i, part in enumerate(vector.parts) if part.sides == sides]

        def product(indices: list[int] = indices) -> tf.Tensor:
            inputs = _joined([vector.parts[i].computed for i in indices])
            rows = tf.concat([layer.kernel[ends[i] : ends[i + 1]] for i in indices], axis=0)
            return tf.cast(inputs, layer.compute_dtype) @ rows

        products.append(kept.take(Part(sides, (None, layer.units), product)))
    if layer.use_bias:
        products.insert(0, layer.bias)
    outputs = functools.reduce(tf.add, products)
    return outputs if layer.activation is None else layer.activation(outputs)


def _joined(tensors: list[tf.Tensor]) -> tf.Tensor:
    return tensors[0] if len(tensors) == 1 else tf.concat(tensors, axis=-1)
