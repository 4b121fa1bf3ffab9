"""Training and validation of one trial."""

import gc
import math
import time
import traceback
from collections.abc import Collection
from pathlib import Path
from typing import Any

import grpc
import keras_tuner as kt
import tensorflow as tf

from rankkit.tuning.oracles import FAILURE
from rankkit.tuning.pruning import EndBehind
from rankkit.tuning.reporting import TENSORBOARD, Progress, TrialLog

PROJECT = "search"  # the folder of keras-tuner's own files


class TrialRuns(kt.Tuner):
    """A keras-tuner `Tuner` that trains ranking models.

    Each trial begins with the same seed, so that its result depends on its values alone: not on
    the trials before it, nor on the process that runs it.

    Args:
        oracle: What chooses the trials.
        hypermodel: A `RankingHyperModel`.
        directory: The folder of the search.
        epochs: The most that a trial is trained for.
        patience: How many epochs without an improvement end a trial.
        seed: Of weights, dropout and the order of rows.
        executions_per_trial: How often each is run, with another seed; its score is the mean.
        rungs: Epochs of the first of them after which it ends if it is behind.
        progress: Shows how it goes.
    """

    def __init__(
        self,
        oracle: kt.Oracle,
        hypermodel: Any,
        *,
        directory: Path,
        epochs: int,
        patience: int,
        seed: int,
        executions_per_trial: int,
        rungs: Collection[int],
        progress: Progress,
    ):
        self.epochs = epochs
        self.patience = patience
        self.seed = seed
        self.rungs = rungs
        self.progress = progress
        self._idle = False
        self.hypermodel: Any  # keras-tuner's own is optional
        super().__init__(
            oracle=oracle,
            hypermodel=hypermodel,
            directory=str(directory),
            project_name=PROJECT,
            executions_per_trial=executions_per_trial,
        )
        self.tensorboard = directory / TENSORBOARD

    def pre_create_trial(self) -> None:
        # keras-tuner asks again at once when there is nothing to do yet.
        if self._idle:
            time.sleep(0.2)
        self._idle = True

    def on_trial_begin(self, trial: Any) -> None:
        self._idle = False

    def run_trial(self, trial: Any, rows: Any, validation_rows: Any) -> list[dict[str, float]]:
        """Trains the models of a trial.

        Args:
            trial: keras-tuner's trial.
            rows: The rows to train on.
            validation_rows: The rows to choose by.

        Returns:
            For each execution, the metrics of its best epoch, and `epochs`, how many it had then
            been trained for.
        """
        objective = self.oracle.objective
        results: list[dict[str, float]] = []

        def ask(rung: int, value: float) -> str:
            reached = {objective.name: value}
            return self.oracle.update_trial(trial.trial_id, reached, step=rung).status

        behind = EndBehind(self.rungs, objective, ask)
        for execution in range(self.executions_per_trial):
            callbacks = [] if execution else [behind]
            model, result = self._train(trial, execution, rows, validation_rows, callbacks)
            score = result[objective.name]
            if all(objective.better_than(score, other[objective.name]) for other in results):
                model.save_weights(self._get_checkpoint_fname(trial.trial_id))
            results.append(result)
            if behind.ended:
                break
        return results

    def _try_run_and_update_trial(self, trial: Any, *args: Any, **kwargs: Any) -> None:
        # As keras-tuner's own, but for the stack of a failure: it goes to the trial's folder, as
        # the messages between processes leave it out.
        try:
            self._run_and_update_trial(trial, *args, **kwargs)
            trial.status = "COMPLETED"
        except (kt.errors.FatalError, grpc.RpcError):  # the chief's end is not the trial's fault
            raise
        except Exception as error:
            expected = isinstance(error, kt.errors.FailedTrialError)
            trial.status = "FAILED" if expected else "INVALID"
            reason = " ".join(str(error).split()) or "no message"
            line = reason if expected else f"{type(error).__name__}: {reason}"
            trial.message = f"{line}\n\n{traceback.format_exc()}"
            (Path(self.get_trial_dir(trial.trial_id)) / FAILURE).write_text(trial.message)

    def _train(
        self, trial: Any, execution: int, rows: Any, validation_rows: Any, callbacks: list
    ) -> tuple[tf.keras.Model, dict[str, float]]:
        hp, objective = trial.hyperparameters, self.oracle.objective
        seed = self.seed + execution
        model = fresh_model(self.hypermodel, hp, seed)
        begun = self._continue(model, hp)
        best = tf.keras.callbacks.EarlyStopping(
            objective.name, mode=objective.direction, patience=self.patience,
            restore_best_weights=True,
        )  # fmt: skip
        log = TrialLog(
            self.tensorboard / f"{trial.trial_id}-{execution}", trial.trial_id, hp.values
        )
        score, epochs, metrics = None, 0, {}
        try:
            history = self.hypermodel.fit(
                hp,
                model,
                rows,
                validation_data=validation_rows,
                epochs=hp.values.get("tuner/epochs", self.epochs),
                initial_epoch=begun,
                seed=seed,
                callbacks=[best, StopOnNaN(), log, *callbacks, *self.progress.callbacks()],
                verbose=0,
            )
            if not math.isfinite(best.best):
                raise kt.errors.FailedTrialError(f"No epoch had a finite {objective.name}.")
            model.set_weights(best.best_weights)
            place = best.best_epoch - begun
            metrics = {name: float(values[place]) for name, values in history.history.items()}
            score, epochs = metrics[objective.name], best.best_epoch + 1
        finally:
            log.close(score, epochs)
        return model, {**metrics, "epochs": float(epochs)}

    def _continue(self, model: tf.keras.Model, hp: kt.HyperParameters) -> int:
        """Gives the model what the trial that it continues has learned, and the epochs of that."""
        if "tuner/trial_id" not in hp.values:
            return 0
        before = hp.values["tuner/trial_id"]
        model.load_weights(self._get_checkpoint_fname(before)).expect_partial()
        return round(self.oracle.get_trial(before).metrics.get_best_value("epochs"))


def fresh_model(hypermodel: Any, hp: kt.HyperParameters, seed: int) -> tf.keras.Model:
    """Builds the model that these values and this seed always give.

    Args:
        hypermodel: A `RankingHyperModel`.
        hp: keras-tuner's hyperparameters.
        seed: Of weights and dropout.
    """
    # What the models before this one left in Keras's global state would add up.
    tf.keras.backend.clear_session()
    gc.collect()
    tf.keras.utils.set_random_seed(seed)
    return hypermodel.build(hp)


class StopOnNaN(tf.keras.callbacks.Callback):
    """Ends a trial with a reason as soon as its loss is no number."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if logs and not math.isfinite(logs["loss"]):
            raise kt.errors.FailedTrialError(
                f"The loss was {logs['loss']} by step {batch + 1} of epoch {self._epoch + 1}."
            )
