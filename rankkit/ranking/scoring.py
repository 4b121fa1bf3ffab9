"""Scores of any kind of scorer, computed in chunks."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.list_context import rows_of_scorer
from rankkit.models.heads import score_of
from rankkit.models.network import feature_specs
from rankkit.ranking.graph import get_network, make_scores_function
from rankkit.utils.errors import invalid
from rankkit.utils.graph_errors import plain_errors
from rankkit.utils.score import score_name

Scorer = Callable[[Mapping[str, tf.Tensor]], Any]


def get_feature_specs(scorer: Any) -> dict[str, tf.TensorSpec] | None:
    """Returns the features that a scorer takes, or `None` if it does not declare them."""
    specs = getattr(scorer, "feature_specs", None)
    if specs is not None:
        return specs
    if isinstance(scorer, tf.keras.Model):
        return feature_specs(scorer)
    signatures = getattr(scorer, "signatures", {})
    if "serving_default" in signatures:
        return signatures["serving_default"].structured_input_signature[1]
    return None


def compute_scores(
    scorer: Any, chunks: Iterable[Mapping[str, Any]], num_rows: int, allows_nan: bool = False
) -> np.ndarray:
    """Scores `num_rows` rows, given as chunks of columns; raises unless all scores are finite."""
    with plain_errors(), rows_of_scorer(scorer):
        scores = [np.asarray(score_of(scorer(chunk))).reshape(-1) for chunk in chunks]
    joined = np.concatenate(scores) if scores else np.zeros(0)  # (num_rows,)
    if len(joined) != num_rows:
        raise ValueError(
            f"A scorer must return scores, one for each of {num_rows} rows. "
            f"Got: {len(joined)} scores. Return an array of shape (rows,) or (rows, 1) in each "
            "call, which has a part of the rows. To evaluate existing scores, pass their array."
        )
    return joined if allows_nan else check_finite_scores(joined)


def check_finite_scores(scores: np.ndarray) -> np.ndarray:
    """Returns the scores; raises if one is NaN or infinite."""
    if not np.isfinite(scores).all():
        fix = "Check whether training diverged."
        raise invalid("each score", scores[~np.isfinite(scores)][0], "finite", fix)
    return scores


def make_single_query_scorer(scorer: Any, query: Collection[str]) -> Scorer | None:
    """Makes a scorer whose input has one row in query columns, and all rows in candidate columns.

    Returns `None` if the scorer can only score rows, or takes no feature of the candidates.
    """
    specs = get_feature_specs(scorer)
    if specs is None or not set(specs) - set(query):
        return None
    network = get_network(scorer)
    if network is not None:
        function = make_scores_function(network, query)
        return lambda columns: function(**columns)
    signature = _get_rank_signature(scorer, specs)
    if signature is None:
        return None

    def score(columns: Mapping[str, tf.Tensor]) -> np.ndarray:
        num_rows = max(len(column) for column in columns.values())
        return scatter_scores(signature(k=tf.constant(num_rows), **columns), num_rows)

    return score


def _get_rank_signature(scorer: Any, specs: Mapping[str, tf.TensorSpec]) -> Any:
    if hasattr(scorer, "rank_signature"):
        return scorer.rank_signature
    signature = getattr(scorer, "signatures", {}).get("rank")
    if signature is None:
        return None
    # Exports of other libraries may have a signature of the same name.
    is_ours = set(signature.structured_input_signature[1]) == {*specs, "k"}
    return signature if is_ours and "index" in signature.structured_outputs else None


def scatter_scores(outputs: Mapping[str, tf.Tensor], num_rows: int) -> np.ndarray:
    """Puts the scores that a rank signature returned in the order of its input, else `-inf`."""
    scores = np.full(num_rows, -np.inf, np.float32)
    scores[outputs["index"].numpy()] = outputs[score_name(outputs)].numpy()
    return scores
