"""Conversion of columns of any kind to NumPy arrays."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from rankkit.core.timestamps import is_missing
from rankkit.utils.errors import subject, wrong_type

NUMBER = (bool, int, float, np.number, np.bool_)
_SEVERAL = (list, tuple, np.ndarray, set, dict)


def as_array(column: Any) -> np.ndarray:
    """Converts a column to an array; strings and lists become cells of an object array."""
    if isinstance(column, np.ma.MaskedArray):
        return _unmasked(column)
    if hasattr(column, "to_numpy"):  # pandas, polars or pyarrow
        return _to_numpy(column)
    if hasattr(column, "numpy"):  # TensorFlow
        return np.asarray(column.numpy())
    if not isinstance(column, list | tuple):
        return np.asarray(column)
    # NumPy would convert [1, "a"] to strings, and lists of equal length to a matrix.
    if all(isinstance(cell, NUMBER) for cell in column):
        return as_numbers(column)
    return np.fromiter(column, object, len(column))


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
            return column.to_numpy(zero_copy_only=False)
        except NotImplementedError:  # for lists of string views, as polars exports them
            return np.fromiter(column.to_pylist(), object, len(column))
    dtype = getattr(column, "dtype", None)
    if getattr(dtype, "kind", None) == "M" and not isinstance(dtype, np.dtype):
        return column.to_numpy(f"datetime64[{getattr(dtype, 'unit', 'us')}]")
    return column.to_numpy()


def as_numbers(cells: Iterable[Any]) -> np.ndarray:
    """Converts Python numbers to an array; integers beyond 64 bits stay objects."""
    array = np.array(cells)
    if array.dtype.kind == "f" and all(isinstance(cell, int) for cell in cells) and array.size:
        return np.array(cells, object)
    return array


def fill_numbers(array: np.ndarray) -> np.ndarray:
    """Converts an object array of numbers, missing ones to NaN; returns others as is."""
    if array.dtype.kind != "O" or array.ndim != 1:
        return array
    cells = array.tolist()
    if not all(isinstance(cell, NUMBER) or is_missing(cell) for cell in cells):
        return array
    if not any(isinstance(cell, NUMBER) for cell in cells):  # of no known type
        return array
    return as_numbers([math.nan if is_missing(cell) else cell for cell in cells])


def column_name(column: Any) -> str:
    """How an error names a column: with the name that pandas and polars know."""
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
