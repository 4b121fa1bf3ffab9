"""`search`: runs a search and trains the best model on all examples."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np

from rankkit.data.batches import check_number
from rankkit.data.columns import as_columns
from rankkit.training.model import RankingModel, value_errors
from rankkit.tuning.hypermodel import RankingHyperModel
from rankkit.tuning.oracles import Journaled
from rankkit.tuning.plan import Plan
from rankkit.tuning.processes import check_picklable, own_part
from rankkit.tuning.reporting import trial_table
from rankkit.tuning.space import without_tuners_own
from rankkit.tuning.trial import StopOnNaN, fresh_model
from rankkit.utils.errors import invalid, unknown, wrong_type


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


def search(
    hypermodel: RankingHyperModel,
    rows: Any,
    *,
    directory: str | os.PathLike[str],
    tuner: str = "random",
    max_trials: int = 20,
    epochs: int = 40,
    patience: int = 5,
    prune: bool = True,
    validation_fraction: float = 0.1,
    objective: str | kt.Objective = "val_root_mean_squared_error",
    executions_per_trial: int = 1,
    max_consecutive_failed_trials: int = 3,
    seed: int = 42,
    workers: int = 1,
    chief_timeout: float = 300.0,
    overwrite: bool = False,
    verbose: int = 1,
) -> SearchResult:
    """Searches hyperparameters with keras-tuner, and trains the winner on all rows.

    A part of the rows is split off, and each trial is trained on the others until that part is
    predicted no better for `patience` epochs. The best trial's values then train a new model on
    all rows, for as many epochs as were best.

    A search that was interrupted, whatever way, goes on with the same call: trials that have
    ended are kept, one that was running is run again, and the result is that of a search without
    the interruption. The folder is keras-tuner's, with a journal beside its files; TensorBoard
    shows it.

    With `workers`, the trials are shared out among so many processes on this machine. Where
    keras-tuner's environment variables `KERASTUNER_TUNER_ID`, `KERASTUNER_ORACLE_IP` and
    `KERASTUNER_ORACLE_PORT` are set, this process is the chief or a worker of a search over
    several machines; the chief returns the result, and a worker's process is ended, by
    `SystemExit`, when the search is over.

    Args:
        hypermodel: The space of models.
        rows: The training rows, as a dict of arrays or lists, or a pandas DataFrame.
        directory: A new or empty folder for the search, or that of this very search.
        tuner: `"random"`, `"bayesian"`, `"hyperband"` or `"grid"`. Defaults to `"random"`.
        max_trials: The most trials. A grid is made as fine as they allow, Hyperband's schedule as
            long. Defaults to `20`.
        epochs: The most epochs of a trial. Defaults to `40`.
        patience: Epochs without an improvement after which a trial ends. Defaults to `5`.
        prune: Whether a trial ends after a fifth or two fifths of the epochs when its best until
            then is behind the median of those of the trials that began before it, three or more.
            Its row of the table says so. Hyperband has its own rule. Defaults to `True`.
        validation_fraction: Share of the rows to validate on. Defaults to `0.1`.
        objective: What the model reports and the search minimizes, or a `keras_tuner.Objective`.
            Defaults to `"val_root_mean_squared_error"`.
        executions_per_trial: How often each trial is run, with other seeds; the score is the mean.
            Defaults to `1`.
        max_consecutive_failed_trials: So many failures in a row end the search with the reason of
            the last. Defaults to `3`.
        seed: Chooses the validation rows, the trials, weights, dropout and the order of rows. It
            is set as the global seed of Keras at each trial. Defaults to `42`.
        workers: Processes on this machine that train trials at a time. Scripts that ask for more
            than one need `if __name__ == "__main__":`. Defaults to `1`.
        chief_timeout: Seconds that a worker waits for the chief to be there. Defaults to `300.0`.
        overwrite: Whether to delete a search that is in the folder. Defaults to `False`.
        verbose: 0 for silence, 1 for a table of the trials. Defaults to `1`.

    Returns:
        The winner, its hyperparameters and all trials.

    Raises:
        ValueError: If an argument is impossible, the model does not report the objective, or the
            folder holds another search: of other rows, space, settings or versions.
        RuntimeError: If trials fail one after another, a worker dies, or the folder is in use.
        OSError: If the chief's port is in use.
        TimeoutError: If a worker finds no chief.

    Example:
        >>> import tempfile
        >>> import rankkit as rk
        >>> rows, _ = rk.data.synthetic_ratings(500)
        >>> hypermodel = rk.tuning.RankingHyperModel(
        ...     {
        ...         name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 4)
        ...         for name in ("user_id", "item_id")
        ...     },
        ...     label="user_rating",
        ...     space={"tower_width": [8, 16], "learning_rate": (0.01, 0.1)},
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = rk.tuning.search(
        ...         hypermodel, rows, directory=folder, max_trials=2, epochs=2, verbose=0
        ...     )
        >>> sorted(found.hyperparameters)
        ['learning_rate', 'tower_width']
        >>> [trial["status"] for trial in found.trials]
        ['COMPLETED', 'COMPLETED']
    """
    if not isinstance(hypermodel, RankingHyperModel):
        raise wrong_type("hypermodel", hypermodel, "a rankkit.tuning.RankingHyperModel")
    numbers = {
        "max_trials": max_trials,
        "epochs": epochs,
        "patience": patience,
        "executions_per_trial": executions_per_trial,
        "max_consecutive_failed_trials": max_consecutive_failed_trials,
        "workers": workers,
    }
    for name, value in numbers.items():
        check_number(name, value, 1)
        numbers[name] = int(value)  # not NumPy's: they go into files as JSON
    check_number("verbose", verbose, 0)
    if isinstance(chief_timeout, bool) or not isinstance(chief_timeout, int | float):
        raise wrong_type("chief_timeout", chief_timeout, "a number of seconds")
    if not isinstance(directory, str | os.PathLike):
        raise wrong_type("directory", directory, "the path of a folder")
    check_seed(seed)
    columns = as_columns(rows, hypermodel.columns)
    check_fraction(validation_fraction, len(columns[hypermodel.columns[0]]))
    plan = Plan(
        hypermodel=hypermodel,
        columns=columns,
        directory=Path(directory),
        objective=checked_objective(objective, hypermodel, columns),
        tuner=tuner,
        prune=bool(prune) and tuner != "hyperband",  # which has rungs of its own
        validation_fraction=float(validation_fraction),
        seed=int(seed),
        chief_timeout=chief_timeout,
        verbose=verbose,
        **numbers,
    )
    plan.make_oracle()  # refuses a tuner that does not fit before anything is written
    part = own_part()
    if part.role == "worker":
        plan.join()
        raise SystemExit(0)
    with plan.claimed(overwrite=overwrite):
        several = workers > 1 and part.role == "alone"
        if several:
            check_picklable(hypermodel)
        return train_winner(plan, plan.run_here() if several else plan.run())


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
