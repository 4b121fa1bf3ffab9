"""Reads a prepared TFDS data set into NumPy columns, in TFDS's row order.

TFDS decodes one example at a time. Here whole batches of records are parsed at once, only the
wanted columns, which is several times faster.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

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
