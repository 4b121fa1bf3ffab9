"""Scores of any scorer, in chunks."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.models.heads import score_name, score_of
from rankkit.models.network import feature_specs
from rankkit.ranking.graph import network_of, scores_function
from rankkit.training.model import value_errors
from rankkit.utils.errors import invalid


def specs_of(scorer: Any) -> dict[str, tf.TensorSpec] | None:
    """What a scorer takes, if it says so."""
    specs = getattr(scorer, "feature_specs", None)
    if specs is not None:
        return specs
    if isinstance(scorer, tf.keras.Model):
        return feature_specs(scorer)
    signatures = getattr(scorer, "signatures", {})
    if "serving_default" in signatures:
        return signatures["serving_default"].structured_input_signature[1]
    return None


def scores_of(scorer: Any, chunks: Iterable[Mapping[str, Any]], num_rows: int) -> np.ndarray:
    """Scores rows.

    Args:
        scorer: What maps a dict of columns to a score a row, or to a dict with `score` in it.
        chunks: The rows, as dicts of columns.
        num_rows: How many they are, all in all.

    Returns:
        The scores, `(num_rows,)`.

    Raises:
        ValueError: If it gives other than one finite score a row.
    """
    with value_errors():
        parts = [np.asarray(score_of(scorer(chunk))).reshape(-1) for chunk in chunks]
    scores = np.concatenate(parts) if parts else np.zeros(0)
    if len(scores) != num_rows:
        raise invalid("scores", len(scores), f"one for each of {num_rows} rows")
    return finite(scores)


def finite(scores: np.ndarray) -> np.ndarray:
    """Gives scores, and refuses those that cannot be ordered.

    Raises:
        ValueError: If one is not finite.
    """
    if not np.isfinite(scores).all():
        raise invalid("scores", scores[~np.isfinite(scores)][0], "finite", "Has training diverged?")
    return scores


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
