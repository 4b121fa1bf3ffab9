"""Reader of Parquet files."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from rankkit.data.columns import selected
from rankkit.data.readers.arrow import fillers, null_error, plain_column, plain_type
from rankkit.data.readers.paths import file_paths
from rankkit.data.readers.table_batches import RowShard, checked_shard
from rankkit.utils.errors import invalid, unknown


def read_parquet(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    columns: Iterable[str] | None = None,
    batch_size: int = 8192,
    *,
    shuffle: bool | int = False,
    seed: int | None = None,
    initial_epoch: int = 0,
    shard: tuple[int, int] | None = None,
    fill: Mapping[str, Any] | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches of the rows of Parquet files, as `rankkit.data.batches` gives those in memory.

    A few row groups are in memory at a time, however many rows there are. Text becomes strings,
    whether Parquet keeps it as a dictionary or not; lists become ragged tensors; times become
    whole seconds since 1970-01-01 UTC; `double` becomes `float32`.

    Shuffled row groups come in a new order at each pass, and their rows are mixed in a window.
    With a `seed`, the order of each epoch is fixed, as in `rankkit.data.batches`.

    Args:
        paths: A file, a folder, a pattern such as `"ratings/*.parquet"`, or a list of these.
        columns: The columns to read, the label among them. Defaults to `None`: all.
        batch_size: Rows a batch. Defaults to `8192`.
        shuffle: Whether to shuffle. The window has 100,000 rows, or as many as a number says, and
            at least a row group. Defaults to `False`.
        seed: Chooses the orders of the epochs. Defaults to `None`: one is drawn from Python's
            `random`.
        initial_epoch: The epoch that the first pass stands for. Defaults to `0`.
        shard: `(number, count)`: this part of so many equal parts of the rows, one for each worker.
            Each row is in one of them, provided that all are given the same files and, where rows
            are shuffled, the same `seed`. Defaults to `None`: all rows.
        fill: Column to what is put in place of nulls. Defaults to `None`: they are refused.
        drop_remainder: Whether to leave out a last batch that is not full. Defaults to `False`.

    Returns:
        The batches, with their number known, but for a shard, of which Keras would take it for
        that of all workers together. All shards have as many.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If a column is of a type that nothing can be made of, or of several.
        ValueError: If a file is damaged, lacks a column or has nulls, there is no row, or a number
            is out of its range. What only reading can tell is an error of TensorFlow at that
            batch, with the same text.

    Example:
        >>> import tempfile
        >>> import pyarrow as pa
        >>> import pyarrow.parquet as pq
        >>> import rankkit as rk
        >>> file = tempfile.mkdtemp() + "/ratings.parquet"
        >>> rows = {"user_id": ["u1", "u2", "u3"], "user_rating": [4.0, 2.5, 5.0]}
        >>> pq.write_table(pa.table(rows), file)
        >>> batches = rk.data.read_parquet(file, ["user_id", "user_rating"], 2)
        >>> [batch["user_rating"].numpy().tolist() for batch in batches]
        [[4.0, 2.5], [5.0]]
    """
    # Importing Arrow takes a while, and few processes read files.
    from rankkit.data.readers.table_batches import table_batches

    files = ParquetFiles(file_paths(paths), columns, fill)
    return table_batches(
        files,
        batch_size,
        shuffle=shuffle,
        seed=seed,
        initial_epoch=initial_epoch,
        shard=None if shard is None else checked_shard(shard, files.num_rows),
        drop_remainder=drop_remainder,
    )


_FOOTERS_AT_ONCE = 8
# Beside Arrow's own threads, which share the columns of a row group.
_GROUPS_AT_ONCE = 2
THREADS = "rankkit-parquet"
_WHOLE = RowShard(0, 1)


class _Group(NamedTuple):
    path: str
    footer: pq.FileMetaData
    number: int


