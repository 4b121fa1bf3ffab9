"""Shows how a search goes: a line for each trial, and on a terminal one that moves."""

import sys
import time
from typing import Any, TextIO

import tensorflow as tf

from rankkit.tuning.table import trial_table

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
