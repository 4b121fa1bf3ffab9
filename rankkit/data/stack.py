"""`stack_columns`: numeric columns as one matrix."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from rankkit.core.arrays import NUMBER, fill_numbers, single_values
from rankkit.core.precision import check_float32
from rankkit.core.timestamps import is_missing
from rankkit.data.columns import as_columns, select_names
from rankkit.utils.errors import check_text, invalid, wrong_type


def stack_columns(
    table: Any, columns: Iterable[str], *, name: str = "features"
) -> dict[str, np.ndarray]:
    """Stacks numeric columns into one matrix, which a single layer reads.

    The columns of the matrix have no names: pass the same `columns` in the same order for training,
    test and serving rows. Missing numbers become NaN, and booleans 0 and 1.

    Args:
        table: A dict of arrays or lists, a DataFrame or an Arrow table.
        columns: Names of the numeric columns, in the order that they have in the matrix. Labels and
            ids are numbers too, so there is no default.
        name: Name of the matrix. Defaults to `"features"`.

    Returns:
        A dict of the other columns, and the matrix: `float32` of shape `(rows, columns)`.

    Raises:
        TypeError: If `columns` is not a list of names, or one of them has text or times, or several
            values in a row.
        ValueError: If there are no rows, a column is unknown or repeated, another column has the
            name of the matrix, or a number is infinite or one beyond 2^24 that `float32` rounds.

    Example:
        >>> import rankkit as rk
        >>> rows = {"query_id": [7, 7], "price": [9.5, None], "is_new": [True, False]}
        >>> rk.data.stack_columns(rows, ["is_new", "price"])["features"]
        array([[1. , 9.5],
               [0. , nan]], dtype=float32)
    """
    check_text("name", name, "the name of a column")
    arrays = as_columns(table, argument="table")
    if columns is None:
        numeric = [each for each, array in arrays.items() if _is_numeric(each, array)]
        fix = f"Numeric columns: {numeric}. Leave out labels and ids."
        raise wrong_type("columns", columns, "a list of names", fix)
    selected = select_names(columns, list(arrays))
    others = {each: array for each, array in arrays.items() if each not in selected}
    if name in others:
        raise invalid("name", name, f"none of the other columns, {list(others)}")
    matrix = np.empty((len(arrays[selected[0]]), len(selected)), np.float32)
    for position, each in enumerate(selected):
        matrix[:, position] = _numbers(f"column {each!r}", arrays[each])
    return {**others, name: matrix}


def _is_numeric(name: str, column: np.ndarray) -> bool:
    return column.ndim == 1 and fill_numbers(name, column).dtype.kind in "biuf"


def _numbers(where: str, column: np.ndarray) -> np.ndarray:
    """Returns a column of numbers that float32 holds, with NaN for missing ones."""
    cells = single_values(where, column)
    if cells.dtype.kind == "O" and all(map(is_missing, cells)):  # of no known type
        return np.full(len(cells), np.nan)
    cells = fill_numbers(where, cells)
    if cells.dtype.kind not in "biuf":
        of_others = (
            each for each in cells if not isinstance(each, NUMBER) and not is_missing(each)
        )
        wrong = next(of_others, cells[0])
        fix = "Leave it out, or convert it: text to a number, a time to seconds."
        raise wrong_type(where, wrong, "numbers", fix)
    check_float32(where, cells)
    infinite = np.flatnonzero(np.isinf(cells))
    if len(infinite):
        row = int(infinite[0])
        fix = "Replace it by a large number, or by NaN if it stands for a missing one."
        raise invalid(f"row {row} of {where}", cells[row].item(), "a finite number or NaN", fix)
    return cells
