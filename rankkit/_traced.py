"""Functions of a network for ranking, each traced once for any number of rows."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit._headed import HeadScorer
from rankkit._heads import score_of
from rankkit._own_code import has_own_layers
from rankkit._parts import Kept, of_equal_length
from rankkit._walk import is_functional, outputs_in_parts
from rankkit.model import RankingModel
from rankkit.network import feature_specs

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
    network = scorer.network if asks_network or type(scorer) is HeadScorer else scorer
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
