"""Searches hyperparameters, alone or with other processes."""

import os
from pathlib import Path
from typing import Any

import keras_tuner as kt

from rankkit._errors import wrong_type
from rankkit.data.batches import check_number
from rankkit.data.columns import as_columns
from rankkit.tuning import cluster
from rankkit.tuning.checks import check_fraction, check_seed, checked_objective
from rankkit.tuning.hypermodel import RankingHyperModel
from rankkit.tuning.plan import Plan
from rankkit.tuning.winner import SearchResult, train_winner
from rankkit.tuning.workers import check_picklable


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
    part = cluster.own_part()
    if part.role == "worker":
        plan.join()
        raise SystemExit(0)
    with plan.claimed(overwrite=overwrite):
        several = workers > 1 and part.role == "alone"
        if several:
            check_picklable(hypermodel)
        return train_winner(plan, plan.run_here() if several else plan.run())
