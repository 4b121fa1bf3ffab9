"""Splits off whole users, or items."""

import numpy as np

from rankkit.data.columns import as_columns
from rankkit.data.splits._parts import Rows, number_of_tests, two_sides
from rankkit.data.splits.random_split import shuffled_places


def unseen_split(
    columns: Rows, *, ids: str = "user_id", test_fraction: float = 0.2, seed: int = 42
) -> tuple[Rows, Rows]:
    """Splits off some users, or items, with all their rows.

    It measures cold starts alone: nothing of an id that is tested on was seen. What others did at
    the same time and later was, as with `random_split`.

    Args:
        columns: A dict of arrays or lists, or a pandas DataFrame.
        ids: Name of the column of ids to split. Defaults to `"user_id"`.
        test_fraction: The share of ids to test on, between 0 and 1. Defaults to `0.2`.
        seed: Chooses the ids. Defaults to `42`.

    Returns:
        The train rows and the test rows, each in the order in which they came.

    Raises:
        ValueError: If the column is unknown, or either side is left without an id.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "b", "a", "c", "b"]}
        >>> train, test = rk.data.unseen_split(rows, test_fraction=0.34)
        >>> set(train["user_id"]) & set(test["user_id"])
        set()
    """
    known, numbers = np.unique(as_columns(columns, [ids])[ids], return_inverse=True)
    num_test = number_of_tests(len(known), test_fraction, f"values of {ids!r}")
    chosen = shuffled_places(len(known), seed)[-num_test:]
    return two_sides(columns, np.isin(numbers, chosen))
