"""Splits rows into folds, each of which is tested on once."""

from collections.abc import Iterator

import numpy as np

from rankkit._errors import invalid
from rankkit.data.columns import as_columns
from rankkit.data.splits._parts import Rows, two_sides
from rankkit.data.splits.random_split import shuffled_places


def k_fold(columns: Rows, k: int = 5, *, seed: int = 42) -> Iterator[tuple[Rows, Rows]]:
    """Splits rows at random into `k` folds, each to be tested on once.

    It measures what `random_split` does, with its leak, on every row once: `k` results tell how
    much a split matters. They share training rows, so they are more alike than `k` independent
    ones.

    Args:
        columns: A dict of arrays or lists, or a pandas DataFrame.
        k: How many folds, 2 or more. Defaults to `5`.
        seed: Chooses the folds. Defaults to `42`.

    Yields:
        The train rows and the test rows, each in the order in which they came.

    Raises:
        ValueError: If there are more folds than rows, or less than 2.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "b", "c", "d"]}
        >>> [len(test["user_id"]) for _, test in rk.data.k_fold(rows, 2)]
        [2, 2]
    """
    num_rows = len(next(iter(as_columns(columns).values())))
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 2 <= k <= num_rows:
        raise invalid("k", k, f"a whole number from 2 to {num_rows}, the number of rows")
    folds = np.empty(num_rows, int)
    folds[shuffled_places(num_rows, seed)] = np.arange(num_rows) % k
    return (two_sides(columns, folds == fold) for fold in range(k))
