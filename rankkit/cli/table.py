"""The whole input file as an Arrow table, to look at before anything is trained."""

from pathlib import Path
from typing import Any

import numpy as np

from rankkit.utils.errors import check_known, unreadable

MOVIELENS = "movielens:"
_MOVIELENS_COLUMNS = {  # what the names of the data set mean; the rest is guessed
    "user": "user_id",
    "item": "movie_id",
    "label": "user_rating",
    "time": "timestamp",
}
_DELIMITERS = ",;\t|"
_DECIMAL_COMMA = r"^\s*[-+]?\d*,?\d+\s*$"


def is_movielens(path: str) -> bool:
    """Whether a path names a data set instead of a file."""
    return path.startswith(MOVIELENS)


def movielens_columns(path: str) -> dict[str, str]:
    """Returns the special columns of a data set that needs no options; of a file, none."""
    return _MOVIELENS_COLUMNS if is_movielens(path) else {}


def is_parquet(path: str) -> bool:
    """Whether a file, or the first one in a folder, is a Parquet file by its name."""
    return path.endswith((".parquet", ".pq")) or any(Path(path).rglob("*.parquet"))


def find_delimiter(path: str) -> str:
    """Returns the delimiter that occurs most often in the first line of a CSV file."""
    import pyarrow as pa

    from rankkit.data.readers.paths import file_paths

    with pa.input_stream(file_paths(path)[0]) as file:
        line = file.read(65_536).split(b"\n")[0]
    return max(_DELIMITERS, key=lambda each: line.count(each.encode()))


def read_table(path: str, delimiter: str, text: list[str], columns: list[str]) -> Any:
    """Reads all columns of a file; missing cells are null.

    Args:
        path: The file, or the name of a data set.
        delimiter: Of a CSV file.
        text: Columns to read as text, whatever they look like.
        columns: Columns that must exist.
    """
    import pyarrow as pa
    import pyarrow.csv as pc

    from rankkit import data
    from rankkit.data.readers.paths import file_paths

    if is_movielens(path):
        rows = data.movielens(path.removeprefix(MOVIELENS))
        rows = {name: _plain_lists(column) for name, column in rows.items()}
        return pa.table(rows)
    if is_parquet(path):
        try:
            table = read_parquet(path)
        except pa.ArrowException as error:
            raise unreadable(path, "a Parquet file", error) from None
        check_known(f"column of {path}:", columns, table.column_names)
        return table
    types = dict.fromkeys(columns, str)
    data.read_csv(path, columns, delimiter=delimiter, types=types)  # checks the file
    options = pc.ConvertOptions(
        column_types=dict.fromkeys(text, pa.string()), strings_can_be_null=True
    )
    parse = pc.ParseOptions(delimiter=delimiter)
    tables = [
        pc.read_csv(each, parse_options=parse, convert_options=options) for each in file_paths(path)
    ]
    return pa.concat_tables(tables, promote_options="permissive")


def read_parquet(path: str, columns: list[str] | None = None) -> Any:
    """Reads Parquet files, with columns of types that all of Arrow's functions take."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from rankkit.data.readers.paths import file_paths

    def plain(kind: Any) -> Any:
        if pa.types.is_dictionary(kind):
            return plain(kind.value_type)
        if pa.types.is_fixed_size_list(kind):
            return pa.list_(kind.value_type)
        return pa.string() if pa.types.is_string_view(kind) else kind

    tables = [pq.read_table(each, columns=columns) for each in file_paths(path)]
    table = pa.concat_tables(tables, promote_options="permissive")
    return table.cast(pa.schema([pa.field(each.name, plain(each.type)) for each in table.schema]))


def is_missing(column: Any) -> Any:
    """Returns which cells of a column are null, NaN or an empty text."""
    import pyarrow as pa
    import pyarrow.compute

    pc: Any = pyarrow.compute
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pc.equal(pc.fill_null(column, ""), "")
    return pc.is_null(column, nan_is_null=True)


def without_missing(table: Any, names: list[str]) -> Any:
    """Returns the rows that have a value in each of some columns."""
    import pyarrow.compute

    pc: Any = pyarrow.compute
    for name in names:
        table = table.filter(pc.invert(is_missing(table[name])))
    return table


def read_decimal_commas(table: Any, text: list[str]) -> tuple[Any, bool]:
    """Converts text such as 3,5 to numbers, except in columns of `text`; returns if there was any.

    A column is converted if each of its cells is such a number, or empty.
    """
    import pyarrow as pa
    import pyarrow.compute

    pc: Any = pyarrow.compute  # creates its functions when it is imported
    is_any = False
    for index, name in enumerate(table.column_names):
        column = table[name]
        if name in text or not pa.types.is_string(column.type):
            continue
        if pc.all(pc.match_substring_regex(column, _DECIMAL_COMMA)).as_py():
            points = pc.replace_substring(pc.utf8_trim_whitespace(column), ",", ".")
            table = table.set_column(index, name, pc.cast(points, pa.float64()))
            is_any = True
    return table, is_any


def _plain_lists(column: np.ndarray) -> Any:
    return column.tolist() if column.dtype == object else column
