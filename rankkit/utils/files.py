"""Atomic writing of files and folders."""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def write_atomically(path: str | os.PathLike[str], *, replace: bool = False) -> Iterator[Path]:
    """Yields a temporary path to write a file or folder to, and move it to `path` at the end.

    If writing fails, `path` does not appear, or stays as it was. What a killed process left beside
    `path` is removed first. Raises FileExistsError if `path` exists and is not to be replaced.
    """
    target = Path(path)
    if not replace:
        _check_is_new(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    with _locked_folder(target) as folder:
        temporary = folder / target.name
        yield temporary
        if not replace:
            _check_is_new(target)
        temporary.replace(target)


@contextlib.contextmanager
def _locked_folder(target: Path) -> Iterator[Path]:
    """Makes a folder beside `target`, and locks it until it is removed at the end."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        lock = _lock(folder, wait=True)
        if folder.exists():
            break
        if lock is not None:  # another process took it for abandoned before it was locked
            os.close(lock)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _remove_abandoned(target: Path) -> None:
    """Removes the folders of `_locked_folder` for the same target whose process has ended."""
    name = re.compile(re.escape(f".{target.name}-") + "[a-z0-9_]{8}")  # as `mkdtemp` names it
    for folder in [each for each in target.parent.iterdir() if name.fullmatch(each.name)]:
        lock = _lock(folder, wait=False)
        if lock is None:
            continue
        with contextlib.suppress(OSError):
            if {each.name for each in folder.iterdir()} <= {target.name}:
                shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path, *, wait: bool) -> int | None:
    """Locks a folder until the process ends; `None` if another one has, or without locks."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _check_is_new(target: Path) -> None:
    if target.exists():
        raise FileExistsError(
            f"path must be new. Got: path={str(target)!r}, which exists. "
            "Remove it, or write to another path."
        )
