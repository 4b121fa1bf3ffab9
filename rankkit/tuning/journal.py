"""Journal of a search: an append-only file of events."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """An append-only file of JSON lines, created if missing.

    Opening it truncates an incomplete last line, which a killed process may have left.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.size = sum(len(line) for line in _complete_lines(self.path))
        self._file = self.path.open("ab")
        self._file.truncate(self.size)

    def append(self, event: dict[str, Any]) -> None:
        """Writes an event and flushes it to disk."""
        self._file.write(json.dumps(event).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def read_journal(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads all events in order; none if the file is missing."""
    events = []
    for number, line in enumerate(_complete_lines(Path(path)), 1):
        try:
            events.append(json.loads(line))
        except ValueError as error:
            raise ValueError(
                f"Line {number} of {path} is damaged ({error}). Repair that line, or start the "
                "search again with overwrite=True."
            ) from None
    return events


def _complete_lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
