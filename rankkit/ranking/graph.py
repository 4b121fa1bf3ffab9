"""Evaluation of a network with its query side and item side computed separately."""

import functools
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.keras_graph import computes_mask, is_functional, layer_calls, layer_of
from rankkit.core.partial import (
    ActivationCache,
    Part,
    Vector,
    apply_layers,
    repeat_to_equal_length,
    supports_parts,
)
from rankkit.models.finite import finite_features
from rankkit.models.heads import score_of
from rankkit.models.network import feature_specs
from rankkit.training.model import RankingModel, SingleHeadScorer
from rankkit.utils.tensorflow import has_user_layers

QUERY, CANDIDATES = "query", "candidates"
# Activations that differ by more than this, relative to the largest, are of other weights.
_TOLERANCE = 1e-6
# Traced functions by the layer of the first input, which networks over the same layers share. They
# do not hold the network: they are garbage-collected with it, and not copied or saved with it.
_FUNCTIONS: weakref.WeakKeyDictionary[Any, dict] = weakref.WeakKeyDictionary()
_TRACING = threading.RLock()


def get_network(scorer: Any) -> tf.keras.Model | None:
    """Returns the Functional network that computes the scores of a scorer, if there is one."""
    is_plain_model = isinstance(scorer, RankingModel) and type(scorer).call is RankingModel.call
    network = scorer.network if is_plain_model or type(scorer) is SingleHeadScorer else scorer
    return network if is_functional(network) and isinstance(network.input, Mapping) else None


# --- Traced functions ---


def make_scores_function(network: tf.keras.Model, query: Iterable[str]) -> Callable[..., tf.Tensor]:
    """Makes a function from columns to scores; columns of the query have one row, or all rows."""
    sides = _sides(network, query)

    def score(**columns: tf.Tensor) -> tf.Tensor:
        scores = score_of(evaluate_factored(network, columns, sides))
        # One score per row, even if the network ignores the features of the candidates.
        return repeat_to_equal_length([scores, *columns.values()])[0]

    return _trace_once(network, ("scores", *sides.values()), score, **feature_specs(network))


def make_activations_function(network: tf.keras.Model, query: Iterable[str]) -> Any:
    """Makes a function from the candidates' columns to their activations, a list of tensors."""
    sides = _sides(network, query)

    def activations(**columns: tf.Tensor) -> list[tf.Tensor]:
        return _compute_activations(network, columns, sides)

    specs = _specs_of_side(network, sides, CANDIDATES)
    return _trace_once(network, ("activations", *sides.values()), activations, **specs)


def make_indexed_function(network: tf.keras.Model, query: Iterable[str]) -> Callable[..., Any]:
    """Makes a function that scores candidates by their cached activations.

    It takes the query's columns, the activations, and the columns and activations of a sample of
    the candidates. It returns the scores, and whether the activations of the sample are outdated.
    """
    sides = _sides(network, query)
    activation_specs = [
        tf.TensorSpec([None, *spec.shape[1:]], spec.dtype)
        for spec in make_activations_function(network, query).structured_outputs
    ]

    def score(columns: Any, activations: Any, sample: Any, sample_activations: Any) -> Any:
        cached = ActivationCache(CANDIDATES, activations)
        scores = score_of(evaluate_factored(network, columns, sides, cached))
        current = _compute_activations(network, sample, sides)
        is_outdated = [_differ(*pair) for pair in zip(current, sample_activations, strict=True)]
        return scores, tf.reduce_any(tf.stack([tf.constant(False), *is_outdated]))

    query_specs = _specs_of_side(network, sides, QUERY)
    sample_specs = _specs_of_side(network, sides, CANDIDATES)
    arguments = (query_specs, activation_specs, sample_specs, activation_specs)
    return _trace_once(network, ("indexed", *sides.values()), score, *arguments)


def _sides(network: tf.keras.Model, query: Iterable[str]) -> dict[str, str]:
    query = set(query)
    return {name: QUERY if name in query else CANDIDATES for name in feature_specs(network)}


def _specs_of_side(
    network: tf.keras.Model, sides: Mapping[str, str], side: str
) -> dict[str, tf.TensorSpec]:
    return {name: spec for name, spec in feature_specs(network).items() if sides[name] == side}


def _compute_activations(
    network: tf.keras.Model, columns: Mapping[str, tf.Tensor], sides: Mapping[str, str]
) -> list[tf.Tensor]:
    # The query is a placeholder: nothing that depends on it stays in the graph.
    query = {
        name: tf.zeros([1, *[0 if size is None else size for size in spec.shape[1:]]], spec.dtype)
        for name, spec in _specs_of_side(network, sides, QUERY).items()
    }
    cache = ActivationCache(CANDIDATES)
    evaluate_factored(network, {**columns, **query}, sides, cache)
    return cache.tensors


def _differ(current: tf.Tensor, cached: tf.Tensor) -> tf.Tensor:
    if not current.dtype.is_floating:
        return tf.constant(False)
    largest = tf.reduce_max(tf.abs(cached))
    # Not written with `>`, which is false for NaN.
    difference = tf.reduce_max(tf.abs(current - cached))
    return ~(difference <= _TOLERANCE * tf.maximum(largest, _TOLERANCE))


