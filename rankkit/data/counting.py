"""Counts of the ids in data sets and files."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from rankkit.core.vocabulary import CAST, check_frequent, check_vocabulary
from rankkit.data.batches import batch_rows
from rankkit.data.readers.table_batches import files_of

_PENDING_IDS = 1 << 20  # counts of chunks are summed when they hold this many ids
_ROWS_AT_ONCE = 8192

# A number of rows, and the values of their columns (flat for lists).
Chunk = tuple[int, dict[str, pa.ChunkedArray]]


def open_columns(
    rows: tf.data.Dataset, names: list[str]
) -> tuple[dict[str, pa.DataType], Iterator[Chunk], int | None]:
    """Types, chunks and number of rows (None if unknown) of columns; reads files if possible."""
    files = files_of(rows)
    if files is None:
        types = {name: _arrow_type(rows.element_spec[name].dtype) for name in names}
        return types, _dataset_chunks(rows, names), None
    tables = files.tables(None, names)
    chunks = ((table.num_rows, {name: table[name] for name in names}) for table in tables)
    return files.types, chunks, files.num_rows


class IdCounts:
    """Counts of the ids of a column; the memory grows with the number of distinct ids."""

    def __init__(self, name: str, kind: pa.DataType):
        self._name = name
        self._type = kind.value_type if pa.types.is_large_list(kind) else kind
        if not (pa.types.is_large_binary(self._type) or pa.types.is_integer(self._type)):
            raise TypeError(
                f"Ids must be str or int, but column {name!r} has the type {self._type}. {CAST}"
            )
        # The first table has the sums of the ids counted so far.
        none = {"values": pa.array([], self._type), "counts": pa.array([], pa.int64())}
        self._tables = [pa.table(none)]
        self._num_pending = 0

    def add(self, column: pa.ChunkedArray) -> None:
        """Counts the ids of a chunk of the column, or of the lists in it."""
        if pa.types.is_large_list(column.type):
            column = pa.chunked_array([column.combine_chunks().flatten()])
        counted = pa.Table.from_struct_array(column.value_counts())
        self._tables.append(counted)
        self._num_pending += counted.num_rows
        if self._num_pending > max(_PENDING_IDS, self._tables[0].num_rows):
            self._sum()

    def vocabulary(self, min_count: int) -> Any:
        """The sorted ids that occur at least `min_count` times, as `rankkit.data.vocabulary`."""
        total = self._sum()
        column = f"column {self._name!r}"
        if total.num_rows:
            check_frequent(column, int(total["counts"].to_numpy().max()), min_count)
        ids = total.filter(pc.field("counts") >= min_count)["values"].sort()
        if pa.types.is_large_binary(self._type):
            try:
                ids = ids.cast(pa.large_string())
            except pa.ArrowInvalid:
                raise ValueError(
                    f"Column {self._name!r} has ids that are not valid UTF-8. Decode the column "
                    "with its own encoding first."
                ) from None
        return check_vocabulary(column, ids.to_pylist())

    def _sum(self) -> pa.Table:
        summed = pa.concat_tables(self._tables).group_by("values").aggregate([("counts", "sum")])
        total = pa.table({"values": summed["values"], "counts": summed["counts_sum"]})
        self._tables, self._num_pending = [total], 0
        return total


def _dataset_chunks(rows: tf.data.Dataset, names: list[str]) -> Iterator[Chunk]:
    selected = rows.map(lambda row: {name: row[name] for name in names})
    if any(spec.shape.rank == 0 for spec in rows.element_spec.values()):  # single rows
        selected = batch_rows(selected, _ROWS_AT_ONCE, drop_remainder=False)
    for batch in selected:
        num_rows = int(tf.shape(batch[names[0]])[0])
        yield num_rows, {name: _flat_values(column) for name, column in batch.items()}


def _arrow_type(dtype: tf.DType) -> pa.DataType:
    return pa.large_binary() if dtype == tf.string else pa.from_numpy_dtype(dtype.as_numpy_dtype)


def _flat_values(column: Any) -> pa.ChunkedArray:
    flat = column.flat_values if isinstance(column, tf.RaggedTensor) else column
    return pa.chunked_array([pa.array(np.ravel(flat.numpy()), _arrow_type(flat.dtype))])
