"""Splits of examples into training and test examples."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from rankkit.data.batches import check_number
from rankkit.data.columns import as_columns, is_data_frame
from rankkit.utils.errors import invalid

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


_MAX_SEED = 2**31 - 1
_PHILOX = 1
_SWAPS_AT_ONCE = 1 << 20


def random_split(columns: Rows, *, test_fraction: float = 0.2, seed: int = 42) -> tuple[Rows, Rows]:
    """Splits rows at random into train and test rows.

    The rows, and their order, are those that `tf.random.set_seed(seed)`,
    `shuffle(num_rows, seed=seed, reshuffle_each_iteration=False)`, `take` and `skip` give, which
    is how TensorFlow's tutorials split; results are comparable with theirs. No global seed is
    read or set.

    It measures how well gaps in what is known are filled. A user's later ratings help to predict
    earlier ones, as no service can; `time_split` and `leave_last_out` do not have that leak.

    Args:
        columns: A dict of arrays or lists, or a pandas DataFrame.
        test_fraction: The share of test rows, between 0 and 1. Defaults to `0.2`.
        seed: Chooses the split, from 0 up to 2147483646. Defaults to `42`.

    Returns:
        The train rows and the test rows, each as the kind of `columns` that came.

    Raises:
        ValueError: If `test_fraction` leaves either side without a row, or `seed` is too large.

    Example:
        >>> import numpy as np
        >>> import rankkit as rk
        >>> train, test = rk.data.random_split({"user_id": np.arange(10)})
        >>> train["user_id"], test["user_id"]
        (array([3, 2, 4, 9, 6, 1, 7, 0]), array([8, 5]))
    """
    num_rows = len(next(iter(as_columns(columns).values())))
    num_test = number_of_tests(num_rows, test_fraction)
    order = shuffled_places(num_rows, seed)
    return taken(columns, order[:-num_test]), taken(columns, order[-num_test:])


def shuffled_places(num_rows: int, seed: int) -> np.ndarray:
    """The order in which `tf.data` shuffles `range(num_rows)`, ten times as fast.

    It draws the numbers that `tf.data` draws, and like `tf.data` swaps each row with one that
    is drawn from the rows after it.
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < _MAX_SEED:
        raise invalid("seed", seed, f"a whole number from 0 to {_MAX_SEED - 1}", "Choose another.")
    # TensorFlow keeps the pair (0, 0) for "no seed" and puts its largest seed in place of it.
    drawn = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[num_rows],
        key=tf.constant([seed], tf.uint64),
        counter=tf.constant([0, seed or _MAX_SEED], tf.uint64),
        alg=_PHILOX,
        dtype=tf.uint32,
    ).numpy()
    first = np.arange(num_rows)
    swap_with = first + drawn % (num_rows - first)
    order = first.copy()
    cells = order.data
    for start in range(0, num_rows, _SWAPS_AT_ONCE):
        for i, j in enumerate(swap_with[start : start + _SWAPS_AT_ONCE].tolist(), start):
            cells[i], cells[j] = cells[j], cells[i]
    return order


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


def cold_start_split(
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
        >>> train, test = rk.data.cold_start_split(rows, test_fraction=0.34)
        >>> set(train["user_id"]) & set(test["user_id"])
        set()
    """
    known, numbers = np.unique(as_columns(columns, [ids])[ids], return_inverse=True)
    num_test = number_of_tests(len(known), test_fraction, f"values of {ids!r}")
    chosen = shuffled_places(len(known), seed)[-num_test:]
    return two_sides(columns, np.isin(numbers, chosen))
