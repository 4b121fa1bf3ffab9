"""Evaluation of a network with its query side and item side computed separately."""

import functools
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf
from tf_keras.src.engine.functional import Functional

from rankkit.core.partial import Kept, Part, Vector, knows_parts, of_equal_length, through
from rankkit.models.heads import score_of
from rankkit.models.network import feature_specs
from rankkit.training.model import RankingModel, SingleHeadScorer
from rankkit.utils.tensorflow import has_own_layers


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


QUERY, CANDIDATES = "query", "candidates"
# A part that moved by more than this share of the largest is that of other weights.
_SAME = 1e-6
# By the network's first input, which all networks of its graph share. The functions read weights as
# they are when called, and do not hold the network: it takes them with it, and is saved without.
_FUNCTIONS: weakref.WeakKeyDictionary[Any, dict] = weakref.WeakKeyDictionary()


def network_of(scorer: Any) -> tf.keras.Model | None:
    """Gives the network that a scorer asks for its scores, if it is one that can be traced.

    Args:
        scorer: What maps columns to scores.
    """
    asks_network = isinstance(scorer, RankingModel) and type(scorer).call is RankingModel.call
    network = scorer.network if asks_network or type(scorer) is SingleHeadScorer else scorer
    return network if is_functional(network) and isinstance(network.input, Mapping) else None


def scores_function(network: tf.keras.Model, query: Iterable[str]) -> Callable[..., tf.Tensor]:
    """Gives what maps columns, those of the query of one row or of all, to scores.

    Args:
        network: A network.
        query: Names of the query's features; the others are the candidates'.
    """
    sides = _sides(network, query)

    def scores(**columns: tf.Tensor) -> tf.Tensor:
        scores = score_of(outputs_in_parts(network, columns, sides))
        return of_equal_length([scores, *columns.values()])[0]  # even if no candidate's is read

    return _traced(network, ("scores", *sides.values()), scores, **feature_specs(network))


def registering_function(network: tf.keras.Model, query: Iterable[str]) -> Any:
    """Gives what maps the candidates' columns to all that is computed of them alone.

    Args:
        network: A network.
        query: Names of the query's features; the others are the candidates'.
    """
    sides = _sides(network, query)
    specs = feature_specs(network)

    def register(**columns: tf.Tensor) -> list[tf.Tensor]:
        return _registered(network, columns, sides)

    theirs = {name: spec for name, spec in specs.items() if sides[name] == CANDIDATES}
    return _traced(network, ("register", *sides.values()), register, **theirs)


def meeting_function(network: tf.keras.Model, query: Iterable[str]) -> Callable[..., Any]:
    """Gives what maps a query and registered candidates to scores, and tells old ones.

    Args:
        network: A network.
        query: Names of the query's features; the others are the candidates'.

    Returns:
        A function of the query's columns, of what `registering_function` gave, of columns of a
        few of the candidates and of what it gave for these. It gives the scores, and whether it
        would give other numbers by now.
    """
    sides = _sides(network, query)
    specs = feature_specs(network)
    kept = [
        tf.TensorSpec([None, *spec.shape[1:]], spec.dtype)
        for spec in registering_function(network, query).structured_outputs
    ]
    of_query, of_candidates = (
        {name: spec for name, spec in specs.items() if sides[name] == side}
        for side in (QUERY, CANDIDATES)
    )

    def meet(columns: Any, registered: Any, sample: Any, of_sample: Any) -> Any:
        given = Kept(CANDIDATES, registered)
        scores = score_of(outputs_in_parts(network, columns, sides, given))
        now = _registered(network, sample, sides)
        moved = [_moved(*pair) for pair in zip(now, of_sample, strict=True)]
        return scores, tf.reduce_any(tf.stack([tf.constant(False), *moved]))

    arguments = (of_query, kept, of_candidates, kept)
    return _traced(network, ("meet", *sides.values()), meet, *arguments)


def _sides(network: tf.keras.Model, query: Iterable[str]) -> dict[str, str]:
    query = set(query)
    return {name: QUERY if name in query else CANDIDATES for name in feature_specs(network)}


def _registered(
    network: tf.keras.Model, columns: Mapping[str, tf.Tensor], sides: Mapping[str, str]
) -> list[tf.Tensor]:
    # What a query makes of it is not asked for, and is left out of the graph.
    some = {
        name: tf.zeros([1, *[0 if size is None else size for size in spec.shape[1:]]], spec.dtype)
        for name, spec in feature_specs(network).items()
        if sides[name] == QUERY
    }
    kept = Kept(CANDIDATES)
    outputs_in_parts(network, {**columns, **some}, sides, kept)
    return kept.tensors


def _moved(now: tf.Tensor, before: tf.Tensor) -> tf.Tensor:
    if not now.dtype.is_floating:
        return tf.constant(False)
    largest = tf.reduce_max(tf.abs(before))
    # Not `>`, which is false of NaN.
    return ~(tf.reduce_max(tf.abs(now - before)) <= _SAME * tf.maximum(largest, _SAME))


def _traced(
    network: tf.keras.Model, kind: tuple, function: Callable, *specs: Any, **named: Any
) -> Any:
    first = next(iter(network.input.values())).node.layer
    functions = _FUNCTIONS.setdefault(first, {})
    key = (*map(id, tf.nest.flatten(network.output)), *kind)
    if key not in functions:
        traced = tf.function(function, autograph=has_own_layers(network))
        functions[key] = traced.get_concrete_function(*specs, **named)
    return functions[key]
