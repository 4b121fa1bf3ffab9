"""Progress output, table of trials and TensorBoard logs of a search."""

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.summary import session_end_pb

from rankkit.tuning.oracles import JournaledOracle
from rankkit.tuning.space import Space, without_tuner_values

_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Prints a line for each trial that ends.

    On a terminal another line is rewritten after each epoch of the running trial. A log file gets
    complete lines only. `names` are the hyperparameters to show.
    """

    def __init__(self, names: list[str], *, total: int, verbose: int = 1):
        self.total = total
        self._names = names
        self._file: TextIO | None = sys.stdout if verbose else None  # there may be no console
        self._is_terminal = self._file is not None and self._file.isatty()
        self._started = time.monotonic()
        self._num_ended = 0
        self._has_header = False
        self._running = ""  # position of the running trial

    def write_line(self, text: str) -> None:
        """Prints a line."""
        self._print(f"{_CLEAR_LINE}{text}\n" if self._is_terminal else f"{text}\n")

    def _print(self, text: str) -> None:
        if self._file is None:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except (OSError, ValueError):  # closed, such as by `| head`; the search continues
            self._file = None

    def start(self, oracle: JournaledOracle, trial: Any) -> None:
        """Remembers the trial that started."""
        if not self._has_header:
            self._has_header = True
            names = "".join(f"  {name:>{_width(name)}}" for name in self._names)
            header = f"{'score':>8}  {'best':>8}  {'epochs':>6}  {'seconds':>7}"
            self.write_line(f"{'trial':>9}  {header}{names}  {'elapsed':>8}  {'left':>8}")
        self._running = f"{list(oracle.trials).index(trial.trial_id) + 1}/{self.total}"

    def end(self, oracle: JournaledOracle, trial: Any) -> None:
        """Prints the result of the trial that ended."""
        rows = trial_table(oracle)
        [row] = (row for row in rows if row["trial"] == trial.trial_id)
        position = f"{rows.index(row) + 1}/{self.total}"
        best = min((trial.score for trial in oracle.get_best_trials(1)), default=None)
        cells = [f"{position:>9}", _format_score(row["score"]), _format_score(best)]
        cells += [f"{row['best_epoch'] or '-':>6}", f"{row['seconds']:>7.1f}"]
        cells += [f"{_format_value(row.get(name, '-')):>{_width(name)}}" for name in self._names]
        self._num_ended += 1
        elapsed = time.monotonic() - self._started
        left = max(0, self.total - len(oracle.ended)) * elapsed / self._num_ended
        cells += [f"{format_seconds(elapsed):>8}", f"{format_seconds(left):>8}"]
        self.write_line("  ".join(cells))
        if row["score"] is None:
            self.write_line(f"{'':>9}  failed: {row['message']}")

    def callbacks(self) -> list[tf.keras.callbacks.Callback]:
        """Callbacks that show the epochs of the running trial on a terminal."""
        if self._file is None or not self._is_terminal:
            return []
        return [tf.keras.callbacks.LambdaCallback(on_epoch_end=self._show_epoch)]

    def _show_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        name = next((name for name in reversed(logs) if name.startswith("val_")), "loss")
        text = f"{self._running:>9}  epoch {epoch + 1}: {name} {logs.get(name, 0.0):.4f}"
        self._print(f"{_CLEAR_LINE}{text}")


def _width(name: str) -> int:
    return max(len(name), 8)


def _format_score(value: float | None) -> str:
    return f"{'-' if value is None else f'{value:.4f}':>8}"


def _format_value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def format_seconds(seconds: float) -> str:
    """Seconds as `m:ss` or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def trial_table(oracle: JournaledOracle) -> list[dict[str, Any]]:
    """One row for each trial that has started, in the order of their ids."""
    return [_row(oracle, oracle.trials[trial_id]) for trial_id in sorted(oracle.trials)]


def _row(oracle: JournaledOracle, trial: Any) -> dict[str, Any]:
    start = oracle.started.get(trial.trial_id, {})
    end = oracle.ended.get(trial.trial_id, {})
    epochs = end.get("metrics", {}).get("epochs")
    return {
        "trial": trial.trial_id,
        "status": trial.status,
        "score": float(trial.score) if trial.status == "COMPLETED" else None,
        "best_epoch": None if epochs is None else round(epochs),
        "seconds": round(end["time"] - start["time"], 3) if end and start else None,
        "worker": start.get("tuner"),
        "message": trial.message.splitlines()[0] if trial.message else None,
        **without_tuner_values(trial.hyperparameters.values),
    }


TENSORBOARD = "tensorboard"  # its folder in the folder of the search
_SCORE = "score"  # the objective at the best epoch; TensorBoard would show that of the last epoch
_STATUS: Any = api_pb2  # generated code without types


def log_experiment(directory: Path, space: Space, objective: str) -> None:
    """Writes the columns of TensorBoard's HParams page: hyperparameters and score."""
    shutil.rmtree(directory / "experiment", ignore_errors=True)
    with tf.summary.create_file_writer(str(directory / "experiment")).as_default():
        hparams.hparams_config(
            hparams=[hparams.HParam(name, _hparams_domain(space, name)) for name in space.searched],
            metrics=[hparams.Metric(_SCORE, display_name=objective)],
        )


def _hparams_domain(space: Space, name: str) -> Any:
    domain = space.domains[name]
    if isinstance(domain, list):
        return hparams.Discrete(domain)
    interval = hparams.IntInterval if isinstance(domain[0], int) else hparams.RealInterval
    return interval(*domain)


class TrialLog(tf.keras.callbacks.Callback):
    """Logs a run to TensorBoard: hyperparameters, metrics of each epoch, and the score."""

    def __init__(self, folder: Path, trial_id: str, values: Mapping[str, Any]):
        super().__init__()
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = tf.summary.create_file_writer(str(folder))
        with self._writer.as_default():
            hparams.hparams(without_tuner_values(values), trial_id=trial_id)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        with self._writer.as_default(step=epoch + 1):
            for name, value in (logs or {}).items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def close(self, score: float | None, epochs: int = 0) -> None:
        """Writes the score after so many epochs, or a failure if it is `None`."""
        status = _STATUS.STATUS_FAILURE if score is None else _STATUS.STATUS_SUCCESS
        with self._writer.as_default(step=epochs):
            if score is not None:
                tf.summary.scalar(_SCORE, score)
            tf.summary.experimental.write_raw_pb(session_end_pb(status).SerializeToString())
        self._writer.close()
