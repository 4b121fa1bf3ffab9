"""The check that the signatures that rank score as their source does."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from rankkit._heads import score_of
from rankkit._one_query import in_order
from rankkit._queries import Columns
from rankkit._sample_rows import sample_of
from rankkit.candidate_pool import feature_tensors
from rankkit.export.parity import check_parity


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
        rank = _scores_of(loaded.signatures["rank_registered"], query, total, few)
        check_parity("The signature rank_registered", rank, _score_of(network), columns)


def _score_of(network: tf.keras.Model) -> Callable[[Any], Any]:
    return lambda columns: score_of(network(columns))


def _scores_of(
    signature: Any, columns: Mapping[str, tf.Tensor], rows: int, few: Any = slice(None)
) -> Callable[[Any], Any]:
    return lambda _: in_order(signature(k=tf.constant(rows), **columns), rows)[few]
