"""Preparation and reading of data sets of TensorFlow Datasets (TFDS).

Adapter to `DatasetBuilder._make_download_manager`, a private method of TFDS that makes the object
which downloads files: only by replacing it does TFDS read an archive that is already there.
"""

import contextlib
import functools
import io
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

_STAGE_PREFIX = ".rankkit-preparing-"
_BATCH_SIZE = 50_000
_BUFFER_BYTES = 1 << 20


@contextlib.contextmanager
def staging(root: Path) -> Iterator[Path]:
    """A temporary folder in TFDS's data directory; one process at a time enters, others wait.

    Ctrl-C and SIGTERM remove the folder; what a killed process left is removed by the next one.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _lock(root) as is_locked, _exit_on_sigterm():
        if is_locked:
            for abandoned in root.glob(_STAGE_PREFIX + "*"):
                shutil.rmtree(abandoned, ignore_errors=True)
        stage = Path(tempfile.mkdtemp(prefix=_STAGE_PREFIX, dir=root))
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def prepare(name: str, target: Path, stage: Path, *, root: Path, archive: Path | None) -> None:
    """Prepares a data set with TFDS in `stage`, from an archive if given; moves it to `target`."""
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder(name, data_dir=stage / "tfds")
    if archive is not None:
        make_manager = builder._make_download_manager

        def make_manager_of_archive(**kwargs: Any) -> Any:
            manager = make_manager(**kwargs)
            manager.download_and_extract = lambda _: str(archive)
            return manager

        builder._make_download_manager = make_manager_of_archive
    downloads = root / "downloads" if archive is None else stage / "downloads"
    # TFDS prints the staging path to stdout; its progress bars go to stderr and are kept.
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(download_dir=downloads)
    _move(Path(builder.data_path), target)


def read_columns(builder: Any, names: list[str]) -> dict[str, np.ndarray]:
    """Reads columns of a prepared data set; equal texts and lists of labels share one object."""
    split = builder.info.splits["train"]
    features = {name: _feature(builder.info.features[name]) for name in names}
    spec = {name: parsed_as for name, (parsed_as, _) in features.items()}
    # The order in which TFDS interleaves the files of a data set.
    records = tf.data.Dataset.from_tensor_slices([str(path) for path in split.filepaths])
    records = records.interleave(
        lambda path: tf.data.TFRecordDataset(path, buffer_size=_BUFFER_BYTES),
        cycle_length=16,
        block_length=16,
    )
    parsed = records.batch(_BATCH_SIZE).map(lambda batch: tf.io.parse_example(batch, spec))
    parts = {name: [] for name in features}
    try:
        for batch in parsed.prefetch(1):
            for name, (_, convert) in features.items():
                parts[name].append(convert(batch[name]))
    except tf.errors.OpError as error:
        # Without the name that TensorFlow gives the operation.
        reason = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", str(error), flags=re.DOTALL)
        raise damaged(builder.data_path, reason) from error
    num_rows = sum(map(len, parts[names[0]]))
    if num_rows != split.num_examples:
        raise damaged(builder.data_path, f"{num_rows} rows instead of {split.num_examples}")
    return {name: np.concatenate(parts.pop(name)) for name in features}


def damaged(folder: Any, reason: str) -> RuntimeError:
    """The error for a prepared data set that cannot be read."""
    return RuntimeError(
        f"The data set prepared in {folder} is damaged: {reason}. Delete that folder and call "
        "again to prepare it from scratch."
    )


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    # `.config`, beside the configurations, holds the name of TFDS's default one.
    config, moved_config = (path.parent.parent / ".config" for path in (source, target))
    if not moved_config.exists():
        with contextlib.suppress(OSError):
            os.replace(config, moved_config)
    try:
        os.rename(source, target)
    except OSError:
        # TFDS in another process, which ignores this lock, may have prepared it first.
        if not (target / "dataset_info.json").exists():
            raise


@contextlib.contextmanager
def _lock(root: Path) -> Iterator[bool]:
    """Waits for an exclusive lock; yields False if the system or file system has no locks."""
    with contextlib.ExitStack() as stack:
        try:
            import fcntl

            # A lock on the folder itself needs no file, and ends with the process.
            folder = os.open(root, os.O_RDONLY)
            stack.callback(os.close, folder)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"rankkit: waiting for another process to prepare data in {root}"
                print(message, file=sys.stderr)
                fcntl.flock(folder, fcntl.LOCK_EX)
            is_locked = True
        except (ImportError, OSError):
            is_locked = False
        yield is_locked


@contextlib.contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Makes SIGTERM unwind the stack, as Ctrl-C does, unless it is already handled."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def exit_process(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, exit_process)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _feature(feature: Any) -> tuple[Any, Callable[[Any], np.ndarray]]:
    """How to parse a TFDS feature, and the conversion of its values to a column."""
    if hasattr(feature, "feature"):  # a sequence of labels
        names = feature.feature.names
        named = functools.cache(lambda labels: [names[label] for label in labels])
        return tf.io.RaggedFeature(tf.int64), lambda values: _objects(
            [named(tuple(labels)) for labels in values.to_list()]
        )
    if feature.np_dtype == np.object_ or feature.np_dtype == np.str_:
        decode = functools.cache(bytes.decode)
        return tf.io.FixedLenFeature([], tf.string), lambda values: _objects(
            list(map(decode, values.numpy()))
        )
    dtype = np.dtype(feature.np_dtype)
    stored = tf.float32 if dtype.kind == "f" else tf.int64
    return tf.io.FixedLenFeature([], stored), lambda values: values.numpy().astype(dtype)


def _objects(cells: list[Any]) -> np.ndarray:
    return np.fromiter(cells, object, len(cells))
