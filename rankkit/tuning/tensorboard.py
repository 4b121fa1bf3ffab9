"""What TensorBoard shows of a search: the curves of each trial, and the HParams page."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from rankkit.tuning.space import Space


def log_experiment(directory: Path, space: Space, objective: str) -> None:
    """Writes what the HParams page has columns for.

    Args:
        directory: TensorBoard's folder.
        space: What is searched.
        objective: Name of the metric that is searched for.
    """
    shutil.rmtree(directory / "experiment", ignore_errors=True)
    with tf.summary.create_file_writer(str(directory / "experiment")).as_default():
        hparams.hparams_config(
            hparams=[hparams.HParam(name, _domain(space, name)) for name in space.searched],
            metrics=[hparams.Metric(objective, display_name=objective)],
        )


def _domain(space: Space, name: str) -> Any:
    domain = space.domains[name]
    if isinstance(domain, list):
        return hparams.Discrete(domain)
    interval = hparams.IntInterval if isinstance(domain[0], int) else hparams.RealInterval
    return interval(*domain)


class TrialLog(tf.keras.callbacks.Callback):
    """Writes a trial's hyperparameters, and its metrics at each epoch.

    Args:
        folder: The trial's folder, emptied of what a run before this one has left.
        trial_id: The trial, which all its executions share.
        values: Hyperparameter to value.
    """

    def __init__(self, folder: Path, trial_id: str, values: Mapping[str, Any]):
        super().__init__()
        self._folder = folder
        self._trial_id = trial_id
        self._values = {name: v for name, v in values.items() if not name.startswith("tuner/")}

    def on_train_begin(self, logs: Any = None) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(self._folder))
        with self._writer.as_default():
            hparams.hparams(self._values, trial_id=self._trial_id)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        with self._writer.as_default(step=epoch + 1):
            for name, value in (logs or {}).items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def on_train_end(self, logs: Any = None) -> None:
        self._writer.close()
