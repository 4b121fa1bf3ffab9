"""Missing cells of the columns of a file, and labels of true and false."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from rankkit.cli.recipe import Data
from rankkit.cli.table import is_missing, is_movielens, is_parquet, read_parquet
from rankkit.utils.quiet import import_tensorflow

_WHOLE_FLOAT = r"^\d+\.0*$"  # an integer of a pandas column in which others are missing


@dataclasses.dataclass(frozen=True)
class Special:
    """What a program must know of some columns.

    Attributes:
        missing: Column to the values that its missing cells have in the program.
        is_boolean: Whether labels are true or false.
        float_ids: Columns of ids that are integers, but written as floats: others are missing. In
            a CSV file, the column of times, which is read as text.
    """

    missing: dict[str, list[Any]]
    is_boolean: bool = False
    float_ids: Sequence[str] = ()


def look_at(data: Data, path: str, columns: Sequence[str]) -> Special:
    """Looks at columns of a file; of CSV without decimal commas, at the required ones.

    What cannot be read is complete here: the program raises the error.
    """
    if is_movielens(path):
        return Special({})
    import_tensorflow()
    import pyarrow as pa

    try:
        return (_in_parquet if is_parquet(path) else _in_csv)(data, path, columns)
    except (OSError, KeyError, pa.ArrowException):
        return Special({})


def _in_csv(data: Data, path: str, columns: Sequence[str]) -> Special:
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.csv as csv

    from rankkit.data.readers.paths import file_paths

    pc: Any = pyarrow.compute
    special = (data.user, data.item, data.label, data.time)
    # Numbers with decimal commas are read as text.
    names = [each for each in columns if each in special or data.decimal == ","]
    spellings = pa.array(csv.ConvertOptions().null_values)
    options = csv.ConvertOptions(
        include_columns=names, column_types=dict.fromkeys(names, pa.string())
    )
    parse = csv.ParseOptions(delimiter=data.delimiter)
    table = pa.concat_tables(
        csv.read_csv(each, parse_options=parse, convert_options=options)
        for each in file_paths(path)
    )
    is_boolean, missing, float_times = False, {}, []
    for name in names:
        values = pc.unique(table[name])
        is_absent = pc.is_in(values, spellings)
        found = values.filter(is_absent).to_pylist()
        if name == data.label:
            rest = {text.lower() for text in values.filter(pc.invert(is_absent)).to_pylist()}
            is_boolean = rest <= {"true", "false", "1", "0"} and not rest <= {"1", "0"}
            if not is_boolean and data.decimal == ".":
                found = [float("nan")] * bool(found)
        elif name == data.time:
            rest = values.filter(pc.invert(is_absent))
            if len(rest) and pc.any(pc.match_substring_regex(rest, _WHOLE_FLOAT)).as_py():
                float_times = [name]
            else:
                found = [-(2**63)] * bool(found)
        if found:
            missing[name] = found
    return Special(missing, is_boolean, float_times)


def _in_parquet(data: Data, path: str, columns: Sequence[str]) -> Special:
    import numpy as np
    import pyarrow as pa

    from rankkit.data.readers.arrow import output_type

    table = read_parquet(path, list(columns))
    missing, float_ids = {}, []
    for name in columns:
        column, kind = table[name], output_type(name, table[name].type)
        has_missing = is_missing(column).to_numpy().any()
        if has_missing and pa.types.is_boolean(kind):
            raise ValueError(
                f"Column {name!r} of {path} must have a value in each row, as its type is bool. "
                "Write it as integers, which may be missing, or remove these rows."
            )
        if has_missing and pa.types.is_integer(kind):
            limits = np.iinfo(kind.to_pandas_dtype())
            missing[name] = [limits.min or limits.max]
        elif has_missing:
            blank = [] if pa.types.is_large_list(kind) else ""
            missing[name] = [float("nan") if pa.types.is_floating(kind) else blank]
        if name in (data.user, data.item) and pa.types.is_floating(kind):
            float_ids.append(name)
            values = column.drop_null().to_numpy()
            if (wrong := values[values % 1 > 0]).size:
                raise ValueError(
                    f"Column {name!r} of {path} must have ids, text or integers. Got: {wrong[0]}."
                )
    is_boolean = data.label in columns and pa.types.is_boolean(table[data.label].type)
    return Special(missing, is_boolean, float_ids)
