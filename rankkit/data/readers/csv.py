"""Reader of CSV files."""

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc
import tensorflow as tf

from rankkit.data.columns import select_names
from rankkit.data.readers.arrow import cast_table, fill_scalars, output_type
from rankkit.data.readers.paths import file_paths
from rankkit.data.readers.table_batches import Slice, TableFiles, table_batches
from rankkit.utils.errors import (
    check_mapping,
    check_sequence,
    check_text,
    invalid,
    missing,
    unknown,
    unreadable,
    wrong_type,
)

_MARKS = {  # of other encodings; that of UTF-32 starts like that of UTF-16
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_OTHER_FILES = {  # the first bytes of files that are not text, and what to do about them
    b"PAR1": ("a Parquet file", "Read it with rankkit.data.read_parquet."),
    b"PK\x03\x04": ("a zip file, such as an Excel file", "Unpack it, or save it as CSV."),
    b"\x1f\x8b": ("a file compressed by gzip", "Give it a name that ends in .gz."),
    b"BZh": ("a file compressed by bzip2", "Give it a name that ends in .bz2."),
    b"\x28\xb5\x2f\xfd": ("a file compressed by Zstandard", "Give it a name that ends in .zst."),
    b"\xfd7zXZ\x00": ("a file compressed by xz", "Unpack it."),
    b"ARROW1": ("an Arrow file", "Read it with pyarrow, and write it as Parquet."),
}
FILE_START = 64  # bytes
_BLOCK_BYTES = 1 << 22
_ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float32(), bool: pa.bool_()}


def read_csv(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    columns: Iterable[str] | None = None,
    batch_size: int = 8192,
    *,
    types: Mapping[str, type] | None = None,
    names: Sequence[str] | None = None,
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
            inferred from the first rows; pass `str` for string ids that look like numbers. Numbers
            beyond 2^24 that `float32` rounds are refused, unless you pass `float` to accept that.
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
        ValueError: If a file lacks a column or has one twice, is not in UTF-8, there are no rows,
            a line cannot be parsed, or a number is out of range. Problems beyond the first rows are
            raised at that batch, with the line number.

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
        names: Sequence[str] | None,
        delimiter: str,
        fill: Any,
    ):
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            raise invalid("delimiter", delimiter, "a single character")
        if names is not None:
            fix = f"Write names=[{names!r}]." if isinstance(names, str) else ""
            names = check_sequence("names", names, "a list of names", fix)
            if not all(isinstance(name, str) for name in names):
                raise wrong_type("names", names, "a list of names of type str")
        if types is not None:
            for name in check_mapping("types", types, "a dict from column to type"):
                check_text("types", name, "a dict whose keys are names of columns")
        self._paths = paths
        self.num_chunks = len(paths)
        self._read_options = pc.ReadOptions(
            block_size=_BLOCK_BYTES,
            column_names=names,
            use_threads=False,  # so that errors contain the line number
        )
        self._parse_options = pc.ParseOptions(delimiter=delimiter)
        self._read_types = {name: _arrow_type(name, kind) for name, kind in (types or {}).items()}
        with self._open(paths[0], None) as first:
            schema = first.schema
            columns_read = _names(paths[0], schema)
            if not any(True for _ in first):
                raise invalid("paths", paths[0], "files with at least one row")
        selected = select_names(columns, columns_read, f"column of {paths[0]}:")
        for name in types or {}:
            if name not in columns_read:
                raise unknown("column in types", name, columns_read)
        self._read_types = {name: schema.field(name).type for name in selected}
        _check_inferred(paths[0], self._read_types)
        self.types = {name: output_type(name, kind) for name, kind in self._read_types.items()}
        self._fill = fill_scalars(fill, columns_read, self.types)
        for path in paths[1:]:
            with self._open(path, None) as file:
                known = _names(path, file.schema)
            for name in selected:
                if name not in known:
                    raise missing(f"column of {path}:", name, selected, known)
            select_names(selected, known, f"column of {path}:")

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
            with pa.input_stream(path) as file:
                check_start(path, file.read(FILE_START), "a CSV file")
            return pc.open_csv(path, self._read_options, self._parse_options, options)
        except (OSError, pa.ArrowException) as error:
            raise _parse_error(path, error) from error


