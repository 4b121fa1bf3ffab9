"""The winner of a search, trained on all rows."""

import dataclasses
from typing import Any

import keras_tuner as kt

from rankkit.model import RankingModel
from rankkit.tuning.hyperparameters import without_tuners_own
from rankkit.tuning.journaled import Journaled
from rankkit.tuning.plan import Plan
from rankkit.tuning.table import trial_table
from rankkit.tuning.trial_runs import StopOnNaN, fresh_model


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """What a search has found.

    Attributes:
        model: The winner, trained on all training rows.
        hyperparameters: Hyperparameter to value, of the winner.
        epochs: How many epochs the winner was trained for: those of its best epoch in the search.
        score: The winner's objective on the validation rows, before it was trained on them too.
        trials: One dict for each trial, in the order in which they began: `trial`, `status`,
            `score`, `best_epoch`, `seconds`, `worker`, `message`, and its hyperparameters.
    """

    model: RankingModel
    hyperparameters: dict[str, Any]
    epochs: int
    score: float
    trials: list[dict[str, Any]]


def train_winner(plan: Plan, oracle: Journaled) -> SearchResult:
    """Trains the best trial's values on all rows, for as many epochs as were best.

    Args:
        plan: The search.
        oracle: Knows its trials.

    Raises:
        RuntimeError: If there is no best trial, or its values do not work on all rows.
    """
    if oracle.stopped_by is not None:
        raise RuntimeError(
            f"The search was stopped by max_consecutive_failed_trials="
            f"{plan.max_consecutive_failed_trials}: so many trials in a row failed. Without the "
            "reason, the same search goes on with the last of them. It failed by\n"
            f"{oracle.stopped_by}"
        )
    trials = trial_table(oracle)
    [best] = oracle.get_best_trials(1) or [None]
    if best is None or best.status != "COMPLETED":
        reasons = {row["message"] for row in trials}
        raise RuntimeError(f"None of {len(trials)} trials was completed: {reasons}.")
    epochs = round(best.metrics.get_best_value("epochs"))
    hp = best.hyperparameters.copy()
    if "epochs" in hp.values:
        hp.values["epochs"] = epochs
    count = len(plan.columns[plan.hypermodel.columns[0]])
    plan.progress(oracle).say(
        f"trial {best.trial_id} is the best, {best.score:.4f}: training it on all {count:,} rows "
        f"for {epochs} epochs"
    )
    model = fresh_model(plan.hypermodel, hp, plan.seed)
    settings: dict[str, Any] = {"epochs": epochs, "seed": plan.seed, "verbose": 0}
    try:
        plan.hypermodel.fit(hp, model, plan.columns, callbacks=[StopOnNaN()], **settings)
    except kt.errors.FailedTrialError as error:
        raise RuntimeError(
            f"Trial {best.trial_id} is the best, and diverges on all rows: {error} Search another "
            "space, such as lower learning rates."
        ) from None
    values = without_tuners_own(best.hyperparameters.values)
    return SearchResult(model, values, epochs, float(best.score), trials)
