"""Counts of ids in data sets and files."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from rankkit.core.vocabulary import CAST, check_frequent, check_vocabulary
from rankkit.data.batches import batch_rows
from rankkit.data.readers.table_batches import Tables
from rankkit.utils.errors import invalid, wrong_type

# So many distinct ids of parts are kept apart before they are added up.
_APART = 1 << 20


class IdCounts:
    """Counts ids; its memory follows how many different ones there are.

    Args:
        name: The column's name, for errors.
        kind: Its plain type.

    Raises:
        TypeError: If it is of numbers that are not whole.
    """

    def __init__(self, name: str, kind: pa.DataType):
        self._name = name
        ids = kind.value_type if pa.types.is_large_list(kind) else kind
        if not (pa.types.is_large_binary(ids) or pa.types.is_integer(ids)):
            raise wrong_type(f"column {name!r}", str(ids), "ids that are str or int", CAST)
        self._kind = ids
        self._sum = self._table(pa.array([], ids), pa.array([], pa.int64()))
        self._parts: list[pa.Table] = []
        self._apart = 0

    def add(self, column: pa.ChunkedArray) -> None:
        """Counts the ids of a part of the column, or of the lists in it."""
        if pa.types.is_large_list(column.type):
            column = pa.chunked_array([column.combine_chunks().flatten()])
        counted = column.value_counts()
        self._parts.append(self._table(counted.field("values"), counted.field("counts")))
        self._apart += len(counted)
        if self._apart > max(_APART, self._sum.num_rows):
            self._add_up()

    def _table(self, ids: pa.Array, counts: pa.Array) -> pa.Table:
        return pa.table({"id": ids, "count": counts})

    def _add_up(self) -> None:
        grouped = pa.concat_tables([self._sum, *self._parts]).group_by("id")
        added = grouped.aggregate([("count", "sum")])
        self._sum = self._table(added["id"], added["count_sum"])
        self._parts, self._apart = [], 0

    def vocabulary(self, min_count: int) -> Any:
        """Gives the ids that come often enough, sorted, as `rankkit.data.vocabulary` does.

        Raises:
            ValueError: If there is none, or one cannot be looked up as it is.
        """
        self._add_up()
        if self._sum.num_rows:
            check_frequent(
                f"column {self._name!r}", int(self._sum["count"].to_numpy().max()), min_count
            )
        ids = self._sum.filter(pc.field("count") >= min_count)["id"].sort()
        if pa.types.is_large_binary(self._kind):
            ids = self._decoded(ids)
        return check_vocabulary(f"column {self._name!r}", ids.to_pylist())

    def _decoded(self, ids: pa.ChunkedArray) -> pa.ChunkedArray:
        try:
            return ids.cast(pa.large_string())
        except pa.ArrowInvalid:
            expected = "ids of valid UTF-8 without newline and NUL"
            fix = "Decode the column with its own encoding first."
            raise invalid("column", self._name, expected, fix) from None


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
