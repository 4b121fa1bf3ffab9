"""Columns of dicts and data frames, and their encoding as tensors."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import NUMBER, as_array, exact_numbers, fill_numbers, single_values
from rankkit.core.features import check_features, check_utf8, padding_of
from rankkit.core.in_memory import Column, Windows
from rankkit.core.precision import is_rounded
from rankkit.core.timestamps import as_seconds, is_missing
from rankkit.core.vocabulary import MISSING_ID
from rankkit.utils.errors import (
    as_names,
    check_choice,
    check_known,
    check_mapping,
    invalid,
    subject,
    wrong_type,
)


def as_columns(
    rows: Any,
    names: Iterable[str] | None = None,
    *,
    argument: str = "rows",
    allows_data_sets: bool = False,
) -> dict[str, np.ndarray]:
    """Columns of a dict or a table as arrays of one length, all of them by default."""
    known = table_names(rows)
    if known is None:
        others = ", a DataFrame or a tf.data.Dataset" if allows_data_sets else " or a DataFrame"
        fix = 'Name the columns, as in {"user_id": [...], "item_id": [...]}.'
        known = list(check_mapping(argument, rows, f"a dict of arrays{others}", fix))
    selected = select_names(names, known)
    if not is_data_frame(rows) and not isinstance(rows, Mapping):
        rows = _arrow_table(rows)
    columns = {name: _as_array(rows[name]) for name in selected}
    _check_lengths(argument, columns)
    if not any(map(len, columns.values())):
        raise ValueError(f"{argument} must have at least one row. Got: 0 rows. Check the filters.")
    return columns


def _as_array(column: Any) -> Any:
    return column if isinstance(column, Windows) else as_array(column)


def _check_lengths(argument: str, columns: Mapping[str, Any]) -> None:
    """Raises unless all columns are arrays or tensors of one length."""
    for name, column in columns.items():
        if not len(column.shape):
            fix = "Pass an array or a list with one value per row."
            raise wrong_type(f"{argument}[{name!r}]", np.asarray(column).item(), "an array", fix)
    lengths = {name: column.shape[0] for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"{argument} must have columns of equal length. Got: {lengths}. Pass one value per row "
            "in each column."
        )


def is_data_frame(rows: Any) -> bool:
    """Whether `rows` is a DataFrame of pandas, or one that is used in the same way."""
    return hasattr(rows, "columns") and hasattr(rows, "iloc")


def table_names(rows: Any) -> list[str] | None:
    """Names of the columns of a DataFrame or an Arrow table; `None` for any other data."""
    if is_data_frame(rows):
        return list(rows.columns)
    # Of any library that exports Arrow tables, such as polars.
    if hasattr(rows, "__arrow_c_stream__") and hasattr(rows, "columns"):
        return _arrow_table(rows).column_names
    return None


def _arrow_table(rows: Any) -> Any:
    import pyarrow as pa  # importing it takes time

    return pa.table(rows)


def check_table(argument: str, columns: Any) -> None:
    """Raises unless `columns` are a table, or a dict with more than a single value in each."""
    if table_names(columns) is not None:
        return
    expected = "a dict of columns or a DataFrame"
    for name, column in check_mapping(argument, columns, expected).items():
        if isinstance(column, str | bytes | int | float | np.generic):
            fix = "Pass an array or a list with one value per row."
            raise wrong_type(f"{argument}[{name!r}]", column, "an array", fix)


def table_tensors(
    rows: Any, features: Mapping[str, tf.TensorSpec], more: Iterable[str] = ()
) -> Any:
    """The features of a table, and `more` columns that it has, as tensors; other data as it is.

    In a dict, only what Keras cannot read is converted, or left out if it is none of these columns.
    """
    known = table_names(rows)
    names = [*features, *more]
    if known is None and isinstance(rows, dict):
        check_features(features, rows)
        columns = {
            name: _as_readable(name, column) if name in names else column
            for name, column in rows.items()
            if name in names or _is_readable(column)
        }
        _check_lengths("x", {name: columns[name] for name in names if name in columns})
        return columns
    if known is None:
        return rows
    check_features(features, known)
    columns = as_columns(rows, dict.fromkeys(name for name in names if name in known))
    return {name: _all_cells(name, column) for name, column in columns.items()}


def _as_readable(name: str, column: Any) -> Any:
    """A column that Keras reads and, unlike an array in double precision, does not round."""
    kind = column.dtype.kind if isinstance(column, np.ndarray) else ""
    if kind == "f" and column.itemsize > 4 and not isinstance(column, np.ma.MaskedArray):
        return tf.constant(as_array(column))
    if tf.is_tensor(column):
        check_utf8(name, column)
    return column if _is_readable(column) else _all_cells(name, _as_array(column))


def _is_readable(column: Any) -> bool:
    """Whether Keras reads a column."""
    if isinstance(column, np.ndarray):
        return column.dtype.kind in "biufcU" and not isinstance(column, np.ma.MaskedArray)
    return tf.is_tensor(column)


def _all_cells(name: str, column: np.ndarray) -> Any:
    if not column.ndim:
        return column
    return encode_column(name, column)(tf.range(len(column)))


def check_keys(columns: Mapping[str, np.ndarray], *names: str) -> None:
    """Raises unless each row has a single value in the columns that rows are grouped by."""
    for name in names:
        column = single_values(f"rows[{name!r}]", columns[name])
        cells = column.tolist() if column.dtype.kind in "OfM" else []
        kinds = dict.fromkeys(map(type, cells))
        for index, cell in enumerate([] if kinds.keys() <= {str, int} else cells):
            if is_missing(cell):
                raise wrong_type(f"rows[{name!r}][{index}]", cell, "an id", MISSING_ID)
        if len(kinds) > 1 and not any(
            all(issubclass(k, of) for k in kinds) for of in (str, NUMBER)
        ):
            listed = ", ".join(kind.__name__ for kind in kinds)
            raise TypeError(
                f"rows[{name!r}] must have values of one type. Got: {listed}. Convert it to str."
            )


def select_names(names: Iterable[str] | None, known: list[str], kind: str = "column") -> list[str]:
    """The requested names, or all known ones if `names` is None; raises for unknown names."""
    selected = known if names is None else as_names("columns", names)
    check_known(kind, selected, known)
    if names is not None and len(repeated := {n for n in selected if selected.count(n) > 1}):
        fix = f"Name {min(map(str, repeated))!r} once."
        raise invalid("columns", selected, "a list of names that differ", fix)
    for name in selected:
        if (count := known.count(name)) > 1:
            raise ValueError(
                f"The name of each {kind.rstrip(':')} must be unique. Got: {name!r} {count} times. "
                "Rename one."
            )
    if not selected:
        raise invalid("columns", selected, "a list of at least one name")
    return selected


def check_column_names(
    columns: Iterable[str], used: Mapping[str, str], added: Iterable[str], function: str
) -> None:
    """Checks that columns such as `query` exist, and that `function` adds none of their names."""
    names = list(columns)
    for argument, name in used.items():
        check_choice(argument, name, names)
    for name in added:
        if not isinstance(name, str) or not name:
            raise wrong_type("label", name, "the name of a column")
        if name in names:
            expected = f"different from the names that rankkit.data.{function} adds"
            raise invalid("each column name", name, expected, "Rename it.")


def encode_column(name: str, column: Any) -> Any:
    """Converts an array to a `Column`; text and lists (ragged) are dictionary-encoded."""
    if isinstance(column, Windows):
        return column
    # That takes a fraction of the memory and is faster to read in random order.
    where = f"rows[{name!r}]"
    column = fill_numbers(where, as_seconds(where, column))
    if column.dtype.kind in "US":
        column = column.astype(object)
    if column.dtype.kind != "O":
        return Column(_numeric_tensor(where, column))
    if any(_is_list(cell) for cell in column[:1]):
        return _encode_lists(name, column)
    return _encode_text(name, column)


def encode_events(name: str, column: np.ndarray) -> Column:
    """Encodes single values that become members of lists, after a check that none is padding."""
    encoded = encode_column(name, column)
    cells = encoded.values
    padding = padding_of(cells.dtype)
    if not cells.dtype.is_bool and tf.reduce_any(cells == tf.cast(padding, cells.dtype)):
        expected = f"different from {padding!r}, which pads histories"
        fix = "Drop those rows, or write another value in place of it."
        raise invalid(f"each value of column {name!r}", padding, expected, fix)
    return encoded


def factorize(cells: Iterable[Any]) -> tuple[np.ndarray, list[Any]]:
    """Indices (int32) of cells among the distinct ones, and these in the order of occurrence."""
    index_of = _IndexOf()
    indices = np.fromiter(map(index_of.__getitem__, cells), np.int32)
    return indices, list(index_of)


class _IndexOf(dict[Any, int]):
    """Assigns the next index to each new key."""

    def __missing__(self, key: Any) -> int:
        self[key] = index = len(self)
        return index


def _is_list(cell: Any) -> bool:
    return isinstance(cell, list | tuple | np.ndarray)


def _encode_text(name: str, column: np.ndarray) -> Column:
    try:
        indices, distinct = factorize(column)
    except TypeError:  # a list or a dict is not hashable
        raise _text_error(name, column.tolist()) from None
    if not all(isinstance(value, str | bytes) for value in distinct):
        raise _text_error(name, column.tolist())
    values = [
        _utf8(value, lambda index=index: f"rows[{name!r}][{np.argmax(indices == index)}]")
        for index, value in enumerate(distinct)
    ]
    return Column(tf.constant(values, tf.string), tf.constant(indices))


def _encode_lists(name: str, column: np.ndarray) -> Column:
    for row, cell in enumerate(column):
        if not _is_list(cell):
            fix = "Pass a list in every row, an empty one if it has no members."
            raise wrong_type(f"rows[{name!r}][{row}]", cell, "a list like the first cell", fix)
    where = f"each value in the lists of rows[{name!r}]"
    # The times of an array would become integers of its unit.
    is_numbers = [isinstance(cell, np.ndarray) and cell.dtype.kind not in "mM" for cell in column]
    cells = [
        tuple(cell.tolist() if is_number else cell)
        for cell, is_number in zip(column, is_numbers, strict=True)
    ]
    try:
        indices, distinct = factorize(cells)
    except TypeError:  # a list or a dict is not hashable
        members = chain.from_iterable(cells)
        wrong = next(each for each in members if not isinstance(each, Hashable))
        raise wrong_type(where, wrong, "a number or text") from None
    members = list(chain.from_iterable(distinct))
    if all(isinstance(member, NUMBER) for member in members) and members:
        values = _numeric_tensor(where, exact_numbers(where, members))
    else:
        if not all(isinstance(member, str | bytes) for member in members):
            members = sorted(members, key=is_missing, reverse=True)  # names a missing one first
        values = tf.constant([_utf8(member, lambda: where) for member in members], tf.string)
    lengths = [len(cell) for cell in distinct]
    return Column(tf.RaggedTensor.from_row_lengths(values, lengths), tf.constant(indices))


def _numeric_tensor(where: str, column: np.ndarray) -> tf.Tensor:
    if column.dtype == np.float64 and not is_rounded(column).any():
        column = column.astype(np.float32)
    if column.dtype == np.uint64 and (too_large := column[column >= 2**63]).size:
        fix = "Cast larger ids to str, such as with .astype(str)."
        raise invalid(where, too_large[0].item(), "integers below 2**63", fix)
    try:
        return tf.constant(column)
    except (TypeError, ValueError):
        raise TypeError(
            f"{subject(where)} has the dtype {column.dtype}, which TensorFlow does not have. "
            "Convert it to numbers, booleans or text first."
        ) from None


def _utf8(value: Any, where: Callable[[], str]) -> bytes:
    if not isinstance(value, str | bytes):
        raise _value_error(where(), value)
    try:
        return value.encode() if isinstance(value, str) else value.decode().encode()
    except UnicodeError:
        fix = "Decode it with its own encoding first, or replace lone surrogates."
        raise invalid(where(), value, "valid UTF-8 text", fix) from None


def _text_error(name: str, cells: list[Any]) -> TypeError:
    """The error for the first cell that is not text, or rather for the first missing one."""
    wrong = [row for row, cell in enumerate(cells) if not isinstance(cell, str | bytes)]
    row = next((row for row in wrong if is_missing(cells[row])), wrong[0])
    return _value_error(f"rows[{name!r}][{row}]", cells[row])


def _value_error(where: str, value: Any) -> TypeError:
    if is_missing(value):
        return TypeError(
            f"{subject(where)} must not be missing. Got: {value!r}. Drop the row, or replace it by "
            "a value such as 'unknown'."
        )
    return wrong_type(where, value, "text", "Make the column all text or all numbers.")
