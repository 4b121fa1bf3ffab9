"""Training and validation of one trial."""

import contextlib
import gc
import math
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import keras_tuner as kt
import tensorflow as tf

from rankkit.tuning._keras_tuner import TunerAdapter
from rankkit.tuning.journal import RESUME
from rankkit.tuning.oracles import FAILURE, JournaledOracle
from rankkit.tuning.plan import PROJECT, Plan
from rankkit.tuning.pruning import PruneTrial, compute_rungs
from rankkit.tuning.reporting import TENSORBOARD, TrialLog
from rankkit.utils.files import host_error


class TrialRunner(TunerAdapter):
    """A keras-tuner `Tuner` that trains ranking models.

    Each trial starts from the same seed: its result depends on its values only, not on earlier
    trials or the process that runs it. Its first run may be pruned.
    """

    def __init__(self, oracle: JournaledOracle, plan: Plan):
        self.plan = plan
        self.progress = plan.make_progress(oracle)
        self._is_idle = False
        super().__init__(
            oracle=oracle,
            hypermodel=plan.hypermodel,
            directory=str(plan.directory),
            project_name=PROJECT,
            executions_per_trial=plan.executions_per_trial,
        )

    def pre_create_trial(self) -> None:
        # keras-tuner asks again immediately if no trial can be created yet.
        if self._is_idle:
            time.sleep(0.2)
        self._is_idle = True

    def on_trial_begin(self, trial: Any) -> None:
        self._is_idle = False

    def run_trial(self, trial: Any, rows: Any, validation_rows: Any) -> list[dict[str, float]]:
        """Trains a trial; returns each run's metrics at its best epoch, and that epoch."""
        objective = self.oracle.objective
        results: list[dict[str, float]] = []

        def ask(rung: int, value: float) -> str:
            metrics = {objective.name: value}
            return self.oracle.update_trial(trial.trial_id, metrics, step=rung).status

        rungs = compute_rungs(self.plan.epochs) if self.plan.prune else []
        pruning = PruneTrial(rungs, objective, ask)
        for execution in range(self.executions_per_trial):
            callbacks = [] if execution else [pruning]
            model, result = self._train(trial, execution, rows, validation_rows, callbacks)
            score = result[objective.name]
            if all(objective.better_than(score, other[objective.name]) for other in results):
                model.save_weights(self.checkpoint_path(trial.trial_id))
            results.append(result)
            if pruning.is_pruned:
                break
        return results

    def try_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        # Unlike keras-tuner, writes the traceback of a failure to the trial's folder, as messages
        # between processes do not contain it.
        try:
            self.run_and_report(trial, *args, **kwargs)
            trial.status = "COMPLETED"
        except (kt.errors.FatalError, grpc.RpcError):  # a lost chief is not the trial's failure
            raise
        except Exception as error:
            self._check_host(trial, error)
            is_expected = isinstance(error, kt.errors.FailedTrialError)
            trial.status = "FAILED" if is_expected else "INVALID"
            reason = " ".join(str(error).split()) or "no message"
            line = reason if is_expected else f"{type(error).__name__}: {reason}"
            trial.message = f"{line}\n\n{traceback.format_exc()}"
            try:
                (Path(self.get_trial_dir(trial.trial_id)) / FAILURE).write_text(trial.message)
            except OSError as of_file:
                self._check_host(trial, of_file)
                raise

    def _check_host(self, trial: Any, error: Exception) -> None:
        """Raises for an error of the host, which another run of the trial need not have."""
        if (number := host_error(error, str(self.plan.directory))) is not None:
            raise RuntimeError(
                f"Trial {trial.trial_id} was interrupted by an error of this host and is not "
                f"marked as failed: {os.strerror(number)}. {RESUME}"
            ) from error

    def _train(
        self, trial: Any, execution: int, rows: Any, validation_rows: Any, callbacks: list
    ) -> tuple[tf.keras.Model, dict[str, float]]:
        hp, objective = trial.hyperparameters, self.oracle.objective
        seed = self.plan.seed + execution
        model = build_model(self.plan.hypermodel, hp, seed)
        initial_epoch = self._load_previous_trial(model, hp)
        stopping = tf.keras.callbacks.EarlyStopping(
            objective.name, mode=objective.direction, patience=self.plan.patience,
            restore_best_weights=True,
        )  # fmt: skip
        folder = self.plan.directory / TENSORBOARD / f"{trial.trial_id}-{execution}"
        log = TrialLog(folder, trial.trial_id, hp.values)
        score, epochs, metrics = None, 0, {}
        try:
            history = self.plan.hypermodel.fit(
                hp,
                model,
                rows,
                validation_data=validation_rows,
                epochs=hp.values.get("tuner/epochs", self.plan.epochs),
                initial_epoch=initial_epoch,
                seed=seed,
                callbacks=[stopping, StopOnNaN(), log, *callbacks, *self.progress.callbacks()],
                verbose=0,
            )
            if not math.isfinite(stopping.best):
                raise kt.errors.FailedTrialError(f"{objective.name} was not finite in any epoch.")
            model.set_weights(stopping.best_weights)
            index = stopping.best_epoch - initial_epoch
            metrics = {name: float(values[index]) for name, values in history.history.items()}
            score, epochs = metrics[objective.name], stopping.best_epoch + 1
        finally:
            log.close(score, epochs)
        return model, {**metrics, "epochs": float(epochs)}

    def _load_previous_trial(self, model: tf.keras.Model, hp: kt.HyperParameters) -> int:
        """Loads the weights of the trial that Hyperband continues; returns its epochs."""
        if "tuner/trial_id" not in hp.values:
            return 0
        previous = hp.values["tuner/trial_id"]
        model.load_weights(self.checkpoint_path(previous)).expect_partial()
        return round(self.oracle.get_trial(previous).metrics.get_best_value("epochs"))


def build_model(hypermodel: Any, hp: kt.HyperParameters, seed: int) -> tf.keras.Model:
    """Builds a model that depends on the values and the seed only."""
    # Otherwise earlier models' state in Keras would accumulate.
    tf.keras.backend.clear_session()
    with _interrupts_deferred():
        gc.collect()
    tf.keras.utils.set_random_seed(seed)
    return hypermodel.build(hp)


@contextlib.contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """Handles Ctrl+C after the block: Python ignores a KeyboardInterrupt within a finalizer."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if received:
        signal.raise_signal(signal.SIGINT)


class StopOnNaN(tf.keras.callbacks.Callback):
    """Fails a trial as soon as its loss is not finite."""

    max_steps_per_execution = None  # a later step shows a NaN of an earlier one

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if logs and not math.isfinite(logs["loss"]):
            raise kt.errors.FailedTrialError(
                f"The loss was {logs['loss']} by step {batch + 1} of epoch {self._epoch + 1}."
            )
