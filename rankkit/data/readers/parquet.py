"""Reader of Parquet files."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from os import PathLike
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from rankkit.data.columns import select_names
from rankkit.data.readers.arrow import cast_table, fill_scalars, null_error, output_type
from rankkit.data.readers.paths import file_paths
from rankkit.data.readers.table_batches import Slice, TableFiles, table_batches
from rankkit.utils.errors import check_known, invalid, unreadable

THREAD_NAME_PREFIX = "rankkit-parquet"
_FOOTERS_AT_ONCE = 8
_GROUPS_AT_ONCE = 2  # Arrow's own threads read the columns of a row group in parallel


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
    """Batches the rows of Parquet files, as `rankkit.data.batches` does for rows in memory.

    Only a few row groups are in memory at a time, so files may be larger than memory. Text becomes
    strings, dictionary-encoded or not; lists become ragged tensors, and lists of floats of a fixed
    size dense ones; times become integer seconds since 1970-01-01 UTC; `double` becomes `float32`,
    which must not round a number beyond 2^24.
    Checksums of pages are verified, if the files have them.

    With `shuffle`, every epoch reads the row groups in its own order and mixes their rows in a
    buffer. A `seed` makes these orders reproducible, as in `rankkit.data.batches`.

    Args:
        paths: A file, a folder, a pattern such as `"ratings/*.parquet"`, or a list of these.
        columns: Names of the columns to read, including the label. Defaults to `None`: all.
        batch_size: Rows per batch. Defaults to `8192`.
        shuffle: Whether to shuffle. The buffer has 100,000 rows, or the number given, and at least
            one row group. Defaults to `False`.
        seed: Seed of the shuffle orders. Defaults to `None`: a seed from Python's `random`.
        initial_epoch: Epoch to start from. Defaults to `0`.
        shard: `(number, count)`: reads one of `count` equal shards, for distributed training with
            a shard per worker. Each row is in exactly one shard if all workers are given the same
            files and, if they shuffle, the same `seed`. Defaults to `None`: all rows.
        fill: Maps columns to the value that replaces nulls. Defaults to `None`: nulls raise an
            error.
        drop_remainder: Whether to drop an incomplete last batch. Defaults to `False`.

    Returns:
        A data set of batches. Its cardinality is known, except for a shard, where Keras would take
        it for the number of batches of all workers. All shards have the same number of batches.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If a column has an unsupported type, or different types in different files.
        ValueError: If a file is damaged, lacks a column or has nulls, there are no rows, or a
            number is out of range. Problems that only show while reading are raised at that batch.

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
    files = ParquetFiles(file_paths(paths), columns, fill)
    return table_batches(files, batch_size, shuffle, seed, initial_epoch, shard, drop_remainder)


class ParquetFiles(TableFiles):
    """Parquet files with the same columns; a chunk is a row group."""

    def __init__(self, paths: list[str], columns: Iterable[str] | None, fill: Any):
        with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
            footers = list(pool.map(_read_footer, paths))
        # The columns of an empty file may have no types.
        files = [pair for pair in zip(paths, footers, strict=True) if pair[1].num_rows]
        if not files:
            raise invalid("paths", paths, "files with at least one row")
        schema = files[0][1].schema.to_arrow_schema()
        names = select_names(columns, schema.names, f"column of {files[0][0]}:")
        self.types = {name: output_type(name, schema.field(name).type) for name in names}
        self._fill = fill_scalars(fill, schema.names, self.types)
        for path, footer in files:
            _check_schema(path, footer, schema, names)
        _check_nulls(files, [name for name in names if name not in self._fill])
        self._groups = [
            (*file, number) for file in files for number in range(file[1].num_row_groups)
        ]
        self.num_chunks = len(self._groups)
        self.chunk_sizes = [footer.row_group(number).num_rows for _, footer, number in self._groups]
        self.num_rows = self.count_rows()

    def read(self, slices: Iterable[Slice], names: list[str]) -> Iterator[pa.Table]:
        """Reads one row group at a time and prefetches the next ones."""
        with ThreadPoolExecutor(_GROUPS_AT_ONCE, THREAD_NAME_PREFIX) as pool:
            pending = deque()
            try:
                for each in slices:
                    pending.append(pool.submit(self._read_slice, each, names))
                    if len(pending) > _GROUPS_AT_ONCE:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:  # the consumer may stop early
                pool.shutdown(wait=False, cancel_futures=True)

    def _read_slice(self, rows: Slice, names: list[str]) -> pa.Table:
        group, start, stop = rows
        path, footer, number = self._groups[group]
        try:
            with pq.ParquetFile(path, metadata=footer, page_checksum_verification=True) as file:
                table = file.read_row_group(number, columns=names)
        except (OSError, pa.ArrowException) as error:
            raise unreadable(path, f"a Parquet file (row group {number})", error) from error
        where = f"row group {number} of {path}"
        return cast_table(table.slice(start, stop - start), names, self.types, self._fill, where)


def _read_footer(path: str) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, "a Parquet file", error) from error


def _check_schema(path: str, footer: pq.FileMetaData, first: pa.Schema, names: list[str]) -> None:
    """Checks that a file has the columns of the first one, with the same types."""
    schema = footer.schema.to_arrow_schema()
    check_known(f"column of {path}:", names, schema.names)
    for name in names:
        types = [each.field(name).type for each in (schema, first)]
        if output_type(name, types[0]) != output_type(name, types[1]):
            raise TypeError(
                f"Column {name!r} must have the same type in all files. Got: {types[0]} in {path}, "
                f"{types[1]} in the files before it. Write that file again with the same type."
            )


def _check_nulls(files: list[tuple[str, pq.FileMetaData]], names: list[str]) -> None:
    """Raises for nulls before anything is read, if the files have statistics of them."""
    nulls: Counter[str] = Counter()
    where = set()
    for path, footer in files:
        column_paths = [footer.schema.column(index).path for index in range(footer.num_columns)]
        flat = [(name, column_paths.index(name)) for name in names if name in column_paths]
        for group in range(footer.num_row_groups):
            for name, index in flat:
                statistics = footer.row_group(group).column(index).statistics
                if statistics is not None and statistics.has_null_count and statistics.null_count:
                    nulls[name] += statistics.null_count
                    where.add(path)
    if nulls:
        more = f" and {len(where) - 1} other files" if len(where) > 1 else ""
        raise null_error(nulls, f"{min(where)}{more}")
