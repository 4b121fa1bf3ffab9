"""The two sides of a split."""

from typing import Any, TypeVar

import numpy as np

from rankkit._errors import invalid
from rankkit.data.columns import as_columns, is_data_frame

Rows = TypeVar("Rows")


def taken(rows: Rows, places: np.ndarray) -> Rows:
    """Takes rows by their places, as the kind of rows that came."""
    some: Any = rows
    if is_data_frame(rows):
        return some.iloc[places]
    columns: Any = {name: column[places] for name, column in as_columns(rows).items()}
    return columns


def two_sides(rows: Rows, is_test: np.ndarray) -> tuple[Rows, Rows]:
    """Gives the train and the test rows, each in the order in which they came."""
    return taken(rows, np.flatnonzero(~is_test)), taken(rows, np.flatnonzero(is_test))


def number_of_tests(count: int, test_fraction: float, what: str = "rows") -> int:
    """How many of `count` are for the test.

    Raises:
        ValueError: If either side would have none.
    """
    if not 0 < test_fraction < 1:
        fix = f"Give the share of the {what} to test on, such as 0.2."
        raise invalid("test_fraction", test_fraction, "between 0 and 1", fix)
    num_test = round(count * test_fraction)
    if not 0 < num_test < count:
        expected = f"such that both sides of {count} {what} get one"
        raise invalid("test_fraction", test_fraction, expected, "Bring more or change it.")
    return num_test
