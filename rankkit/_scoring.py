"""Asks any scorer for the scores of rows."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid
from rankkit._fitting import value_errors
from rankkit._heads import score_of
from rankkit.network import feature_specs


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
