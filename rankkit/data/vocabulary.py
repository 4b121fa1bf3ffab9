"""The distinct ids of a column."""

from typing import Any

from rankkit._vocabulary import distinct_ids


def vocabulary(column: Any, *, min_count: int = 1) -> list[str] | list[int]:
    """The distinct ids of a column, sorted, as plain Python values for an embedding layer.

    A column whose cells are lists, such as the genres of each row, gives the distinct members of
    those lists.

    Args:
        column: An array, list or pandas Series of strings, of UTF-8 bytes or of whole numbers.
        min_count: How often an id comes at least: rarer ones are left out, and share the rows for
            unknown ids of `rankkit.layers.IdEmbedding`. Defaults to `1`.

    Returns:
        The ids, as a list of `str` or of `int`.

    Raises:
        ValueError: If there is no id, or none comes so often, or an id holds a newline, a NUL or
            invalid UTF-8.
        TypeError: If a value is missing or neither text nor whole number, or both are mixed.

    Example:
        >>> import rankkit as rk
        >>> rk.data.vocabulary(["u2", "u1", "u2"])
        ['u1', 'u2']
        >>> rk.data.vocabulary([["Drama"], ["Comedy", "Drama"]])
        ['Comedy', 'Drama']
        >>> rk.data.vocabulary(["u2", "u1", "u2"], min_count=2)
        ['u2']
    """
    return distinct_ids(column, min_count)
