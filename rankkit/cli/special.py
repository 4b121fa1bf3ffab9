"""Missing cells of the users, items, labels and times of a file, and labels of true and false."""

import dataclasses
from collections.abc import Collection
from typing import Any

from rankkit.cli.recipe import Data
from rankkit.cli.table import is_movielens, is_parquet
from rankkit.utils.quiet import import_tensorflow


@dataclasses.dataclass(frozen=True)
class Special:
    """What a program must know of these columns.

    Attributes:
        missing: Column to the values that its missing cells have in the program.
        is_boolean: Whether labels are true or false.
    """

    missing: dict[str, list[Any]]
    is_boolean: bool


def look_at(data: Data, path: str, columns: Collection[str]) -> Special:
    """Looks at those of some columns that no row can do without.

    What cannot be read is complete here: the program raises the error.
    """
    names = [each for each in (data.user, data.item, data.label, data.time) if each in columns]
    if is_movielens(path):
        return Special({}, False)
    import_tensorflow()
    import pyarrow as pa

    from rankkit.data.readers.paths import file_paths

    try:
        return (_in_parquet if is_parquet(path) else _in_csv)(data, file_paths(path), names)
    except (OSError, KeyError, pa.ArrowException):
        return Special({}, False)


def _in_csv(data: Data, paths: list[str], names: list[str]) -> Special:
    import pyarrow as pa
    import pyarrow.compute
    import pyarrow.csv as csv

    pc: Any = pyarrow.compute
    spellings = pa.array(csv.ConvertOptions().null_values)
    options = csv.ConvertOptions(
        include_columns=names, column_types=dict.fromkeys(names, pa.string())
    )
    parse = csv.ParseOptions(delimiter=data.delimiter)
    table = pa.concat_tables(
        csv.read_csv(path, parse_options=parse, convert_options=options) for path in paths
    )
    is_boolean, missing = False, {}
    for name in names:
        values = pc.unique(table[name])
        is_missing = pc.is_in(values, spellings)
        found = values.filter(is_missing).to_pylist()
        if name == data.label:
            rest = {text.lower() for text in values.filter(pc.invert(is_missing)).to_pylist()}
            is_boolean = rest <= {"true", "false", "1", "0"} and not rest <= {"1", "0"}
            if not is_boolean and data.decimal == ".":
                found = [float("nan")] * bool(found)
        elif name == data.time:
            found = [-(2**63)] * bool(found)
        if found:
            missing[name] = found
    return Special(missing, is_boolean)


def _in_parquet(data: Data, paths: list[str], names: list[str]) -> Special:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from rankkit.cli.table import is_missing
    from rankkit.data.readers.arrow import output_type

    tables = [pq.read_table(path, columns=names) for path in paths]
    table = pa.concat_tables(tables, promote_options="permissive")
    missing = {}
    for name in names:
        kind = output_type(name, table[name].type)
        if not is_missing(table[name]).to_numpy().any():
            continue
        if pa.types.is_boolean(kind):
            raise ValueError(
                f"Column {name!r} of {paths[0]} must have a value in each row, as its type is "
                "bool. Write it as integers, which may be missing, or remove these rows."
            )
        if pa.types.is_integer(kind):
            limits = np.iinfo(kind.to_pandas_dtype())
            missing[name] = [limits.min or limits.max]
        else:
            missing[name] = [float("nan") if pa.types.is_floating(kind) else ""]
    is_boolean = data.label in names and pa.types.is_boolean(table[data.label].type)
    return Special(missing, is_boolean)
