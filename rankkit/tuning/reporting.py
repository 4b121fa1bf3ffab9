"""Progress, table and TensorBoard logs of a search."""

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

from rankkit.tuning.oracles import Journaled
from rankkit.tuning.space import Space, without_tuners_own

CLEAR = "\r\x1b[K"  # back to the start of the line, and clear it


class Progress:
    """Prints a table of the trials as they end.

    On a terminal the trial that is running has a line that is rewritten at each epoch. A log file
    gets whole lines only.

    Args:
        names: The hyperparameters to show.
        total: How many trials there will be at most.
        verbose: 0 for silence. Defaults to `1`.
        file: Where to print. Defaults to `None`, the standard output.
    """

    def __init__(
        self,
        names: list[str],
        *,
        total: int,
        verbose: int = 1,
        file: TextIO | None = None,
    ):
        self.total = total
        self._names = names
        self._file: TextIO | None = sys.stdout if file is None else file
        self._verbose = verbose if self._file else 0  # there need not be a console
        self._terminal = self._file.isatty() if self._file else False
        self._started = time.monotonic()
        self._ended = 0
        self.place = ""  # of the trial that is running
        self._headed = False

    def say(self, text: str) -> None:
        """Prints a line."""
        self._print(f"{CLEAR}{text}\n" if self._terminal else f"{text}\n")

    def show(self, text: str) -> None:
        """Rewrites the line that moves."""
        self._print(f"{CLEAR}{text}")

    def _print(self, text: str) -> None:
        if not self._file or not self._verbose:
            return
        try:
            self._file.write(text)
            self._file.flush()
        except (OSError, ValueError):  # closed, such as by `| head`: the search is worth more
            self._verbose = 0

    def begin(self, oracle: Any, trial: Any) -> None:
        """Notes that a trial has begun."""
        if not self._headed:
            self._headed = True
            shown = "".join(f"  {name:>{_width(name)}}" for name in self._names)
            head = f"{'score':>8}  {'best':>8}  {'epochs':>6}  {'seconds':>7}"
            self.say(f"{'trial':>9}  {head}{shown}  {'elapsed':>8}  {'left':>8}")
        self.place = f"{list(oracle.trials).index(trial.trial_id) + 1}/{self.total}"

    def end(self, oracle: Any, trial: Any) -> None:
        """Prints how a trial has ended."""
        rows = trial_table(oracle)
        [row] = (row for row in rows if row["trial"] == trial.trial_id)
        place = f"{rows.index(row) + 1}/{self.total}"
        best = min((trial.score for trial in oracle.get_best_trials(1)), default=None)
        cells = [f"{place:>9}", _number(row["score"], 8), _number(best, 8)]
        cells += [f"{row['best_epoch'] or '-':>6}", f"{row['seconds']:>7.1f}"]
        cells += [f"{_short(row.get(name, '-')):>{_width(name)}}" for name in self._names]
        self._ended += 1
        elapsed = time.monotonic() - self._started
        left = max(0, self.total - len(oracle.ended)) * elapsed / self._ended
        cells += [f"{_clock(elapsed):>8}", f"{_clock(left):>8}"]
        self.say("  ".join(cells))
        if row["score"] is None:
            self.say(f"{'':>9}  failed: {row['message']}")

    def callbacks(self) -> list[tf.keras.callbacks.Callback]:
        """Gives the callbacks that show a trial while it runs: none for a log file."""
        return [_Moving(self)] if self._terminal and self._verbose else []


class _Moving(tf.keras.callbacks.Callback):
    def __init__(self, progress: Progress):
        super().__init__()
        self._progress = progress

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        validated = {k: v for k, v in (logs or {}).items() if k.startswith("val_")}
        name = list(validated)[-1] if validated else "loss"
        progress = self._progress
        text = f"{progress.place:>9}  epoch {epoch + 1}: {name} {(logs or {}).get(name, 0.0):.4f}"
        progress.show(text)


def _width(name: str) -> int:
    return max(len(name), 8)


def _number(value: float | None, width: int) -> str:
    return f"{'-' if value is None else f'{value:.4f}':>{width}}"


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


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
