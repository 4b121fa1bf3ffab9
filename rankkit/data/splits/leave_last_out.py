"""Splits off the last rows of each user."""

import numpy as np

from rankkit._errors import invalid
from rankkit.data.batches import check_number
from rankkit.data.columns import as_columns
from rankkit.data.splits._parts import Rows, two_sides


def leave_last_out(
    columns: Rows, *, timestamp: str, query: str = "user_id", num_rows: int = 1
) -> tuple[Rows, Rows]:
    """Splits off the last rows of each user to test on.

    It measures what comes next for users who are known. No user's own future is trained on, but
    that of the others is: what an item will be rated later, and which items will be popular.

    Args:
        columns: A dict of arrays or lists, or a pandas DataFrame.
        timestamp: Name of the column of times, numbers or `datetime64`. Of rows of one time, those
            that come later are later.
        query: Name of the column by which rows belong together. Defaults to `"user_id"`.
        num_rows: How many rows of each to split off; of those with no more than these, all are
            trained on. Defaults to `1`.

    Returns:
        The train rows and the test rows, each in the order in which they came.

    Raises:
        ValueError: If a column is unknown, or no query has enough rows.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "b", "a", "a"], "timestamp": [30, 10, 20, 40]}
        >>> train, test = rk.data.leave_last_out(rows, timestamp="timestamp")
        >>> test["timestamp"]
        array([40])
    """
    check_number("num_rows", num_rows, 1)
    chosen = as_columns(columns, [query, timestamp])
    _, queries = np.unique(chosen[query], return_inverse=True)
    order = np.lexsort((chosen[timestamp], queries))
    sizes = np.bincount(queries)
    places = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # 0 for the first
    last = (places >= np.repeat(sizes, sizes) - num_rows) & np.repeat(sizes > num_rows, sizes)
    if not last.any():
        expected = f"below {sizes.max()}, the most rows of one {query}"
        raise invalid("num_rows", num_rows, expected, "Without any left, none would be trained on.")
    is_test = np.zeros(len(order), bool)
    is_test[order[last]] = True
    return two_sides(columns, is_test)