def _trace_once(
    network: tf.keras.Model, kind: tuple, function: Callable, *specs: Any, **named_specs: Any
) -> Any:
    """Returns the traced function of a network and kind, traced at the first call."""
    key = (*map(id, tf.nest.flatten(network.output)), *kind)
    with _TRACING:  # threads may share a network
        functions = _FUNCTIONS.setdefault(layer_of(next(iter(network.input.values()))), {})
        if key in functions:
            return functions[key]
        traced = tf.function(function, autograph=has_user_layers(network))
        functions[key] = traced.get_concrete_function(*specs, **named_specs)
    return functions[key]


# --- Factored evaluation ---


def evaluate_factored(
    network: tf.keras.Model,
    columns: Mapping[str, tf.Tensor],
    sides: Mapping[str, str],
    cache: ActivationCache | None = None,
) -> Any:
    """Returns the outputs of a network, as if columns of one row were repeated for the others.

    `columns` maps a raw feature to `(1, ...)` or `(rows, ...)` values, and `sides` to its side: all
    columns of a side have as many rows. The columns of a side with given activations are left out.
    """
    cache, columns = cache or ActivationCache(), finite_features(network, columns)
    vectors = {
        name: Vector(
            [Part(frozenset([side]), network.input[name].shape, lambda name=name: columns[name])]
        )
        for name, side in sides.items()
    }
    outputs = _call_layer(network, (vectors,), {}, network.output, cache)
    return tf.nest.pack_sequence_as(network.output, cache.whole(tf.nest.flatten(outputs)))


def _call_layer(
    layer: Any, args: tuple, kwargs: dict[str, Any], outputs: Any, cache: ActivationCache
) -> Any:
    """Calls a layer with vectors; returns its outputs as vectors."""
    # A layer that reads one side is computed lazily, for the rows of that side. Where sides
    # interact, the layer is called by parts if that is supported, otherwise with repeated rows.
    flat = tf.nest.flatten((args, kwargs))
    vectors = [each for each in flat if isinstance(each, Vector)]
    sides = set().union(*(vector.sides for vector in vectors))
    if len(sides) == 1:

        @functools.cache
        def call() -> list[tf.Tensor]:
            tensors = [vector.computed for vector in vectors]
            return tf.nest.flatten(_call_with_tensors(layer, args, kwargs, tensors))

        (own_sides,) = sides
        lazy = [
            Vector([Part(own_sides, output.shape, lambda i=i: call()[i])])
            for i, output in enumerate(tf.nest.flatten(outputs))
        ]
        return tf.nest.pack_sequence_as(outputs, lazy)
    result = None
    if len(args) == 1 and len(vectors) == len(flat):
        result = _call_by_parts(layer, args[0], outputs, cache)
    if result is None:
        result = _call_with_tensors(layer, args, kwargs, cache.whole(vectors))
    all_sides = frozenset().union(*sides)

    def as_vector(value: Any) -> Vector:
        is_vector = isinstance(value, Vector)
        return value if is_vector else Vector([Part(all_sides, value.shape, lambda: value)])

    return tf.nest.map_structure(as_vector, result)


def _call_with_tensors(layer: Any, args: tuple, kwargs: dict[str, Any], tensors: list) -> Any:
    """Calls a layer with tensors in place of the vectors in its arguments."""
    rest = iter(tensors)
    args, kwargs = tf.nest.map_structure(
        lambda each: next(rest) if isinstance(each, Vector) else each, (args, kwargs)
    )
    return layer(*args, **kwargs)


def _call_by_parts(layer: Any, inputs: Any, outputs: Any, cache: ActivationCache) -> Any:
    """Returns the outputs of a layer as tensors or vectors, `None` if it does not support parts."""
    # Calling a Functional network is equal to calling its layers, unless they compute masks.
    is_divisible = is_functional(layer) and not any(map(computes_mask, layer.layers))
    if is_divisible and _keys(inputs) == _keys(layer.input):
        return _call_network(layer, inputs, cache)
    if type(layer) is tf.keras.Sequential and isinstance(inputs, Vector):
        return apply_layers(layer.layers, inputs, cache)
    if layer.compute_dtype != layer.variable_dtype:  # Keras casts the inputs before the call
        return None
    if type(layer) is tf.keras.layers.Concatenate:
        if layer.axis not in (-1, outputs.shape.rank - 1):
            return None

        def cast(part: Part) -> Part:
            return Part(part.sides, part.shape, lambda: tf.cast(part.computed, outputs.dtype))

        return Vector([cast(part) for vector in inputs for part in vector.parts])
    if type(layer) is tf.keras.layers.Dense:
        return apply_layers([layer], inputs, cache)
    return layer.call_parts(inputs, cache) if supports_parts(layer) else None


def _keys(inputs: Any) -> set[str]:
    return set(inputs) if isinstance(inputs, Mapping) else set()


def _call_network(network: tf.keras.Model, inputs: Any, cache: ActivationCache) -> Any:
    """Calls the layers of a Functional network one by one; returns its outputs as vectors."""
    vectors: dict[int, Vector] = {}  # by the identity of the symbolic tensor

    def store(symbolic: Any, values: Any) -> None:
        tf.nest.assert_same_structure(symbolic, values)
        pairs = zip(tf.nest.flatten(symbolic), tf.nest.flatten(values), strict=True)
        vectors.update((id(tensor), value) for tensor, value in pairs)

    store(network.input, inputs)
    for call in layer_calls(network):
        args, kwargs = tf.nest.map_structure(
            lambda each: vectors.get(id(each), each), (call.args, call.kwargs)
        )
        store(call.outputs, _call_layer(call.layer, args, kwargs, call.outputs, cache))
    return tf.nest.map_structure(lambda each: vectors[id(each)], network.output)
