"""Computes a network in parts: each layer for as many rows as what it reads."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf
from tf_keras.src.engine.functional import Functional

from rankkit._parts import Kept, Part, Vector, knows_parts, through


def outputs_in_parts(
    network: tf.keras.Model,
    columns: Mapping[str, tf.Tensor],
    sides: Mapping[str, str],
    kept: Kept | None = None,
) -> Any:
    """Gives what a network makes of columns of one row or of many, as if the one were repeated.

    Args:
        network: A network of `rankkit.ranking_network`, or one of several.
        columns: Raw feature to values, `(1, ...)` or `(rows, ...)`; those of the side that was
            kept may be left out.
        sides: Raw feature to the side it is of. Those of one side have as many rows.
        kept: What is computed of one side, or was. Defaults to `None`, nothing is kept.

    Returns:
        The outputs, as of the network, `(rows, ...)`.
    """
    kept = kept or Kept()
    vectors = {
        name: Vector(
            [Part(frozenset([side]), network.input[name].shape, lambda name=name: columns[name])]
        )
        for name, side in sides.items()
    }
    outputs = _called(network, (vectors,), {}, network.output, kept)
    return tf.nest.pack_sequence_as(network.output, kept.whole(tf.nest.flatten(outputs)))


def is_functional(network: Any) -> bool:
    """Whether a network is no more than its layers."""
    return type(network) is Functional


def _can_be_cut(network: Any) -> bool:
    """Whether a network is no more than its layers, none of which hands on a mask."""
    return is_functional(network) and not any(
        getattr(tensor, "_keras_mask", None) is not None
        for layer in network.layers
        for node in layer.inbound_nodes
        for tensor in tf.nest.flatten(node.outputs)
    )


def _walked(network: tf.keras.Model, inputs: Any, kept: Kept) -> Any:
    """The vectors that a network gives, its layers called one by one."""
    vectors: dict[int, Vector] = {}

    def note(references: Any, values: Any) -> None:
        tf.nest.assert_same_structure(references, values)
        pairs = zip(tf.nest.flatten(references), tf.nest.flatten(values), strict=True)
        vectors.update((id(reference), value) for reference, value in pairs)

    note(network.input, inputs)
    for depth in sorted(network._nodes_by_depth, reverse=True):
        for node in network._nodes_by_depth[depth]:
            if not node.is_input:
                args, kwargs = tf.nest.map_structure(
                    lambda each: vectors.get(id(each), each), (node.call_args, node.call_kwargs)
                )
                note(node.outputs, _called(node.layer, args, kwargs, node.outputs, kept))
    return tf.nest.map_structure(lambda each: vectors[id(each)], network.output)


def _called(layer: Any, args: tuple, kwargs: dict[str, Any], outputs: Any, kept: Kept) -> Any:
    """The vectors that a layer gives.

    What it makes of one side alone is computed where it is needed. Where sides meet, some layers
    know how to go on by parts; others read rows as they would be without this.
    """
    flat = tf.nest.flatten((args, kwargs))
    read = [each for each in flat if isinstance(each, Vector)]
    sides = set().union(*(vector.sides for vector in read))
    if len(sides) == 1:

        def call() -> Any:
            return _with_tensors(layer, args, kwargs, [vector.computed for vector in read])

        return _vectors(sides.pop(), outputs, functools.cache(call))
    made = None
    if len(args) == 1 and len(read) == len(flat):
        made = _by_parts(layer, args[0], outputs, kept)
    if made is None:
        made = _with_tensors(layer, args, kwargs, kept.whole(read))
    met = frozenset().union(*sides)
    return tf.nest.map_structure(
        lambda each: (
            each if isinstance(each, Vector) else Vector([Part(met, each.shape, lambda: each)])
        ),
        made,
    )


def _by_parts(layer: Any, inputs: Any, outputs: Any, kept: Kept) -> Any:
    """What a layer gives, as tensors or vectors; `None` if it does not know parts."""
    if _can_be_cut(layer) and _names(inputs) == _names(layer.input):
        return _walked(layer, inputs, kept)
    if type(layer) is tf.keras.Sequential and isinstance(inputs, Vector):
        return through(layer.layers, inputs, kept)
    if layer.compute_dtype != layer.variable_dtype:  # which Keras casts to ahead of the call
        return None
    if type(layer) is tf.keras.layers.Concatenate:
        on_last_axis = layer.axis in (-1, outputs.shape.rank - 1)
        return Vector(_cast_parts(inputs, outputs.dtype)) if on_last_axis else None
    if type(layer) is tf.keras.layers.Dense:
        return through([layer], inputs, kept)
    return layer.call_parts(inputs, kept) if knows_parts(layer) else None


def _cast_parts(vectors: Iterable[Any], dtype: tf.DType) -> list[Part]:
    return [
        Part(part.sides, part.shape, lambda part=part: tf.cast(part.computed, dtype))
        for vector in vectors
        for part in vector.parts
    ]


def _names(inputs: Any) -> set[str]:
    return set(inputs) if isinstance(inputs, Mapping) else set()


def _vectors(sides: frozenset[str], outputs: Any, call: Callable[[], Any]) -> Any:
    """The outputs of a layer of one side, each computed where it is needed."""
    made = [
        Vector([Part(sides, each.shape, lambda place=place: tf.nest.flatten(call())[place])])
        for place, each in enumerate(tf.nest.flatten(outputs))
    ]
    return tf.nest.pack_sequence_as(outputs, made)


def _with_tensors(layer: Any, args: tuple, kwargs: dict[str, Any], tensors: list) -> Any:
    """Calls a layer with tensors in place of vectors, in their order."""
    rest = iter(tensors)
    args, kwargs = tf.nest.map_structure(
        lambda each: next(rest) if isinstance(each, Vector) else each, (args, kwargs)
    )
    return layer(*args, **kwargs)
