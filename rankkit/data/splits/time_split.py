"""Splits rows at a point in time."""

import numpy as np

from rankkit._errors import invalid
from rankkit.data.columns import as_columns
from rankkit.data.splits._parts import Rows, number_of_tests, two_sides


def time_split(columns: Rows, *, timestamp: str, test_fraction: float = 0.2) -> tuple[Rows, Rows]:
    """Splits rows in two at a point in time: the earlier ones to train on, the others to test on.

    It measures what a service would see that is trained once: no row is predicted from a later
    one. Many test rows are then of users, or items, that came after that time; on MovieLens 100K
    most are, so it measures cold starts above all.

    Args:
        columns: A dict of arrays or lists, or a pandas DataFrame.
        timestamp: Name of the column of times, numbers or `datetime64`.
        test_fraction: The share of test rows, between 0 and 1. Rows of one time stay together, so
            there may be some more. Defaults to `0.2`.

    Returns:
        The train rows and the test rows, each in the order in which they came.

    Raises:
        ValueError: If the column is unknown, or either side is left without a row.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "b", "a", "c"], "timestamp": [30, 10, 20, 40]}
        >>> train, test = rk.data.time_split(rows, timestamp="timestamp", test_fraction=0.25)
        >>> train["timestamp"], test["timestamp"]
        (array([30, 10, 20]), array([40]))
    """
    times = as_columns(columns, [timestamp])[timestamp]
    num_test = number_of_tests(len(times), test_fraction)
    begin = np.sort(times)[-num_test]
    if begin == times.min():
        expected = "such that some rows are earlier than the test rows"
        raise invalid("test_fraction", test_fraction, expected, f"Many are of {begin}, the first.")
    return two_sides(columns, times >= begin)
