"""Reader of CSV files."""

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import tensorflow as tf

from rankkit.data.columns import select_names
from rankkit.data.readers.arrow import cast_table, fill_scalars, output_type
from rankkit.data.readers.paths import file_paths
from rankkit.data.readers.table_batches import Slice, TableFiles, table_batches
from rankkit.utils.errors import invalid, missing, unknown, wrong_type

_BLOCK_BYTES = 1 << 22
_ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float32(), bool: pa.bool_()}


def read_csv(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    columns: Iterable[str] | None = None,
    batch_size: int = 8192,
    *,
    types: Mapping[str, type] | None = None,
    names: Iterable[str] | None = None,
    delimiter: str = ",",
    shuffle: bool | int = False,
    seed: int | None = None,
    initial_epoch: int = 0,
    shard: tuple[int, int] | None = None,
    fill: Mapping[str, Any] | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    r"""Batches the rows of CSV files, as `rankkit.data.read_parquet` does for Parquet files.

    With `shuffle`, every epoch reads the files in its own order and mixes their rows in a buffer.
    Prefer Parquet where you can: it is faster to read, shuffles rows that are farther apart, and
    the number of batches is known. Files ending in `.gz`, `.bz2` or `.zst` are decompressed.

    Args:
        paths: A file, a folder, a pattern such as `"ratings/*.csv"`, or a list of these.
        columns: Names of the columns to read, including the label. Defaults to `None`: all.
        batch_size: Rows per batch. Defaults to `8192`.
        types: Maps columns to `str`, `int`, `float` or `bool`. Defaults to `None`: types are
            inferred from the first rows; pass `str` for string ids that look like numbers.
        names: Names of the columns. Defaults to `None`: the first line is a header.
        delimiter: Character between two cells. Defaults to `","`.
        shuffle: Whether to shuffle. The buffer has 100,000 rows, or the number given. Defaults to
            `False`.
        seed: Seed of the shuffle orders. Defaults to `None`: a seed from Python's `random`.
        initial_epoch: Epoch to start from. Defaults to `0`.
        shard: `(number, count)`: reads one of `count` equal shards, as in `read_parquet`. All files
            are read once to count their rows, and later only those that overlap the shard: use
            more files than workers. Defaults to `None`: all rows.
        fill: Maps numeric columns to the value that replaces their empty cells. Defaults to `None`:
            empty cells raise an error.
        drop_remainder: Whether to drop an incomplete last batch. Defaults to `False`.

    Returns:
        A data set of batches of unknown cardinality. All shards have the same number of batches.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If a column has an unsupported type.
        ValueError: If a file lacks a column, there are no rows, the first rows cannot be parsed, or
            a number is out of range. Problems further down are raised as a TensorFlow error at
            that batch, with the line number.

    Example:
        >>> import pathlib, tempfile
        >>> import rankkit as rk
        >>> file = pathlib.Path(tempfile.mkdtemp(), "ratings.csv")
        >>> _ = file.write_text("7,4.0\n42,2.5\n")
        >>> batches = rk.data.read_csv(file, names=["user_id", "rating"], types={"user_id": str})
        >>> [batch["user_id"].numpy().tolist() for batch in batches]
        [[b'7', b'42']]
    """
    files = CsvFiles(file_paths(paths), columns, types, names, delimiter, fill)
    return table_batches(files, batch_size, shuffle, seed, initial_epoch, shard, drop_remainder)


class CsvFiles(TableFiles):
    """CSV files with the same columns; a chunk is a file."""

    def __init__(
        self,
        paths: list[str],
        columns: Iterable[str] | None,
        types: Mapping[str, type] | None,
        names: Iterable[str] | None,
        delimiter: str,
        fill: Any,
    ):
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            raise invalid("delimiter", delimiter, "a single character")
        if isinstance(names, str):
            raise wrong_type("names", names, "a list of names", f"Write names=[{names!r}].")
        if types is not None and not isinstance(types, Mapping):
            raise wrong_type("types", types, "a dict from column to type")
        self._paths = paths
        self.num_chunks = len(paths)
        self._read_options = pc.ReadOptions(
            block_size=_BLOCK_BYTES,
            column_names=None if names is None else list(names),
            use_threads=False,  # so that errors contain the line number
        )
        self._parse_options = pc.ParseOptions(delimiter=delimiter)
        self._read_types = {name: _arrow_type(name, kind) for name, kind in (types or {}).items()}
        with self._open(paths[0], None) as first:
            schema = first.schema
            if not any(True for _ in first):
                raise invalid("paths", paths[0], "files with at least one row")
        for name in types or {}:
            if name not in schema.names:
                raise unknown("column in types", name, schema.names)
        selected = select_names(columns, schema.names, f"column of {paths[0]}:")
        self._read_types = {name: schema.field(name).type for name in selected}
        for name, kind in self._read_types.items():
            if pa.types.is_null(kind):
                raise ValueError(
                    f"The type of column {name!r} cannot be inferred: it has no value in the first "
                    f"rows. Pass its type, such as types={{{name!r}: float}}, and a fill value."
                )
        self.types = {name: output_type(name, kind) for name, kind in self._read_types.items()}
        self._fill = fill_scalars(fill, schema.names, self.types)
        for path in paths[1:]:
            self._open(path, selected).close()

    def count_rows(self) -> int:
        """Reads all files to count the rows of each, which shards need."""
        names = list(self.types)[:1]
        self.chunk_sizes = [
            sum(batch.num_rows for batch in self._batches(path, names)) for path in self._paths
        ]
        self.num_rows = super().count_rows()
        return self.num_rows

    def read(self, slices: Iterable[Slice], names: list[str]) -> Iterator[pa.Table]:
        """Reads one block of a file at a time."""
        for file, start, stop in slices:
            path = self._paths[file]
            end = 0
            for batch in self._batches(path, names):
                first, end = end, end + batch.num_rows
                if start < end:
                    part = batch[max(start - first, 0) : stop - first]
                    table = pa.Table.from_batches([part])
                    yield cast_table(table, names, self.types, self._fill, path)
                if stop <= end:
                    break

    def _batches(self, path: str, names: list[str]) -> Iterator[pa.RecordBatch]:
        with self._open(path, names) as reader:
            try:
                yield from reader
            except (OSError, pa.ArrowException) as error:
                raise _parse_error(path, error) from error

    def _open(self, path: str, names: list[str] | None) -> pc.CSVStreamingReader:
        options = pc.ConvertOptions(include_columns=names, column_types=self._read_types)
        try:
            return pc.open_csv(path, self._read_options, self._parse_options, options)
        except pa.ArrowKeyError:
            with self._open(path, None) as reader:
                known = reader.schema.names
            absent = next(name for name in names or [] if name not in known)
            raise missing(f"column of {path}:", absent, names or [], known) from None
        except (OSError, pa.ArrowException) as error:
            raise _parse_error(path, error) from error


def _arrow_type(name: str, kind: Any) -> pa.DataType:
    if kind not in _ARROW_TYPES:
        raise invalid(f"types[{name!r}]", kind, "str, int, float or bool")
    return _ARROW_TYPES[kind]


def _parse_error(path: str, error: Exception) -> ValueError:
    fix = "Fix that row, or pass the type of the column, such as types={'user_id': str}."
    return ValueError(f"{path} cannot be parsed: {str(error).rstrip('.')}. {fix}")
