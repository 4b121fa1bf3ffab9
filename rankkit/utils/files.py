"""Atomic writing of files and folders."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike[str], *, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary path to write a file or folder to, and move it to `path` at the end.

    If writing fails, `path` does not appear, or stays as it was. Raises FileExistsError if `path`
    exists and is not to be replaced.
    """
    target = Path(path)
    if not replace:
        _check_is_new(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        temporary = Path(folder) / target.name
        yield temporary
        if not replace:
            _check_is_new(target)
        temporary.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_is_new(target: Path) -> None:
    if target.exists():
        raise FileExistsError(
            f"path must be new. Got: path={str(target)!r}, which exists. "
            "Remove it, or write to another path."
        )
