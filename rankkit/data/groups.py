"""Conversion between the sizes of groups of rows, as in LightGBM, and an id in each row."""

import os
from typing import Any

import numpy as np

from rankkit.core.arrays import single_values
from rankkit.core.columns import as_text
from rankkit.core.vocabulary import plain_ids
from rankkit.data.columns import factorize
from rankkit.utils.errors import check_integer, invalid, wrong_type


def group_ids(sizes: Any, *, num_rows: int | None = None) -> np.ndarray:
    """Returns the number of the group of each row, from the sizes of groups of consecutive rows.

    LightGBM's `.query` files and XGBoost's group files hold a size per line, which
    `numpy.loadtxt(path, dtype=int, ndmin=1)` reads.

    Args:
        sizes: Rows of each group, in the order of the rows: integers of at least 1.
        num_rows: Number of rows of the data, which the sizes must add up to. Defaults to `None`:
            not checked.

    Returns:
        `int64` of shape `(rows,)`: 0 for the rows of the first group, 1 for those of the second.

    Raises:
        TypeError: If the sizes are not integers.
        ValueError: If there are no sizes, a size is below 1, or they do not add up to `num_rows`.

    Example:
        >>> import rankkit as rk
        >>> rk.data.group_ids([2, 3], num_rows=5)
        array([0, 0, 1, 1, 1])
    """
    if num_rows is not None:
        num_rows = check_integer("num_rows", num_rows)
    if isinstance(sizes, str | os.PathLike):
        fix = "Read the file: numpy.loadtxt(path, dtype=int, ndmin=1)."
        raise wrong_type("sizes", sizes, "an array or list of integers", fix)
    array = single_values("sizes", sizes)
    if not len(array):
        raise invalid("sizes", [], "the sizes of at least one group")
    if array.dtype.kind not in "iu":
        fix = "Convert them, such as with .astype(int), or read them with dtype=int."
        raise wrong_type("sizes", array[0], "integers", fix)
    wrong = np.flatnonzero(array < 1)
    if len(wrong):
        position = int(wrong[0])
        raise invalid(f"sizes[{position}]", array[position].item(), "at least 1 row")
    if num_rows is not None and (total := int(array.sum())) != num_rows:
        fix = "Check that sizes and rows are of the same files."
        raise invalid("num_rows", num_rows, f"{total}, the sum of the sizes", fix)
    return np.repeat(np.arange(len(array)), array.astype(np.int64))


def group_sizes(ids: Any) -> np.ndarray:
    """Returns the sizes of groups of consecutive rows, from an id in each row.

    It is the inverse of `rankkit.data.group_ids`, and gives the `group` that LightGBM and XGBoost
    are trained with.

    Args:
        ids: The id of the group of each row, such as of its query: integers or text.

    Returns:
        `int64` of shape `(groups,)`: the rows of each group, in the order of the rows.

    Raises:
        TypeError: If an id is missing, or neither an integer nor text.
        ValueError: If there are no ids, or rows of other groups are between those of a group.

    Example:
        >>> import rankkit as rk
        >>> rk.data.group_sizes([7, 7, 42, 42, 42])
        array([2, 3])
    """
    indices, distinct = factorize(single_values("ids", ids).tolist())
    if not distinct:
        raise invalid("ids", [], "a column of at least one id")
    plain_ids("ids", as_text("ids", np.array(distinct, object)).tolist())
    starts = np.flatnonzero(np.diff(indices, prepend=-1))
    apart = np.flatnonzero(indices[starts] != np.arange(len(starts)))
    if len(apart):
        row = int(starts[apart[0]])
        first = int(np.argmax(indices == indices[row]))
        raise ValueError(
            f"ids must have all rows of a group together. Got: {distinct[indices[row]]!r} in row "
            f"{first} and, after other groups, in row {row}. Sort the rows, such as by "
            "numpy.argsort(ids, kind='stable')."
        )
    return np.diff(starts, append=len(indices))
