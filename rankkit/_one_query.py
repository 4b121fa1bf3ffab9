"""Scores candidates for a query of one row, where that takes less than a row for each of them."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._heads import score_name
from rankkit._scoring import specs_of
from rankkit._traced import network_of, scores_function

Scorer = Callable[[Mapping[str, tf.Tensor]], Any]


def scorer_of_one_query(scorer: Any, query: Collection[str]) -> Scorer | None:
    """Gives what maps the query's columns, of one row, and the candidates' to scores.

    Args:
        scorer: What maps columns of rows to scores.
        query: Names of the query's features.

    Returns:
        The function; `None` for a scorer that knows rows alone.
    """
    specs = specs_of(scorer)
    if specs is None or not set(specs) - set(query):
        return None
    network = network_of(scorer)
    if network is not None:
        function = scores_function(network, query)
        return lambda columns: function(**columns)
    signature = _rank_signature(scorer, specs)
    return None if signature is None else _by_signature(signature)


def _rank_signature(scorer: Any, specs: Mapping[str, tf.TensorSpec]) -> Any:
    """The signature of an export that ranks, if it has one."""
    if hasattr(scorer, "rank_signature"):
        return scorer.rank_signature
    signature = getattr(scorer, "signatures", {}).get("rank")
    if signature is None:
        return None
    # Others may mean something else by the word.
    takes = signature.structured_input_signature[1]
    is_ours = set(takes) == {*specs, "k"}
    return signature if is_ours and "index" in signature.structured_outputs else None


def _by_signature(signature: Any) -> Scorer:
    def scores(columns: Mapping[str, tf.Tensor]) -> np.ndarray:
        rows = max(len(column) for column in columns.values())
        return in_order(signature(k=tf.constant(rows), **columns), rows)

    return scores


def in_order(outputs: Mapping[str, tf.Tensor], rows: int) -> np.ndarray:
    """Gives the scores of the best rows at the places of these rows, `-inf` elsewhere.

    Args:
        outputs: What a signature that ranks gave.
        rows: How many rows there are.
    """
    scores = np.full(rows, -np.inf, np.float32)
    scores[outputs["index"].numpy()] = outputs[score_name(outputs)].numpy()
    return scores
