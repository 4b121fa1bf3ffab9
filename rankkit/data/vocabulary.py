"""The distinct ids of a column."""

from itertools import chain
from typing import Any

import numpy as np

from rankkit._errors import invalid, wrong_type
from rankkit._vocabulary import check_vocabulary
from rankkit.data.columns import as_array

_CAST = "Cast the ids to int or to str, such as with .astype(str)."


def vocabulary(column: Any) -> list[str] | list[int]:
    """The distinct ids of a column, sorted, as plain Python values for an embedding layer.

    A column whose cells are lists, such as the genres of each row, gives the distinct members of
    those lists.

    Args:
        column: An array, list or pandas Series of strings, of UTF-8 bytes or of whole numbers.

    Returns:
        The ids, as a list of `str` or of `int`.

    Raises:
        ValueError: If there is no id, or an id holds a newline, a NUL or invalid UTF-8.
        TypeError: If a value is missing or neither text nor whole number, or both are mixed.

    Example:
        >>> import rankkit as rk
        >>> rk.data.vocabulary(["u2", "u1", "u2"])
        ['u1', 'u2']
        >>> rk.data.vocabulary([["Drama"], ["Comedy", "Drama"]])
        ['Comedy', 'Drama']
    """
    if isinstance(column, str | bytes):
        raise wrong_type("column", column, "an array or list of ids", "Give a whole column.")
    values = as_array(column)
    if not values.size:
        return check_vocabulary("column", [])
    if values.dtype.kind in "fcbmM":
        raise wrong_type("column", str(values.dtype), "ids that are str or int", _CAST)
    if values.dtype.kind == "S":
        return vocabulary(values.astype(object))
    if values.dtype.kind != "O":
        return check_vocabulary("column", np.unique(values))
    distinct = {_decoded(value) for value in _distinct(values)}
    # Values of several kinds have no order; they get their error.
    comparable = len(set(map(type, distinct))) == 1
    return check_vocabulary("column", sorted(distinct) if comparable else distinct)


def _distinct(values: np.ndarray) -> set[Any]:
    try:
        return set(values.tolist())
    except TypeError:  # lists have no hash
        return set(chain.from_iterable(values))


def _decoded(value: Any) -> Any:
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        expected = "ids of valid UTF-8 without newline and NUL"
        fix = "Decode the column with its own encoding first."
        raise invalid("column", value, expected, fix) from None
