"""Check that an exported model gives the scores of the live one."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.models.heads import score_of
from rankkit.models.network import readers
from rankkit.ranking.candidates import feature_tensors
from rankkit.ranking.queries import Columns
from rankkit.ranking.scoring import in_order
from rankkit.utils.errors import invalid, wrong_type
from rankkit.utils.tensorflow import sample_of

TOLERANCE = 1e-5


def sample_columns(network: tf.keras.Model, count: int = 32) -> dict[str, list]:
    """Makes up rows to try a network with, unknown ids included.

    Args:
        network: A network of `rankkit.ranking_network`.
        count: Number of rows, at least 2. Defaults to `32`.

    Returns:
        Feature name to `count` raw values from its layer's `sample_values`, turned by one row
        from feature to feature, so that unknown ids meet known ones.

    Raises:
        TypeError: If a feature's layer has no `sample_values`.
    """
    rows = {}
    for shift, name in enumerate(network.input):
        values = _sample_of(name, network, count)
        rows[name] = values[shift % count :] + values[: shift % count]
    return rows


def _sample_of(name: str, network: tf.keras.Model, count: int) -> list:
    takers = readers(network, name)
    for layer, place in takers:
        if hasattr(layer, "sample_values"):
            values = layer.sample_values(count)
            return values[place] if isinstance(values, tuple) else values
    fix = "Give the layer that method, or pass sample=, a few real rows."
    layer = takers[0][0] if takers else None
    raise wrong_type(f"layer of feature {name!r}", layer, "one with sample_values", fix)


def max_abs_difference(scorer: Any, other: Any, columns: Mapping[str, Any]) -> float:
    """Gives the largest difference between what two scorers give, of several heads all of it.

    Args:
        scorer: Any scorer: a model, a loaded SavedModel or TensorFlow Lite file.
        other: Another.
        columns: Rows to score, feature name to values.

    Returns:
        The largest absolute difference, in units of the score.

    Raises:
        ValueError: If they do not give as many numbers.
    """
    ours, theirs = _scores(columns, scorer, other)
    if len(ours) != len(theirs):
        expected = f"as many as the other's, {len(theirs)}"
        raise invalid("numbers of a scorer", len(ours), expected, "Compare the same heads.")
    return float(np.max(np.abs(ours - theirs), initial=0.0))


def _scores(columns: Mapping[str, Any], *scorers: Any) -> list[np.ndarray]:
    """What scorers give: of several heads, what all of them give."""
    tensors = {name: tf.convert_to_tensor(values) for name, values in columns.items()}
    found = [getattr(scorer, "outputs_of", scorer)(tensors) for scorer in scorers]
    return [
        np.concatenate([np.asarray(each, float).reshape(-1) for each in tf.nest.flatten(outputs)])
        for outputs in found
    ]


def check_parity(what: str, scorer: Any, source: Any, columns: Mapping[str, Any]) -> None:
    """Refuses an export that scores otherwise than its source.

    Args:
        what: The export, for the message.
        scorer: The export, loaded.
        source: The scorer it was made from.
        columns: Rows to score, feature name to values.

    Raises:
        ValueError: If two scores differ by more than 1e-5, or by that share of a score above 1;
            if there is no row, or a score is not finite.
    """
    ours, theirs = _scores(columns, scorer, source)
    if not len(theirs):
        raise invalid("sample", columns, "at least one row")
    if not np.isfinite(theirs).all():
        raise invalid("scores of the model", theirs, "finite", "Has training diverged?")
    if not np.all(np.abs(ours - theirs) <= TOLERANCE * np.maximum(1.0, np.abs(theirs))):
        raise ValueError(
            f"{what} must score as its source does, within {TOLERANCE:g}. Got: a difference of "
            f"{np.max(np.abs(ours - theirs)):g}. Nothing was written."
        )


def check_ranking(
    loaded: Any,
    network: tf.keras.Model,
    sample: Mapping[str, tf.Tensor],
    candidates: Columns | None,
) -> None:
    """Refuses a SavedModel whose signatures rank by other scores than its source.

    Args:
        loaded: The SavedModel as TensorFlow loads it.
        network: Its source.
        sample: Rows, feature name to values.
        candidates: The registered candidates, or `None`.

    Raises:
        ValueError: If two scores differ by more than 1e-5, or by that share of a score above 1.
    """
    rows = len(next(iter(sample.values())))
    for name in sample:  # each in turn is the query's
        of_query = {} if len(sample) == 1 else {name: sample[name][:1]}
        repeated = {each: tf.repeat(column, rows, axis=0) for each, column in of_query.items()}
        rank = _scores_of(loaded.signatures["rank"], {**sample, **of_query}, rows)
        check_parity("The signature rank", rank, _score_of(network), {**sample, **repeated})
    if candidates is None:
        return
    total = len(next(iter(candidates.values())))
    few = sample_of(total)
    features = feature_tensors(network, candidates, few)
    for place in (0, rows - 1):  # the last is of unknown ids
        query = {n: each[place : place + 1] for n, each in sample.items() if n not in candidates}
        columns = {n: tf.repeat(each, len(few), axis=0) for n, each in query.items()} | features
        rank = _scores_of(loaded.signatures["rank_indexed"], query, total, few)
        check_parity("The signature rank_indexed", rank, _score_of(network), columns)


def _score_of(network: tf.keras.Model) -> Callable[[Any], Any]:
    return lambda columns: score_of(network(columns))


def _scores_of(
    signature: Any, columns: Mapping[str, tf.Tensor], rows: int, few: Any = slice(None)
) -> Callable[[Any], Any]:
    return lambda _: in_order(signature(k=tf.constant(rows), **columns), rows)[few]
