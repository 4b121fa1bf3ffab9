"""Reader of CSV files."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import tensorflow as tf

from rankkit.data.columns import selected
from rankkit.data.readers.arrow import fillers, plain_column, plain_type
from rankkit.data.readers.paths import file_paths
from rankkit.data.readers.table_batches import RowShard, checked_shard
from rankkit.utils.errors import invalid, missing, unknown


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
    r"""Batches of the rows of CSV files, as `rankkit.data.read_parquet` gives those of Parquet.

    Shuffled files come in a new order at each pass, and their rows are mixed in a window. Parquet
    is faster to read, mixes rows that are farther apart and knows how many there are. Files whose
    names end in `.gz`, `.bz2` or `.zst` are decompressed.

    Args:
        paths: A file, a folder, a pattern such as `"ratings/*.csv"`, or a list of these.
        columns: The columns to read, the label among them. Defaults to `None`: all.
        batch_size: Rows a batch. Defaults to `8192`.
        types: Column to `str`, `int`, `float` or `bool`. Defaults to `None`: the first rows tell;
            say so for ids that look like numbers and are to be strings.
        names: The names of the columns. Defaults to `None`: the first line has them.
        delimiter: The character between two cells. Defaults to `","`.
        shuffle: Whether to shuffle. The window has 100,000 rows, or as many as a number says.
            Defaults to `False`.
        seed: Chooses the orders of the epochs. Defaults to `None`: one is drawn from Python's
            `random`.
        initial_epoch: The epoch that the first pass stands for. Defaults to `0`.
        shard: `(number, count)`: this part of so many equal parts of the rows, one for each worker,
            as of `read_parquet`. All files are read once ahead to count their rows, and then those
            that hold rows of the part: best are more files than workers. Defaults to `None`: all
            rows.
        fill: Column to what is put in place of nulls: of numbers, these are empty cells. Defaults
            to `None`: they are refused.
        drop_remainder: Whether to leave out a last batch that is not full. Defaults to `False`.

    Returns:
        The batches, whose number is not known. All shards have as many.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If a column is of a type that nothing can be made of.
        ValueError: If a file lacks a column, there is no row, the first rows cannot be read, or a
            number is out of its range. What only reading on can tell is an error of TensorFlow at
            that batch, with the line.

    Example:
        >>> import pathlib, tempfile
        >>> import rankkit as rk
        >>> file = pathlib.Path(tempfile.mkdtemp(), "ratings.csv")
        >>> _ = file.write_text("7,4.0\n42,2.5\n")
        >>> batches = rk.data.read_csv(file, names=["user_id", "rating"], types={"user_id": str})
        >>> [batch["user_id"].numpy().tolist() for batch in batches]
        [[b'7', b'42']]
    """
    # Importing Arrow takes a while, and few processes read files.
    from rankkit.data.readers.table_batches import table_batches

    files = CsvFiles(
        file_paths(paths), columns, types=types, names=names, delimiter=delimiter, fill=fill
    )
    return table_batches(
        files,
        batch_size,
        shuffle=shuffle,
        seed=seed,
        initial_epoch=initial_epoch,
        drop_remainder=drop_remainder,
        shard=None if shard is None else checked_shard(shard, files.count_rows()),
    )


_BLOCK_BYTES = 1 << 22
_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float32(), bool: pa.bool_()}


class CsvFiles:
    """The rows of CSV files, all of them with the same columns.

    Args:
        paths: The files.
        columns: The columns to read, `None` for those of the first file.
        types: Column to `str`, `int`, `float` or `bool`; others are told by the first rows.
        names: The columns' names, `None` where the first line has them.
        delimiter: What stands between two cells.
        fill: Column to what is put in place of nulls, or `None`.

    Raises:
        TypeError: If a column is of a type that nothing can be made of.
        ValueError: If a file lacks a column, or its first rows cannot be read.
    """

    num_rows: int | None = None  # nothing tells ahead, but for `count_rows`

    def __init__(
        self,
        paths: list[str],
        columns: Iterable[str] | None,
        *,
        types: Mapping[str, type] | None,
        names: Iterable[str] | None,
        delimiter: str,
        fill: Any,
    ):
        self._paths = paths
        self._sizes: list[int] = []
        self._reading = pc.ReadOptions(
            block_size=_BLOCK_BYTES,
            column_names=None if names is None else list(names),
            use_threads=False,  # so that errors tell the line
        )
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            raise invalid("delimiter", delimiter, "one character")
        self._parsing = pc.ParseOptions(delimiter=delimiter)
        self._types = {name: _arrow_type(name, kind) for name, kind in (types or {}).items()}
        with self._open(paths[0], None) as first:
            schema = first.schema
            if not any(True for _ in first):
                raise invalid("paths", paths[0], "files with at least one row")
        for option, given in (("types", types), ("fill", fill)):
            for name in given or {}:
                if name not in schema.names:
                    raise unknown(f"column in {option}", name, schema.names)
        wanted = selected(columns, schema.names, f"column of {paths[0]}:")
        self._types = {name: schema.field(name).type for name in wanted}
        self.kinds = {name: _plain(name, kind) for name, kind in self._types.items()}
        self._fill = fillers(fill, self.kinds)
        for path in paths[1:]:
            self._open(path, wanted).close()

    def count_rows(self) -> int:
        """Reads all files for how many rows each has, which parts of the rows need to be known.

        Raises:
            ValueError: If a line has not as many cells as the others.
        """
        names = list(self.kinds)[:1]
        self._sizes = [
            sum(batch.num_rows for batch in self._batches(path, names)) for path in self._paths
        ]
        self.num_rows = sum(self._sizes)
        return self.num_rows

    def tables(
        self,
        draws: np.random.Generator | None,
        names: Iterable[str],
        shard: RowShard | None = None,
    ) -> Iterator[pa.Table]:
        """Reads the rows once, some of a file at a time.

        Args:
            draws: Chooses the order of the files; `None` for the one given.
            names: The columns to read.
            shard: The part of the rows, once they were counted. A file in which one part ends and
                another begins is read for both. Defaults to `None`, all rows.
        """
        names = list(names)
        order = np.arange(len(self._paths))
        if draws is not None:
            order = draws.permutation(order)
        pieces = ((place, 0, sys.maxsize) for place in order)
        if shard is not None:
            pieces = shard.pieces(order, self._sizes)
        for place, start, stop in pieces:
            path = self._paths[place]
            end = 0
            for batch in self._batches(path, names):
                first, end = end, end + batch.num_rows
                if start < end:
                    skipped = max(start - first, 0)
                    part = batch.slice(skipped, min(stop, end) - first - skipped)
                    yield self._plain_table(part, names, path)
                if stop <= end:
                    break

    def _batches(self, path: str, names: list[str]) -> Iterator[pa.RecordBatch]:
        with self._open(path, names) as reader:
            try:
                yield from reader
            except (OSError, pa.ArrowException) as error:
                raise _unreadable(path, error) from error

    def _plain_table(self, batch: pa.RecordBatch, names: list[str], path: str) -> pa.Table:
        table = pa.Table.from_batches([batch])
        return pa.table(
            {
                name: plain_column(name, table[name], self.kinds[name], self._fill.get(name), path)
                for name in names
            }
        )

    def _open(self, path: str, names: list[str] | None) -> pc.CSVStreamingReader:
        converting = pc.ConvertOptions(include_columns=names, column_types=self._types)
        try:
            return pc.open_csv(path, self._reading, self._parsing, converting)
        except pa.ArrowKeyError:
            with self._open(path, None) as whole:
                known = whole.schema.names
            absent = next(name for name in names or [] if name not in known)
            raise missing(f"column of {path}:", absent, names or [], known) from None
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from error


def _arrow_type(name: str, kind: Any) -> pa.DataType:
    if kind not in _TYPES:
        raise invalid(f"types[{name!r}]", kind, "str, int, float or bool")
    return _TYPES[kind]


def _plain(name: str, kind: pa.DataType) -> pa.DataType:
    if pa.types.is_null(kind):
        fix = f"Say what it is, such as types={{{name!r}: float}}, and what it is filled with."
        raise invalid(f"column {name!r}", "no value", "of values in the first rows", fix)
    return plain_type(name, kind)


def _unreadable(path: str, error: Exception) -> ValueError:
    fix = "Mend that row, or say what the column is, such as types={'user_id': str}."
    return ValueError(f"{path} cannot be read: {str(error).rstrip('.')}. {fix}")
