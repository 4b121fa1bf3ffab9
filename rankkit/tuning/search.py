"""`search`: runs a hyperparameter search and trains the best model on all rows."""

import contextlib
import dataclasses
import functools
import itertools
import math
import os
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np
import tensorflow as tf

from rankkit.data.columns import as_columns
from rankkit.data.splits import num_test
from rankkit.metrics import ListMetric
from rankkit.training.model import RankingModel
from rankkit.tuning._keras_tuner import delete_tuner_state
from rankkit.tuning.hypermodel import RankingHyperModel
from rankkit.tuning.journal import RESUME, Journal, damaged
from rankkit.tuning.oracles import FAILURE, JournaledOracle
from rankkit.tuning.plan import JOURNAL, PROJECT, Plan, check_fingerprint, claim
from rankkit.tuning.processes import (
    Role,
    check_picklable,
    check_port_is_free,
    own_role,
    run_on_this_host,
    wait_for_chief,
)
from rankkit.tuning.reporting import TENSORBOARD, log_experiment, trial_table
from rankkit.tuning.space import without_tuner_values
from rankkit.tuning.trial import StopOnNaN, TrialRunner, build_model
from rankkit.utils.errors import (
    check_boolean,
    check_choice,
    check_integer,
    check_number,
    check_path,
    invalid,
    wrong_type,
)
from rankkit.utils.files import host_error
from rankkit.utils.graph_errors import plain_errors
from rankkit.utils.keras import function_of


