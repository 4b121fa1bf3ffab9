"""Atomic writing of files and folders."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str], *, replace: bool = False) -> Iterator[Path]:
    """Gives a path to write to, and moves what was written to `path` at the end.

    Whatever happens before the end, `path` does not appear, or stays as it was.

    Args:
        path: The file or folder to make.
        replace: Whether a file that exists is replaced. Defaults to `False`.

    Yields:
        A path beside it that does not exist yet.

    Raises:
        FileExistsError: If `path` exists already and is not to be replaced.
        OSError: If it cannot be written.
    """
    target = Path(path)
    if not replace:
        _refuse_existing(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        part = Path(scratch) / target.name
        yield part
        if not replace:
            _refuse_existing(target)
        part.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise FileExistsError(
            f"path must be new. Got: path={str(target)!r}, which exists. "
            "Remove it, or write to another path."
        )
