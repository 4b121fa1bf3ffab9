"""The journal of a search: one line for each trial that began or ended, written as it happens."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """A file of JSON lines that only grows, and that one process at a time may write to.

    A line that a killed process left half written is cut off when the next one opens the file.

    Args:
        path: The file, made if it is not there.

    Raises:
        RuntimeError: If another process is writing to it.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise RuntimeError(
                f"{self.path.parent} is in use by another process. Wait for its end, or name "
                "another directory."
            ) from None
        whole = sum(len(line) for line in _whole_lines(self.path))
        self._file.truncate(whole)
        self.size = whole

    def append(self, event: dict[str, Any]) -> None:
        """Writes an event, and returns when the disk has it."""
        self._file.write(json.dumps(event).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Lets other processes write to it."""
        self._file.close()


def read_journal(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads the events of a journal, in the order in which they happened; none without a file."""
    return [json.loads(line) for line in _whole_lines(Path(path))]


def _whole_lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
