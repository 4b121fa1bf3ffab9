"""Conversion of columns of any kind to NumPy arrays."""

import datetime
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rankkit.core.timestamps import as_times, is_missing
from rankkit.utils.errors import invalid, is_integer, subject, wrong_type

NUMBER = (bool, int, float, np.number, np.bool_)
_EXACT_IN_FLOAT64 = 2**53
_SEVERAL = (list, tuple, np.ndarray, set, dict)


def as_array(column: Any) -> np.ndarray:
    """Converts a column to an array; strings and lists become cells of an object array."""
    return _as_float64(_as_array(column))


def _as_float64(array: np.ndarray) -> np.ndarray:
    """Converts `longdouble`, which TensorFlow does not have, to `float64`; returns others as is."""
    return array.astype(np.float64) if array.dtype.kind == "f" and array.itemsize > 8 else array


def _as_array(column: Any) -> np.ndarray:
    if isinstance(column, np.ma.MaskedArray):
        return _unmasked(column)
    if hasattr(column, "to_numpy"):  # pandas, polars or pyarrow
        return _to_numpy(column)
    if hasattr(column, "numpy"):  # TensorFlow
        return np.asarray(column.numpy())
    if not isinstance(column, list | tuple):
        array = np.asarray(column)
        return array.astype(object) if array.dtype.kind == "T" else array  # strings of NumPy 2
    # NumPy would convert [1, "a"] to strings, and lists of equal length to a matrix.
    if all(isinstance(cell, NUMBER) for cell in column):
        return as_numbers(column)
    if any(map(_is_scalar_array, column)):
        return as_array([cell.item() if _is_scalar_array(cell) else cell for cell in column])
    return np.fromiter(column, object, len(column))


def _is_scalar_array(cell: Any) -> bool:
    return isinstance(cell, np.ndarray) and not cell.ndim


def _unmasked(column: np.ma.MaskedArray) -> np.ndarray:
    """Converts a masked array; masked cells become NaN, NaT or None."""
    if not np.ma.is_masked(column):
        return column.data
    if column.dtype.kind in "fM":
        filler: Any = np.array("NaT" if column.dtype.kind == "M" else "nan", column.dtype)
        return column.filled(filler)
    cells = column.data.astype(object)
    cells[np.ma.getmaskarray(column)] = None
    return cells


def _to_numpy(column: Any) -> np.ndarray:
    """Converts a column of pandas, polars or pyarrow; times with a time zone become UTC."""
    if hasattr(column, "to_pylist"):
        column = column.combine_chunks() if hasattr(column, "combine_chunks") else column
        try:
            array = column.to_numpy(zero_copy_only=False)
        except NotImplementedError:  # for lists of string views, as polars exports them
            return np.fromiter(column.to_pylist(), object, len(column))
        is_list = hasattr(column.type, "value_field")
        members = column.flatten().to_numpy(zero_copy_only=False) if is_list else array
        if _is_matrix(column):
            return members.reshape(len(column), column.type.list_size)
        return _unrounded(array, members, column.to_pylist)
    dtype = getattr(column, "dtype", None)
    if getattr(dtype, "type", None) is datetime.date:
        return as_times(column.to_numpy())
    if getattr(dtype, "kind", None) == "M" and not isinstance(dtype, np.dtype):
        return column.to_numpy(f"datetime64[{getattr(dtype, 'unit', 'us')}]")
    array = column.to_numpy()
    is_exact = dtype is None or isinstance(dtype, np.dtype)  # none in a data frame
    return array if is_exact else _unrounded(array, array, lambda: column.to_list())


def _is_matrix(column: Any) -> bool:
    """Whether an Arrow column has a list of floats of a fixed size in each row."""
    if not hasattr(column.type, "list_size") or column.null_count:
        return False
    return np.issubdtype(column.type.value_type.to_pandas_dtype(), np.floating)


def _unrounded(array: np.ndarray, members: np.ndarray, make_list: Callable) -> np.ndarray:
    """Returns an array, or its cells if large integers beside missing ones became floats."""
    if _has_large_floats(members):
        cells = make_list()
        if any(is_integer(cell) or isinstance(cell, list) for cell in cells):
            return np.fromiter(cells, object, len(cells))
    return array


def _has_large_floats(array: np.ndarray) -> bool:
    with np.errstate(invalid="ignore"):
        return array.dtype.kind == "f" and bool((np.abs(array) >= _EXACT_IN_FLOAT64).any())


def as_numbers(cells: Sequence[Any]) -> np.ndarray:
    """Converts Python numbers to an array; integers that an array would round stay objects."""
    array = _as_float64(np.array(cells))
    if array.dtype.kind == "f" and array.size:
        is_rounded = _has_large_floats(array) and any(
            is_integer(cell) and int(float(cell)) != cell for cell in cells
        )
        if is_rounded or all(isinstance(cell, int) for cell in cells):
            return np.fromiter(cells, object, len(cells))
    return array


def exact_numbers(name: str, cells: Sequence[Any]) -> np.ndarray:
    """Converts Python numbers to an array as NumPy does; raises if that would round an integer."""
    array = as_numbers(cells)
    if array.dtype.kind != "O" or not all(isinstance(cell, NUMBER) for cell in cells):
        return array
    largest = max((int(cell) for cell in cells if is_integer(cell)), key=abs)
    if not -(2**63) <= largest < 2**63:
        fix = "Cast larger ids to str, and other numbers to float."
        raise invalid(name, largest, "integers of at most 64 bits", fix)
    raise ValueError(
        f"{subject(name)} must not have integers beyond 2^53 beside missing values or fractions, "
        f"which float64 would round. Got: {largest}. Drop the rows with missing values, or fill "
        "in an integer."
    )


def fill_numbers(name: str, array: np.ndarray) -> np.ndarray:
    """Converts an object array of numbers, missing ones to NaN; returns others as is.

    Raises if that would round an integer.
    """
    if array.dtype.kind != "O" or array.ndim != 1:
        return array
    cells = array.tolist()
    if not all(isinstance(cell, NUMBER) or is_missing(cell) for cell in cells):
        return array
    if not any(isinstance(cell, NUMBER) for cell in cells):  # of no known type
        return array
    return exact_numbers(name, [math.nan if is_missing(cell) else cell for cell in cells])


def column_name(column: Any) -> str:
    """Names a column in an error, by the name that it has in pandas or polars."""
    name = getattr(column, "name", None)
    return f"column {name!r}" if isinstance(name, str) else "column"


def single_values(name: str, column: Any) -> np.ndarray:
    """Converts a column with a single value in each row to an array; raises for any other."""
    array = as_array(column)
    if array.ndim == 0:
        expected = "an array or list of one value per row"
        raise wrong_type(name, column, expected, "Pass the whole column.")
    got = f"an array of shape {array.shape}" if array.ndim > 1 else None
    if array.dtype.kind == "O" and got is None:
        several = (row for row, cell in enumerate(array) if isinstance(cell, _SEVERAL))
        if (row := next(several, None)) is not None:
            got = f"{array[row]!r} in row {row}"
    if got is not None:
        raise TypeError(
            f"{subject(name)} must have a single value in each row. Got: {got}. Pass one "
            "column, such as frame['user_id'] or matrix[:, 0]; lists are for TagsEmbedding."
        )
    return array


def decode(name: str, value: bytes) -> str:
    """Decodes a cell of the column `name`."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        fix = "Decode it with its encoding first."
        raise invalid(f"each string in {name}", value, "valid UTF-8", fix) from None


def is_utf8(text: str) -> bool:
    """Whether a string can be encoded as UTF-8."""
    return text.encode(errors="ignore").decode() == text
