"""Has TFDS prepare a data set so that it is there whole or not at all.

TFDS works in a folder of its own under the data directory, and the finished data set is moved
into place in one step. A run that is killed leaves only that folder, which the next run removes.
"""

import contextlib
import io
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_STAGE_PREFIX = ".rankkit-preparing-"


@contextlib.contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A working folder under `root` that is gone at the end, however the end comes.

    One process at a time gets in; the others wait. Ctrl-C and SIGTERM end the work and remove the
    folder; what an earlier process left when it was killed is removed at the start.

    Args:
        root: TFDS's data directory, made when it is missing.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _only_process(root) as alone, _exit_on_sigterm():
        if alone:
            for left_behind in root.glob(_STAGE_PREFIX + "*"):
                shutil.rmtree(left_behind, ignore_errors=True)
        stage = Path(tempfile.mkdtemp(prefix=_STAGE_PREFIX, dir=root))
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def prepare(name: str, target: Path, stage: Path, *, root: Path, archive: Path | None) -> None:
    """Prepares a data set with TFDS's own builder and moves it into place.

    Args:
        name: TFDS's name for it, such as `"movielens/100k-ratings"`.
        target: Where the finished data set goes.
        stage: The folder to work in, from `staging`.
        root: TFDS's data directory; downloads are kept there, as TFDS does.
        archive: The unpacked archive, when it is here already; None has TFDS download it.
    """
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder(name, data_dir=stage / "tfds")
    if archive is not None:
        _answer_download(builder, archive)
    downloads = root / "downloads" if archive is None else stage / "downloads"
    # TFDS prints where it works, which is not where the data set will be. Its progress bars go
    # to stderr and stay.
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(download_dir=downloads)
    _move_into_place(Path(builder.data_path), target)


def _answer_download(builder: Any, archive: Path) -> None:
    make = builder._make_download_manager

    def make_answering(**kwargs: Any) -> Any:
        manager = make(**kwargs)
        manager.download_and_extract = lambda _: str(archive)
        return manager

    builder._make_download_manager = make_answering


def _move_into_place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # `.config` beside the configurations tells TFDS which one is its default.
    config, placed = (path.parent.parent / ".config" for path in (source, target))
    if not placed.exists():
        with contextlib.suppress(OSError):
            os.replace(config, placed)
    try:
        os.rename(source, target)
    except OSError:
        # A TFDS in another process, which knows nothing of our lock, may have been first.
        if not (target / "dataset_info.json").exists():
            raise


@contextlib.contextmanager
def _only_process(root: Path) -> Iterator[bool]:
    """Waits to be the only process here; false where the system or file system has no locks."""
    folder = None
    try:
        import fcntl

        # A lock on the folder itself needs no lock file, and ends with its process.
        folder = os.open(root, os.O_RDONLY)
        _wait_for_lock(fcntl, folder, root)
        alone = True
    except (ImportError, OSError):
        alone = False
    try:
        yield alone
    finally:
        if folder is not None:
            os.close(folder)


def _wait_for_lock(fcntl: Any, folder: int, root: Path) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"rankkit: waiting for another process that prepares in {root}", file=sys.stderr)
        fcntl.flock(folder, fcntl.LOCK_EX)


@contextlib.contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Has SIGTERM unwind the stack, as Ctrl-C does, unless someone already handles it."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def leave(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
