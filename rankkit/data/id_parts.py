"""Columns of ids as Arrow arrays, some rows at a time, from files or from a data set."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import tensorflow as tf

from rankkit.data.stream_batches import batch_rows
from rankkit.data.table_batches import Tables

_ROWS_AT_ONCE = 8192


class IdPart(NamedTuple):
    """Some rows of columns.

    Attributes:
        num_rows: How many.
        columns: Name to values; a column of lists may be given as the members of its lists.
    """

    num_rows: int
    columns: dict[str, pa.ChunkedArray]


def file_parts(files: Tables, names: list[str]) -> Iterator[IdPart]:
    """Reads columns of files, in the order of the files."""
    for table in files.tables(None, names):
        yield IdPart(table.num_rows, {name: table[name] for name in names})


def dataset_kinds(rows: tf.data.Dataset) -> dict[str, pa.DataType]:
    """Column to the Arrow type of its values, or of those in its lists."""
    return {name: _kind(spec.dtype) for name, spec in rows.element_spec.items()}


def dataset_parts(rows: tf.data.Dataset, names: list[str]) -> Iterator[IdPart]:
    """Reads columns of a data set of dicts, of batches or of single rows."""
    wanted = rows.map(lambda row: {name: row[name] for name in names})
    if any(spec.shape.rank == 0 for spec in rows.element_spec.values()):
        wanted = batch_rows(wanted, _ROWS_AT_ONCE, drop_remainder=False)
    for batch in wanted:
        num_rows = int(tf.shape(batch[names[0]])[0])
        yield IdPart(num_rows, {name: _values(column) for name, column in batch.items()})


def _kind(dtype: tf.DType) -> pa.DataType:
    return pa.large_binary() if dtype == tf.string else pa.from_numpy_dtype(dtype.as_numpy_dtype)


def _values(column: Any) -> pa.ChunkedArray:
    flat = column.flat_values if isinstance(column, tf.RaggedTensor) else column
    return pa.chunked_array([pa.array(np.ravel(flat.numpy()), _kind(flat.dtype))])