@dataclasses.dataclass(frozen=True)
class SearchResult:
    """The result of `search`.

    Attributes:
        model: The best model, a `rankkit.RankingModel` trained on all rows; `None` with
            `train_best=False`.
        hyperparameters: Hyperparameter to value, of the best model.
        epochs: The number of epochs to train the best model for: up to its best epoch in the
            search.
        score: The objective of the best trial on the validation rows.
        trials: One dict for each trial, in the order in which they started: `trial`, `status`,
            `score`, `best_epoch`, `seconds`, `worker`, `message`, and its hyperparameters.
    """

    model: Any
    hyperparameters: dict[str, Any]
    epochs: int
    score: float
    trials: list[dict[str, Any]]


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
    validation_rows: Any = None,
    objective: str | kt.Objective | None = None,
    executions_per_trial: int = 1,
    max_consecutive_failed_trials: int = 3,
    seed: int = 42,
    workers: int = 1,
    chief_timeout: float = 300.0,
    overwrite: bool = False,
    train_best: bool = True,
    verbose: int = 1,
) -> SearchResult:
    """Searches hyperparameters with keras-tuner and trains the best model on all rows.

    A random part of the rows is held out for validation, unless you pass rows for it. Each trial
    is trained on the other rows until the objective has not improved for `patience` epochs. The
    values of the best trial are then trained on all rows, for the number of epochs that was best.

    The same call resumes an interrupted search: completed trials are kept, a trial that was
    running is run again, and the result is the same as without the interruption. The folder has
    keras-tuner's format, with a journal beside its files and logs for TensorBoard.

    With `workers`, the trials are distributed over as many processes on this host. If
    keras-tuner's environment variables `KERASTUNER_TUNER_ID`, `KERASTUNER_ORACLE_IP` and
    `KERASTUNER_ORACLE_PORT` are set, this process is the chief or a worker of a search on several
    hosts: the chief returns the result, and a worker exits by `SystemExit` after the search.

    Args:
        hypermodel: The search space of models.
        rows: The training rows, as a dict of arrays or lists, or a pandas DataFrame.
        directory: A new or empty folder for the search, or the folder of a search to resume.
        tuner: `"random"`, `"bayesian"`, `"hyperband"` or `"grid"`. Defaults to `"random"`.
        max_trials: The maximum number of trials. The grid and Hyperband's schedule are the
            largest that fit. Defaults to `20`.
        epochs: The maximum number of epochs of a trial. Defaults to `40`.
        patience: Epochs without improvement after which a trial ends. Defaults to `5`.
        prune: Whether to prune trials by the median stopping rule: after 20 % and 40 % of
            `epochs`, but not before the fourth epoch, a trial ends if its best objective so far is
            worse than the median of at least three earlier trials at the same epoch. Ignored by
            Hyperband, which has its own rule. Defaults to `True`.
        validation_fraction: Fraction of the rows to validate on, at random. Defaults to `0.1`.
        validation_rows: Rows to validate on instead, such as later ones; the best model is trained
            on these too. Defaults to `None`.
        objective: Name of a metric that the models report, or a `keras_tuner.Objective`, which a
            metric of your own needs for its direction. Defaults to `None`:
            `"val_root_mean_squared_error"` if the scores estimate the label and the models report
            it, otherwise `"val_loss"`.
        executions_per_trial: Runs of each trial, with different seeds; scores are averaged.
            Defaults to `1`.
        max_consecutive_failed_trials: Number of failed trials in a row that stops the search with
            an error. Defaults to `3`.
        seed: Seed of the split, the trials, weights, dropout and shuffling. Each trial sets it as
            Keras's global seed. Defaults to `42`.
        workers: Number of processes on this host that run trials in parallel. With more than one,
            a script needs `if __name__ == "__main__":`. Defaults to `1`.
        chief_timeout: Seconds that a worker waits for the chief. Defaults to `300.0`.
        overwrite: Whether to delete a search that is in the folder. Defaults to `False`.
        train_best: Whether to train the best model on all rows, after the search. Defaults to
            `True`.
        verbose: 0 for no output, 1 for a line for each trial. Defaults to `1`.

    Returns:
        The best model, its hyperparameters and all trials.

    Raises:
        ValueError: If an argument is invalid, the model does not report the objective, or the
            folder holds another search, of other rows, space, settings or versions, or is damaged.
        RuntimeError: If too many trials fail, a worker dies, the host has an error, such as a full
            disk or a missing permission, or the folder is in use.
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
    numbers = {name: check_integer(name, value) for name, value in numbers.items()}
    verbose = check_integer("verbose", verbose, 0)
    seed = check_integer("seed", seed, 0)
    if seed >= 2**31 - 1000:  # executions have consecutive seeds
        raise invalid("seed", seed, f"an integer from 0 to {2**31 - 1001}")
    expected = "a number of seconds, at least 0"
    chief_timeout = check_number("chief_timeout", chief_timeout, expected, least=0, most=math.inf)
    prune, overwrite = check_boolean("prune", prune), check_boolean("overwrite", overwrite)
    train_best = check_boolean("train_best", train_best)
    directory = check_path("directory", directory, "the path of a folder")
    names = hypermodel.columns
    columns = as_columns(rows, names)
    num_rows = len(columns[names[0]])
    num_test(num_rows, validation_fraction, argument="validation_fraction")  # raises
    validation = None
    if validation_rows is not None:
        validation = as_columns(validation_rows, names, argument="validation_rows")
    plan = Plan(
        hypermodel=hypermodel,
        columns=columns,
        validation=validation,
        directory=Path(directory),
        objective=_check_objective(objective, hypermodel, columns),
        tuner=tuner,
        prune=prune and tuner != "hyperband",
        validation_fraction=float(validation_fraction),
        seed=seed,
        chief_timeout=chief_timeout,
        verbose=verbose,
        **numbers,
    )
    plan.make_oracle()  # raises if the tuner does not fit, before anything is written
    role = own_role()
    if role.kind == "worker":
        _join(plan, role)
        raise SystemExit(0)
    with claim(plan.directory, plan.fingerprint(), overwrite=overwrite):
        use_workers = workers > 1 and role.kind == "alone"
        oracle = _run_with_workers(plan) if use_workers else _run(plan)
        return _result(plan, oracle, train_best=train_best)


def _check_objective(
    objective: Any, hypermodel: RankingHyperModel, columns: dict[str, np.ndarray]
) -> kt.Objective:
    """Checks, with a model and one row, that the objective is reported; returns its direction."""
    model = hypermodel.build(kt.HyperParameters())
    batching = hypermodel.batching
    if batching.negatives is None:  # negatives are sampled from the items of all clicks
        columns = {name: column[:1] for name, column in columns.items()}
    with plain_errors():
        for batch in batching.make(columns, 1, shuffle=True, seed=0).take(1):
            model.compute_loss(batch)
    known = {f"val_{metric.name}": metric for metric in model.metrics}
    if objective is None:
        is_error = model.score_kind == "estimate" and _USUAL_OBJECTIVE in known
        objective = _USUAL_OBJECTIVE if is_error else "val_loss"
    name = objective.name if isinstance(objective, kt.Objective) else objective
    check_choice("objective", name, known)
    is_given = isinstance(objective, kt.Objective)
    direction = objective.direction if is_given else _direction(known[name])
    if direction not in ("min", "max"):
        fix = f'Pass keras_tuner.Objective({name!r}, "max"), or "min".'
        raise invalid("objective", name, "a metric of known direction", fix)
    return kt.Objective(name, direction)


_USUAL_OBJECTIVE = "val_root_mean_squared_error"
_METRICS = tf.keras.metrics
_MAXIMIZED = (
    ListMetric, _METRICS.AUC, _METRICS.F1Score, _METRICS.Precision, _METRICS.PrecisionAtRecall,
    _METRICS.Recall, _METRICS.RecallAtPrecision, _METRICS.SensitivityAtSpecificity,
    _METRICS.SpecificityAtSensitivity,
)  # fmt: skip


def _direction(metric: tf.keras.metrics.Metric) -> str | None:
    """The direction of a metric by its class or name; `None` if it is unknown."""
    if isinstance(metric, _MAXIMIZED) or metric.name.endswith("accuracy"):
        return "max"
    is_loss = function_of(metric) in vars(tf.keras.losses).values()  # such as "mae"
    return "min" if is_loss or metric.name.endswith(("loss", "error")) else None


def _run(plan: Plan) -> JournaledOracle:
    """Runs the search, alone or as the chief; returns the oracle with all trials."""
    try:
        return _run_trials(plan)
    except Exception as error:
        number = host_error(error)
        if number is None or isinstance(error, RuntimeError):  # that of a trial is complete
            raise
        raise RuntimeError(
            f"The search in {plan.directory} was interrupted by an error of this host: "
            f"{os.strerror(number)}. {RESUME}"
        ) from error


def _run_trials(plan: Plan) -> JournaledOracle:
    if (address := own_role().address) is not None:
        check_port_is_free(address)
    oracle = plan.make_oracle()
    with contextlib.closing(Journal(plan.directory / JOURNAL)) as journal:
        tuner = _make_tuner(plan, oracle)
        _replay(plan, oracle)
        if oracle.trials:
            tuner.progress.write_line(f"resuming after {len(oracle.ended)} trials")
        space, objective = plan.hypermodel.space, plan.objective
        tuner.progress.write_line(f"objective: {objective.direction} {objective.name}")
        log_experiment(plan.directory / TENSORBOARD, space, objective.name)
        oracle.write_to(journal, tuner.progress)
        tuner.search(*plan.split_rows())
    return oracle


def _make_tuner(plan: Plan, oracle: JournaledOracle) -> TrialRunner:
    # The journal is replayed instead of keras-tuner's own state.
    delete_tuner_state(plan.directory / PROJECT, own_role().tuner_id)
    return TrialRunner(oracle, plan)


def _work(plan: Plan) -> None:
    """Runs trials of the chief."""
    silent = dataclasses.replace(plan, verbose=0)
    _make_tuner(silent, silent.make_oracle()).search(*plan.split_rows())


def _join(plan: Plan, role: Role) -> None:
    """Runs trials of the chief, if it runs the same search."""
    try:
        wait_for_chief(role, plan.chief_timeout)
    except TimeoutError:
        if [event["event"] for event in plan.read_journal()[-1:]] == ["complete"]:
            return  # the other workers were faster
        raise
    check_fingerprint(plan.directory, plan.fingerprint())
    _work(plan)


def _run_with_workers(plan: Plan) -> JournaledOracle:
    """Runs the search in several processes on this host; returns the oracle."""
    check_picklable(plan)
    if not (oracle := _replayed(plan)).is_complete:
        num_events = len(plan.read_journal())

        def has_ended() -> bool:
            new = plan.read_journal()[num_events:]
            return any(event["event"] in ("complete", "stopped") for event in new)

        run_on_this_host(functools.partial(_run_member, plan), plan.workers, has_ended)
        oracle = _replayed(plan)
    return oracle


def _replayed(plan: Plan) -> JournaledOracle:
    oracle = plan.make_oracle()
    _make_tuner(plan, oracle)
    _replay(plan, oracle)
    return oracle


def _replay(plan: Plan, oracle: JournaledOracle) -> None:
    """Replays the journal; raises if it lacks the lines of a trial that left results."""
    path = plan.directory / JOURNAL
    oracle.replay(events := plan.read_journal(), path)
    results = [
        (plan.directory / PROJECT).glob(f"trial_*/{name}") for name in ("checkpoint", FAILURE)
    ]
    found = {each.parent.name.removeprefix("trial_") for each in itertools.chain(*results)}
    if lost := found - set(oracle.trials):
        raise damaged(path, len(events) + 1, f"the lines of trial {min(lost)} are missing")


def _run_member(plan: Plan) -> None:
    role = own_role()
    if role.kind == "worker":
        wait_for_chief(role, plan.chief_timeout)
        _work(plan)
    else:
        _run(plan)


def _result(plan: Plan, oracle: JournaledOracle, *, train_best: bool) -> SearchResult:
    """Returns the best trial, with a model of its values for the best number of epochs."""
    if oracle.stopped_by is not None:
        raise RuntimeError(
            f"The search was stopped after max_consecutive_failed_trials="
            f"{plan.max_consecutive_failed_trials} failed trials in a row. The last failure was:\n"
            f"{oracle.stopped_by.rstrip()}\n"
            "Fix it and run the same search to resume."
        )
    trials = trial_table(oracle)
    [best] = oracle.get_best_trials(1) or [None]
    if best is None or best.status != "COMPLETED":
        reasons = "\n".join(dict.fromkeys(str(row["message"]) for row in trials))
        raise RuntimeError(
            f"All {len(trials)} trials failed:\n{reasons}\n"
            "Fix the cause and run again with overwrite=True."
        )
    epochs = round(best.metrics.get_best_value("epochs"))
    model = _train(plan, oracle, best, epochs) if train_best else None
    values = without_tuner_values(best.hyperparameters.values)
    return SearchResult(model, values, epochs, float(best.score), trials)


def _train(plan: Plan, oracle: JournaledOracle, best: Any, epochs: int) -> RankingModel:
    """Trains the values of the best trial on all rows."""
    hp = best.hyperparameters.copy()
    if "epochs" in hp.values:
        hp.values["epochs"] = epochs
    rows = plan.all_rows()
    num_rows = len(next(iter(rows.values())))
    plan.make_progress(oracle).write_line(
        f"trial {best.trial_id} is the best, {best.score:.4f}: training it on all {num_rows:,} "
        f"rows for {epochs} epochs"
    )
    model = build_model(plan.hypermodel, hp, plan.seed)
    settings: dict[str, Any] = {"epochs": epochs, "seed": plan.seed, "verbose": 0}
    try:
        plan.hypermodel.fit(hp, model, rows, callbacks=[StopOnNaN()], **settings)
    except kt.errors.FailedTrialError as error:
        raise RuntimeError(
            f"Trial {best.trial_id} is the best, but diverges when trained on all rows: {error} "
            "Search a space with lower learning rates."
        ) from None
    return model
