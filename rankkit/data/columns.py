"""Columns of dicts and data frames, and columns of strings as tensors."""

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import NUMBER, as_array, as_numbers
from rankkit.core.in_memory import Column
from rankkit.core.vocabulary import is_missing
from rankkit.utils.errors import invalid, unknown, wrong_type


def is_data_frame(rows: Any) -> bool:
    """Whether `rows` is a pandas DataFrame; pandas itself is not imported."""
    return type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns")


def as_columns(rows: Any, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The rows as a dict of arrays of one length.

    Args:
        rows: A dict of arrays or lists, or a pandas DataFrame.
        names: The columns to take, in this order. Defaults to `None`: all.

    Raises:
        TypeError: If `rows` is of another kind.
        ValueError: If there is no row or no column, a name is unknown or lengths differ.
    """
    if not is_data_frame(rows) and not isinstance(rows, Mapping):
        fix = 'Name the columns, as in {"user_id": [...], "item_id": [...]}.'
        raise wrong_type("rows", type(rows).__name__, "a dict of arrays or a DataFrame", fix)
    columns = {name: as_array(rows[name]) for name in selected(names, list(rows))}
    _check_lengths({name: _length(name, column) for name, column in columns.items()})
    return columns


def selected(names: Iterable[str] | None, known: list[str], kind: str = "column") -> list[str]:
    """The names asked for, each of them known; all that are known when none are asked for."""
    if isinstance(names, str):
        raise wrong_type("columns", names, "a list of names", f"Write columns=[{names!r}].")
    if names is not None and not isinstance(names, Iterable):
        raise wrong_type("columns", names, "a list of names")
    wanted = known if names is None else list(names)
    for name in wanted:
        if name not in known:
            raise unknown(kind, name, known)
    if not wanted:
        raise invalid("columns", wanted, "at least one name", "Name the columns to take.")
    return wanted


def _length(name: str, column: np.ndarray) -> int:
    if column.ndim == 0:
        fix = "Give one value a row, in an array or a list."
        raise wrong_type(f"rows[{name!r}]", column.item(), "an array", fix)
    return len(column)


def _check_lengths(lengths: dict[str, int]) -> None:
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
        raise ValueError(
            f"rows must be columns of one length. Got: {listed}. Give each column one value a row."
        )
    if not any(lengths.values()):
        raise invalid("rows", lengths, "at least one row", "Was everything filtered out?")


def encoded(name: str, column: np.ndarray) -> Column:
    """Converts a column once.

    Text and lists are kept once per distinct value, with a number per row: it takes a fraction
    of the memory, and less time when rows are read in random order.

    Args:
        name: The column's name, for errors.
        column: Numbers or booleans of any shape, text, or lists of either (they become ragged).

    Raises:
        TypeError: If a value is missing or of a kind that TensorFlow has no dtype for.
        ValueError: If text is not valid UTF-8.
    """
    if column.dtype.kind in "US":
        column = column.astype(object)
    if column.dtype.kind != "O":
        return _numbers(name, column)
    if any(_is_list(cell) for cell in column[:1]):
        return _lists(name, column)
    if all(isinstance(cell, NUMBER) for cell in column):
        return _numbers(name, as_numbers(column.tolist()))
    return _text(name, column)


def _is_list(cell: Any) -> bool:
    return isinstance(cell, list | tuple | np.ndarray)


def _numbers(name: str, column: np.ndarray) -> Column:
    return Column(_number_tensor(f"rows[{name!r}]", column))


def _text(name: str, column: np.ndarray) -> Column:
    try:
        codes, distinct = numbered(column)
    except TypeError:  # a list or a dict among the cells has no hash
        raise _first_not_text(name, column.tolist()) from None
    if not all(isinstance(value, str | bytes) for value in distinct):
        raise _first_not_text(name, column.tolist())
    encoded_once = [
        _utf8(value, lambda code=code: f"rows[{name!r}][{np.argmax(codes == code)}]")
        for code, value in enumerate(distinct)
    ]
    return Column(tf.constant(encoded_once), tf.constant(codes))


def _lists(name: str, column: np.ndarray) -> Column:
    codes, distinct = numbered(_members(name, row, cell) for row, cell in enumerate(column))
    members = list(chain.from_iterable(distinct))
    where = f"a cell of rows[{name!r}]"
    if all(isinstance(member, NUMBER) for member in members) and members:
        values = _number_tensor(where, as_numbers(members))
    else:
        values = tf.constant([_utf8(member, lambda: where) for member in members], tf.string)
    lengths = [len(cell) for cell in distinct]
    return Column(tf.RaggedTensor.from_row_lengths(values, lengths), tf.constant(codes))


def _members(name: str, row: int, cell: Any) -> tuple[Any, ...]:
    if not _is_list(cell):
        fix = "Give a list in every row; a row without members has an empty one."
        raise wrong_type(f"rows[{name!r}][{row}]", cell, "a list like the first cell", fix)
    return tuple(cell.tolist() if isinstance(cell, np.ndarray) else cell)


def _number_tensor(where: str, column: np.ndarray) -> tf.Tensor:
    if column.dtype == np.float64:
        column = column.astype(np.float32)
    try:
        return tf.constant(column)
    except (TypeError, ValueError):
        fix = "Convert it to numbers, booleans or text first."
        dtype = str(column.dtype)
        raise wrong_type(where, dtype, "of a dtype that TensorFlow has", fix) from None


class _Numbering(dict[Any, int]):
    """Numbers each distinct key in the order of its first coming."""

    def __missing__(self, key: Any) -> int:
        self[key] = number = len(self)
        return number


def numbered(cells: Iterable[Any]) -> tuple[np.ndarray, list[Any]]:
    """Numbers cells by the order in which each distinct one first comes.

    Args:
        cells: Values with a hash.

    Returns:
        The number of each cell, `int32`, and the distinct cells.
    """
    numbering = _Numbering()
    codes = np.fromiter(map(numbering.__getitem__, cells), np.int32)
    return codes, list(numbering)


def _utf8(value: Any, where: Callable[[], str]) -> bytes:
    if not isinstance(value, str | bytes):
        raise _not_text(where(), value)
    try:
        return value.encode() if isinstance(value, str) else value.decode().encode()
    except UnicodeError:
        fix = "Decode it with its own encoding first, or replace the lone surrogates in it."
        raise invalid(where(), value, "text of valid UTF-8", fix) from None


def _first_not_text(name: str, cells: list[Any]) -> TypeError:
    odd = [row for row, cell in enumerate(cells) if not isinstance(cell, str | bytes)]
    # Among numbers, it is the missing value that stands out.
    row = next((row for row in odd if is_missing(cells[row])), odd[0])
    return _not_text(f"rows[{name!r}][{row}]", cells[row])


def _not_text(where: str, value: Any) -> TypeError:
    if is_missing(value):
        return wrong_type(where, value, "a value", "Drop the row, or fill the cell with ''.")
    return wrong_type(where, value, "text", "Make the column all text or all numbers.")
