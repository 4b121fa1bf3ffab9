"""What TensorBoard shows of a search: the curves of each trial, and the HParams page."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.summary import session_end_pb

from rankkit.tuning.hyperparameters import without_tuners_own
from rankkit.tuning.space import Space

_STATUS: Any = api_pb2  # generated, without types
TENSORBOARD = "tensorboard"  # its folder in that of a search
SCORE = "score"  # the objective at the best epoch; the page would show the last epoch's


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
            metrics=[hparams.Metric(SCORE, display_name=objective)],
        )


def _domain(space: Space, name: str) -> Any:
    domain = space.domains[name]
    if isinstance(domain, list):
        return hparams.Discrete(domain)
    interval = hparams.IntInterval if isinstance(domain[0], int) else hparams.RealInterval
    return interval(*domain)


class TrialLog(tf.keras.callbacks.Callback):
    """Writes a trial's hyperparameters, its metrics at each epoch, and at the end its score.

    Args:
        folder: The trial's folder, emptied of what a run before this one has left.
        trial_id: The trial, which all its executions share.
        values: Hyperparameter to value.
    """

    def __init__(self, folder: Path, trial_id: str, values: Mapping[str, Any]):
        super().__init__()
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(folder))
        with self._writer.as_default():
            hparams.hparams(without_tuners_own(values), trial_id=trial_id)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        with self._writer.as_default(step=epoch + 1):
            for name, value in (logs or {}).items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def close(self, score: float | None, epochs: int = 0) -> None:
        """Tells how the trial has ended.

        Args:
            score: Its score, or `None` if it failed.
            epochs: The epochs after which it had that score. Defaults to `0`.
        """
        status = _STATUS.STATUS_FAILURE if score is None else _STATUS.STATUS_SUCCESS
        with self._writer.as_default(step=epochs):
            if score is not None:
                tf.summary.scalar(SCORE, score)
            tf.summary.experimental.write_raw_pb(session_end_pb(status).SerializeToString())
        self._writer.close()