class ParquetFiles:
    """The rows of Parquet files, all of them with the same columns.

    Args:
        paths: The files.
        columns: The columns to read, `None` for those of the first file.
        fill: Column to what is put in place of nulls, or `None`.

    Raises:
        TypeError: If a column is of a type that nothing can be made of, or of several.
        ValueError: If a file is damaged, lacks a column or has nulls, or there is no row.
    """

    def __init__(self, paths: list[str], columns: Iterable[str] | None, fill: Any):
        with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
            footers = list(pool.map(_footer, paths))
        # What has no rows may lack types, too.
        files = [pair for pair in zip(paths, footers, strict=True) if pair[1].num_rows]
        if not files:
            raise invalid("paths", paths, "files with at least one row")
        schema = files[0][1].schema.to_arrow_schema()
        names = selected(columns, schema.names, f"column of {files[0][0]}:")
        self.kinds = {name: plain_type(name, schema.field(name).type) for name in names}
        for name in fill or {}:
            if name not in schema.names:
                raise unknown("column in fill", name, schema.names)
        self._fill = fillers(fill, self.kinds)
        for path, footer in files:
            _check_columns(path, footer, schema, names)
            _check_nulls(path, footer, [name for name in names if name not in self._fill])
        self._groups = [
            _Group(path, footer, number)
            for path, footer in files
            for number in range(footer.num_row_groups)
        ]
        self._sizes = [footer.row_group(number).num_rows for _, footer, number in self._groups]
        self.num_rows = sum(self._sizes)

    def tables(
        self,
        draws: np.random.Generator | None,
        names: Iterable[str],
        shard: RowShard = _WHOLE,
    ) -> Iterator[pa.Table]:
        """Reads the rows once, a row group at a time, some of them ahead.

        Args:
            draws: Chooses the order of the row groups; `None` for that of the files.
            names: The columns to read.
            shard: The part of the rows. A row group in which one part ends and another begins is
                read for both. Defaults to all rows.
        """
        names = list(names)
        order = np.arange(len(self._groups))
        if draws is not None:
            order = draws.permutation(order)
        with ThreadPoolExecutor(_GROUPS_AT_ONCE, THREADS) as pool:
            ahead = deque()
            try:
                for place, start, stop in shard.pieces(order, self._sizes):
                    group = self._groups[place]
                    ahead.append(pool.submit(self._read, group, names, start, stop))
                    if len(ahead) > _GROUPS_AT_ONCE:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:  # whoever reads may stop before the end
                pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, group: _Group, names: list[str], start: int, stop: int) -> pa.Table:
        where = f"row group {group.number} of {group.path}"
        try:
            with pq.ParquetFile(group.path, metadata=group.footer) as file:
                table = file.read_row_group(group.number, columns=names)
        except (OSError, pa.ArrowException) as error:
            raise _damaged(group.path, f"row group {group.number}: {error}") from error
        table = table.slice(start, stop - start)
        return pa.table(
            {
                name: plain_column(name, table[name], self.kinds[name], self._fill.get(name), where)
                for name in names
            }
        )


def _footer(path: str) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: str, reason: str) -> ValueError:
    fix = f"It cannot be read: {reason.rstrip('.')}. Write it anew, or leave it out."
    return invalid("paths", path, "whole Parquet files", fix)


def _check_columns(path: str, footer: pq.FileMetaData, first: pa.Schema, names: list[str]) -> None:
    schema = footer.schema.to_arrow_schema()
    for name in names:
        if name not in schema.names:
            raise unknown(f"column of {path}:", name, schema.names)
        kinds = [one.field(name).type for one in (schema, first)]
        if plain_type(name, kinds[0]) != plain_type(name, kinds[1]):
            raise TypeError(
                f"Column {name!r} must be of one type in all files. Got: {kinds[0]} in {path}, "
                f"{kinds[1]} before it. Write that file anew with the type of the others."
            )


def _check_nulls(path: str, footer: pq.FileMetaData, names: list[str]) -> None:
    """Finds nulls ahead of reading, where the file says how many there are."""
    places = [footer.schema.column(place).path for place in range(footer.num_columns)]
    flat = [(name, places.index(name)) for name in names if name in places]
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for name, place in flat:
            told = group.column(place).statistics
            if told is not None and told.has_null_count and told.null_count:
                raise null_error(name, told.null_count, f"row group {number} of {path}")
