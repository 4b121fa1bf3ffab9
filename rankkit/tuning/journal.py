"""Journal of a search, written event by event."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """A file of JSON lines that only grows.

    A line that a killed process left half written is cut off when the next one opens the file.

    Args:
        path: The file, made if it is not there.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.size = sum(len(line) for line in _whole_lines(self.path))
        self._file = self.path.open("ab")
        self._file.truncate(self.size)

    def append(self, event: dict[str, Any]) -> None:
        """Writes an event, and returns when the disk has it."""
        self._file.write(json.dumps(event).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_journal(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads the events of a journal, in the order in which they happened; none without a file.

    Raises:
        ValueError: If a line is damaged.
    """
    events = []
    for number, line in enumerate(_whole_lines(Path(path)), 1):
        try:
            events.append(json.loads(line))
        except ValueError as error:
            raise ValueError(
                f"{path} is damaged in line {number} ({error}). Mend that line, or give "
                "overwrite=True to begin anew."
            ) from None
    return events


def _whole_lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
