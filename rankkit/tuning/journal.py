"""Journal of a search: an append-only file of events."""

import contextlib
import errno
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESUME = "Completed trials are kept: fix the cause, and run the same search to resume it."
_CHECKSUM = "crc32"  # field of each line


class Journal:
    """An append-only file of JSON lines with checksums, created if missing.

    Opening it truncates an incomplete last line, which a killed process may have left.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self.size = sum(len(line) for line in _complete_lines(self.path))
        self._file = self.path.open("ab", buffering=0)
        self._file.truncate(self.size)

    def append(self, event: dict[str, Any]) -> None:
        """Writes an event and flushes it to disk; raises `OSError` without a part of the line."""
        line = json.dumps({**event, _CHECKSUM: _checksum(event)}).encode() + b"\n"
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self.size)
            message = f"{self.path} cannot be written ({error.strerror}). {RESUME}"
            raise OSError(error.errno, message) from None
        self.size += len(line)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def damaged(path: Any, number: int, reason: Any) -> ValueError:
    """Returns the `ValueError` for a line of a journal that does not follow from those before."""
    return ValueError(
        f"Line {number} of {path} is damaged ({reason}). Restore the file from a backup, or start "
        "the search again with overwrite=True."
    )


def read_journal(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads all events in order; none if the file is missing.

    Raises for a line that does not match its checksum; lines of older versions have none.
    """
    events = []
    for number, line in enumerate(_complete_lines(Path(path)), 1):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise damaged(path, number, error) from None
        if isinstance(event, dict) and _CHECKSUM in event:
            checksum = event.pop(_CHECKSUM)
            if checksum != _checksum(event):
                raise damaged(path, number, "it does not match its checksum")
        events.append(event)
    return events


def _checksum(event: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(event).encode()):08x}"


def _complete_lines(path: Path) -> Iterator[bytes]:
    if path.exists():
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
