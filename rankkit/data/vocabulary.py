"""The distinct ids of a column."""

from typing import Any

from rankkit._vocabulary import distinct_ids


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
    return distinct_ids(column)
