"""One column of rows as an array."""

from collections.abc import Iterable
from typing import Any

import numpy as np

NUMBER = (bool, int, float, np.number, np.bool_)


def as_array(column: Any) -> np.ndarray:
    """One column as an array; text and lists become cells of an object array."""
    if hasattr(column, "to_numpy"):  # pandas
        return column.to_numpy()
    if hasattr(column, "numpy"):  # TensorFlow
        return np.asarray(column.numpy())
    if not isinstance(column, list | tuple):
        return np.asarray(column)
    # NumPy would turn [1, "a"] into text, and lists of one length into a matrix.
    if all(isinstance(cell, NUMBER) for cell in column):
        return as_numbers(column)
    return np.fromiter(column, object, len(column))


def as_numbers(cells: Iterable[Any]) -> np.ndarray:
    """Python numbers as an array; whole numbers beyond 64 bits stay as they are, in objects."""
    array = np.array(cells)
    if array.dtype.kind == "f" and all(isinstance(cell, int) for cell in cells) and array.size:
        return np.array(cells, object)
    return array