def check_start(path: str, start: bytes, expected: str) -> None:
    """Raises for a file of another format than expected, or not in UTF-8."""
    for mark, (kind, fix) in _OTHER_FILES.items():
        if start.startswith(mark):
            raise ValueError(f"{path} must be {expected}. Got: {kind}. {fix}")
    if (
        start.removeprefix(codecs.BOM_UTF8)
        .lstrip()[:14]
        .lower()
        .startswith((b"<!doctype html", b"<html", b"<?xml"))
    ):
        fix = "Download the file itself: this may be an error page."
        raise ValueError(f"{path} must be {expected}. Got: an HTML or XML page. {fix}")
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            raise _encoding_error(path, encoding, encoding)
    if encoding := _encoding_without_mark(start):
        raise _encoding_error(path, encoding, encoding)


def _encoding_without_mark(start: bytes) -> str | None:
    """The encoding whose commas, digits and letters have these NUL bytes; `None` for UTF-8."""
    if 4 * start.count(0) < len(start) or not start:
        return None
    for name, places in (("UTF-32LE", (2, 3)), ("UTF-32BE", (0, 1))):
        if not any(any(start[place::4]) for place in places):
            return name
    return "UTF-16LE" if start[1::2].count(0) > start[::2].count(0) else "UTF-16BE"


def _arrow_type(name: str, kind: Any) -> pa.DataType:
    if not isinstance(kind, type) or kind not in _ARROW_TYPES:
        raise invalid(f"types[{name!r}]", kind, "str, int, float or bool")
    return _ARROW_TYPES[kind]


def _names(path: str, schema: pa.Schema) -> list[str]:
    """The names in the header of a file."""
    try:
        names = schema.names
    except UnicodeDecodeError:
        raise _encoding_error(path, "its header is not valid UTF-8") from None
    if any("\0" in name for name in names):
        raise _encoding_error(path, "its header has NUL characters, as UTF-16 has", "UTF-16")
    return names


def _check_inferred(path: str, types: Mapping[str, pa.DataType]) -> None:
    """Raises for columns whose type cannot be inferred, or that are not UTF-8."""
    for name, kind in types.items():
        if pa.types.is_binary(kind):
            raise _encoding_error(path, f"column {name!r} is not valid UTF-8")
    empty = [name for name, kind in types.items() if pa.types.is_null(kind)]
    if empty:
        listed = ", ".join(map(repr, empty))
        given = ", ".join(f"{name!r}: str" for name in empty)
        raise ValueError(
            f"The types of these columns cannot be inferred, since they have no value in the first "
            f"rows: {listed}. Pass their types, such as types={{{given}}} for ids and other text, "
            "or int or float, with a value in fill for empty cells."
        )


def _encoding_error(path: str, reason: str, encoding: str = "LATIN1") -> ValueError:
    known = "" if encoding in reason else ", with the encoding that it was written in"
    return ValueError(
        f"{path} must be text in UTF-8. Got: {reason}. Convert the file first, such as with "
        f"iconv -f {encoding} -t UTF-8{known}."
    )


def _parse_error(path: str, error: Exception) -> ValueError:
    if "invalid UTF8" in str(error) or "\0" in str(error):
        return _encoding_error(path, str(error).rstrip("."))
    if isinstance(error, OSError):
        return unreadable(path, "a CSV file", error)
    if "Empty CSV file" in str(error):
        return invalid("paths", path, "files with at least one row")
    fix = "Fix that row, or pass the type of the column, such as types={'user_id': str}."
    if "CSV parse error" in str(error):  # of the number of cells
        fix = "Fix that row: a cell that contains the delimiter must be in double quotes."
    return ValueError(f"{path} cannot be parsed: {str(error).rstrip('.')}. {fix}")
