"""Preparation and reading of TensorFlow Datasets."""

import contextlib
import io
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

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


_RECORDS_A_BATCH = 50_000
_BUFFER_BYTES = 1 << 20


def read_columns(builder: Any, names: list[str]) -> dict[str, np.ndarray]:
    """Reads columns of the `train` split of a data set that is prepared.

    Text becomes object arrays of `str` and lists of labels object arrays of lists of `str`; equal
    cells share one object. Everything else keeps TFDS's dtype.

    Args:
        builder: The data set's TFDS builder.
        names: The columns to read.

    Raises:
        RuntimeError: If the files are damaged or some are missing.
    """
    split = builder.info.splits["train"]
    fillers = {name: _filler(builder.info.features[name], split.num_examples) for name in names}
    spec = {name: filler.spec for name, filler in fillers.items()}
    paths = [str(path) for path in split.filepaths]
    start = 0
    try:
        for parsed in _parsed(paths, spec):
            for name, filler in fillers.items():
                filler.fill(start, parsed[name])
            start += len(next(iter(parsed.values())))
    # Too many records overflow the columns: a ValueError from NumPy.
    except (tf.errors.OpError, ValueError) as error:
        raise damaged(builder.data_path, _reason(error)) from error
    if start != split.num_examples:
        reason = f"{start} rows where there should be {split.num_examples}"
        raise damaged(builder.data_path, reason)
    return {name: filler.column for name, filler in fillers.items()}


def damaged(folder: Any, reason: str) -> RuntimeError:
    """The error for a prepared data set that cannot be read."""
    return RuntimeError(
        f"The data set prepared in {folder} is damaged: {reason}. Delete that folder and call "
        "again to have it prepared anew."
    )


def _reason(error: Exception) -> str:
    # TensorFlow puts the operation's name around what went wrong.
    return re.sub(r"\{\{.*?\}\} | \[Op:.*", "", str(error), flags=re.DOTALL)


def _parsed(paths: list[str], spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    # The order in which TFDS interleaves the files of a data set.
    records = tf.data.Dataset.from_tensor_slices(paths).interleave(
        lambda path: tf.data.TFRecordDataset(path, buffer_size=_BUFFER_BYTES),
        cycle_length=16,
        block_length=16,
    )
    batches = records.batch(_RECORDS_A_BATCH).map(lambda raw: tf.io.parse_example(raw, spec))
    return iter(batches.prefetch(1))


def _filler(feature: Any, num_rows: int) -> Any:
    if hasattr(feature, "feature"):  # a sequence, of labels
        return _Labels(feature.feature.names, num_rows)
    if feature.np_dtype == np.object_ or feature.np_dtype == np.str_:
        return _Text(num_rows)
    return _Numbers(feature.np_dtype, num_rows)


class _Numbers:
    def __init__(self, dtype: Any, num_rows: int):
        self.column = np.empty(num_rows, dtype)
        stored = tf.float32 if self.column.dtype.kind == "f" else tf.int64
        self.spec = tf.io.FixedLenFeature([], stored)

    def fill(self, start: int, values: Any) -> None:
        self.column[start : start + len(values)] = values.numpy()


class _Text:
    spec = tf.io.FixedLenFeature([], tf.string)

    def __init__(self, num_rows: int):
        self.column = np.empty(num_rows, object)
        self._known = _Shared(bytes.decode)

    def fill(self, start: int, values: Any) -> None:
        cells = list(map(self._known.__getitem__, values.numpy()))
        self.column[start : start + len(cells)] = cells


class _Labels:
    spec = tf.io.RaggedFeature(tf.int64)

    def __init__(self, names: list[str], num_rows: int):
        self.column = np.empty(num_rows, object)
        self._known = _Shared(lambda labels: [names[label] for label in labels])

    def fill(self, start: int, values: Any) -> None:
        for row, labels in enumerate(values.to_list(), start):
            self.column[row] = self._known[tuple(labels)]


class _Shared(dict[Any, Any]):
    """Makes each distinct value once."""

    def __init__(self, make: Any):
        super().__init__()
        self._make = make

    def __missing__(self, key: Any) -> Any:
        self[key] = value = self._make(key)
        return value
