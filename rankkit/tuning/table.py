"""The trials of a search as rows."""

from typing import Any

from rankkit.tuning.hyperparameters import without_tuners_own
from rankkit.tuning.journaled import Journaled


def trial_table(oracle: Journaled) -> list[dict[str, Any]]:
    """Gives one row for each trial that has ended or is running, in the order of their ids.

    Args:
        oracle: Knows the trials.
    """
    return [_row(oracle, oracle.trials[trial_id]) for trial_id in sorted(oracle.trials)]


def _row(oracle: Journaled, trial: Any) -> dict[str, Any]:
    begun = oracle.begun.get(trial.trial_id, {})
    ended = oracle.ended.get(trial.trial_id, {})
    epochs = ended.get("metrics", {}).get("epochs")
    seconds = ended["time"] - begun["time"] if ended and begun else None
    return {
        "trial": trial.trial_id,
        "status": trial.status,
        "score": float(trial.score) if trial.status == "COMPLETED" else None,
        "best_epoch": None if epochs is None else round(epochs),
        "seconds": None if seconds is None else round(seconds, 3),
        "worker": begun.get("tuner"),
        "message": trial.message.splitlines()[0] if trial.message else None,
        **without_tuners_own(trial.hyperparameters.values),
    }
