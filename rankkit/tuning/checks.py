"""Refuses what a search could not be run with, before it begins."""

from typing import Any

import keras_tuner as kt
import numpy as np

from rankkit._errors import invalid, unknown, wrong_type
from rankkit._fitting import value_errors
from rankkit.data.batches import check_number
from rankkit.tuning.hypermodel import RankingHyperModel


def check_seed(seed: int) -> None:
    """Refuses what cannot be a seed of Keras, NumPy and keras-tuner alike.

    Args:
        seed: The seed.

    Raises:
        ValueError: If it is no whole number, or out of their range.
    """
    check_number("seed", seed, 0)
    if seed >= 2**31 - 1000:
        raise invalid("seed", seed, f"a whole number from 0 to {2**31 - 1001}")


def check_fraction(fraction: float, rows: int) -> None:
    """Refuses a share that leaves no rows to train on, or none to validate on.

    Args:
        fraction: The share.
        rows: How many rows there are.

    Raises:
        ValueError: If it does.
        TypeError: If it is no number.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, int | float | np.number):
        raise wrong_type("validation_fraction", fraction, "a number between 0 and 1")
    if not 0 < fraction < 1 or not 0 < round(rows * fraction) < rows:
        expected = f"a share that leaves some of the {rows} rows on both sides"
        raise invalid("validation_fraction", fraction, expected, "Bring more rows or change it.")


def checked_objective(
    objective: Any, hypermodel: RankingHyperModel, columns: dict[str, np.ndarray]
) -> kt.Objective:
    """Tries a model on a row, and finds out whether it reports the objective.

    Args:
        objective: Name of what the model reports, or a `keras_tuner.Objective`.
        hypermodel: What builds the model.
        columns: The training rows.

    Raises:
        ValueError: If it does not report it, or it is not known what is better.
    """
    model = hypermodel.build(kt.HyperParameters())
    batching = hypermodel.batching
    if batching.negatives is None:  # which need all clicks
        columns = {name: column[:1] for name, column in columns.items()}
    with value_errors():
        for batch in batching.to_train(columns, 1, seed=0).take(1):
            model.compute_loss(batch)
    known = [f"val_{metric.name}" for metric in model.metrics]
    name = objective.name if isinstance(objective, kt.Objective) else objective
    if name not in known:
        raise unknown("objective", name, known)
    if isinstance(objective, kt.Objective) and objective.direction in ("min", "max"):
        return objective
    if isinstance(objective, kt.Objective) or not name.endswith(("loss", "error")):
        fix = f'Write keras_tuner.Objective({name!r}, "max"), or "min".'
        raise invalid("objective", name, "one whose direction is known", fix)
    return kt.Objective(name, "min")
