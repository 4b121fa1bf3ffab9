"""A sample of rows that is the same whenever it is taken."""

import numpy as np


def sample_of(num_rows: int, most: int = 64) -> list[int]:
    """Gives a few rows of so many, the first and the last among them.

    Args:
        num_rows: How many rows there are.
        most: How many to give, at most.
    """
    return np.unique(np.linspace(0, num_rows - 1, most, dtype=int)).tolist()
