"""Atomic writing of files and folders."""

import contextlib
import errno
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
    `path` is removed first. Raises FileExistsError if `path` exists and is not to be replaced, and
    an OSError that names `path` in place of any error of the disk.
    """
    target = Path(path)
    if not replace:
        _check_is_new(target)
    with _names_errors(target), _locked_folder(target) as folder:
        temporary = folder / target.name
        yield temporary
        if not replace:
            _check_is_new(target)
        temporary.replace(target)


@contextlib.contextmanager
def _names_errors(target: Path) -> Iterator[None]:
    """Replaces errors of the disk by one that names the target."""
    try:
        yield
    except Exception as error:
        if (number := host_error(error)) is None:
            raise
        message = f"{target} cannot be written ({os.strerror(number)}). Fix it, and try again."
        raise OSError(number, message) from error


@contextlib.contextmanager
def _locked_folder(target: Path) -> Iterator[Path]:
    """Makes a folder beside `target`, and locks it until it is removed at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
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
    name = re.compile(re.escape(_prefix(target)) + "[a-z0-9_]{8}")  # as `mkdtemp` names it
    for folder in [each for each in target.parent.iterdir() if name.fullmatch(each.name)]:
        lock = _lock(folder, wait=False)
        if lock is None:
            continue
        with contextlib.suppress(OSError):
            if {each.name for each in folder.iterdir()} <= {target.name}:
                shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _prefix(target: Path) -> str:
    """The prefix of the temporary folders that `_locked_folder` makes for a target."""
    return f".{target.name}-rankkit-"


def _lock(folder: Path, *, wait: bool) -> int | None:
    """Locks a folder until the process ends; `None` if another one has, or without locks."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


# By the messages of the operating system, as errors of TensorFlow and HDF5 have no number.
_HOST_ERRORS = {
    number: os.strerror(number)
    for number in (
        errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE,
        errno.ESTALE, errno.EACCES, errno.EPERM, errno.ETIMEDOUT, errno.ENOTCONN,
    )
}  # fmt: skip
_IS_MISSING = os.strerror(errno.ENOENT)


def host_error(error: Exception, folder: str | None = None) -> int | None:
    """The number of an error of the host that caused an error, such as a full disk; else `None`.

    The same call may succeed later. A missing file counts as such an error if it is in `folder`.
    """
    cause: BaseException | None = error
    while cause is not None:  # libraries raise errors of their own, with or without the number
        for number, text in _HOST_ERRORS.items():
            if text in str(cause) or (isinstance(cause, OSError) and cause.errno == number):
                return number
        if folder is not None and folder in str(cause) and _IS_MISSING in str(cause):
            return errno.ENOENT
        cause = cause.__cause__ or cause.__context__
    return None


def _check_is_new(target: Path) -> None:
    if target.exists():
        raise FileExistsError(
            f"path must be new. Got: path={str(target)!r}, which exists. "
            "Remove it, or write to another path."
        )


def version_number(name: str) -> int | None:
    """The version above 0 that TensorFlow Serving reads in the name of a folder, such as "007"."""
    is_version = re.fullmatch("0*[1-9][0-9]{0,18}", name) and int(name) < 2**63
    return int(name) if is_version else None
