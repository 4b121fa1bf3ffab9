"""Splits of rows into training and test rows."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import NUMBER, exact_numbers
from rankkit.core.folds import assign_folds
from rankkit.core.timestamps import as_times, check_no_missing
from rankkit.data.columns import as_columns, check_keys, is_data_frame
from rankkit.utils.errors import check_integer, check_number, invalid, wrong_type

Rows = TypeVar("Rows")
_MAX_SEED = 2**31 - 1
_PHILOX = 1


def k_fold(
    columns: Rows, k: int = 5, *, group: str | None = None, seed: int = 42
) -> Iterator[tuple[Rows, Rows]]:
    """Splits rows at random into `k` folds, each of which is the test set once.

    It measures what `random_split` measures, with the same leak, but tests on every row once: the
    `k` results show how much depends on the split. Their training sets overlap, so the results
    vary less than `k` independent ones.

    Args:
        columns: A dict of arrays or lists, a pandas DataFrame or an Arrow table (becomes a dict).
        k: Number of folds, at least 2. Defaults to `5`.
        group: Name of a column of ids, such as that of the query. Rows of a group are in one fold.
            Defaults to `None`: rows are assigned to folds one by one.
        seed: Seed of the split. Defaults to `42`.

    Yields:
        The training rows and the test rows of each fold, in their original order.

    Raises:
        ValueError: If `k` is below 2 or above the number of rows or groups, the seed is out of
            range, or the column is unknown.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "b", "c", "d"], "query_id": [1, 1, 2, 2]}
        >>> [len(test["user_id"]) for _, test in rk.data.k_fold(rows, 2)]
        [2, 2]
        >>> [list(test["user_id"]) for _, test in rk.data.k_fold(rows, 2, group="query_id")]
        [['c', 'd'], ['a', 'b']]
    """
    num_rows = _num_rows(columns)
    if group is not None:
        groups = as_columns(columns, [group])[group]
        folds = assign_folds(num_rows, groups, k, seed, f"column {group!r}", "k")
        return (split_rows(columns, folds == fold) for fold in range(k))
    check_integer("k", k, 2)
    if k > num_rows:
        raise invalid("k", k, f"at most {num_rows}, the number of rows", "Pass a smaller k.")
    folds = np.empty(num_rows, int)
    folds[_shuffle_indices(num_rows, seed)] = np.arange(num_rows) % k
    return (split_rows(columns, folds == fold) for fold in range(k))


def leave_last_out(
    columns: Rows, *, timestamp: str, query: str = "user_id", num_rows: int = 1
) -> tuple[Rows, Rows]:
    """Uses the last rows of each user as test rows.

    It measures predictions of the next interaction of known users. No user's own future is in the
    training rows, but that of other users is: how items will be rated, and which will be popular.

    Args:
        columns: A dict of arrays or lists, a pandas DataFrame or an Arrow table (becomes a dict).
        timestamp: Name of the timestamp column, numbers or `datetime64`. Rows with equal
            timestamps are ordered as they come.
        query: Name of the column to group by. Defaults to `"user_id"`.
        num_rows: Test rows per group. Groups with no more rows than this are used for training
            only. Defaults to `1`.

    Returns:
        The training rows and the test rows, in their original order.

    Raises:
        ValueError: If a column is unknown, a timestamp is missing, or no group has enough rows.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "b", "a", "a"], "timestamp": [30, 10, 20, 40]}
        >>> train, test = rk.data.leave_last_out(rows, timestamp="timestamp")
        >>> test["timestamp"]
        array([40])
    """
    check_integer("num_rows", num_rows)
    chosen = as_columns(columns, [query, timestamp])
    check_keys(chosen, query)
    _, queries = np.unique(chosen[query], return_inverse=True)
    order = np.lexsort((sortable_times(timestamp, chosen[timestamp]), queries))
    sizes = np.bincount(queries)
    rows_left = np.repeat(np.cumsum(sizes), sizes) - np.arange(len(order))  # of the group
    is_last = (rows_left <= num_rows) & np.repeat(sizes > num_rows, sizes)
    if not is_last.any():
        expected = f"below the most rows of a {query}, so that some are left for training"
        raise invalid("num_rows", num_rows, expected, "Use random_split.")
    return split_rows(columns, np.isin(np.arange(len(order)), order[is_last]))


def random_split(columns: Rows, *, test_fraction: float = 0.2, seed: int = 42) -> tuple[Rows, Rows]:
    """Splits rows at random into training and test rows.

    The rows and their order are those of `tf.random.set_seed(seed)`,
    `shuffle(num_rows, seed=seed, reshuffle_each_iteration=False)`, `take` and `skip`, as in
    TensorFlow's tutorials, so results are comparable with theirs. The global seed is neither used
    nor changed.

    It measures matrix completion (predicting held-out entries). A user's later ratings help to
    predict earlier ones, which is impossible in production; `time_split` and `leave_last_out` avoid
    this leak.

    Args:
        columns: A dict of arrays or lists, a pandas DataFrame or an Arrow table (becomes a dict).
        test_fraction: Fraction of test rows, between 0 and 1. Defaults to `0.2`.
        seed: Seed of the split, from 0 to 2147483646. Defaults to `42`.

    Returns:
        The training rows and the test rows, of the same type as `columns`.

    Raises:
        ValueError: If the training or test set would be empty, or the seed is out of range.

    Example:
        >>> import numpy as np
        >>> import rankkit as rk
        >>> train, test = rk.data.random_split({"user_id": np.arange(10)})
        >>> train["user_id"], test["user_id"]
        (array([3, 2, 4, 9, 6, 1, 7, 0]), array([8, 5]))
    """
    num_rows = _num_rows(columns)
    first_test = num_rows - num_test(num_rows, test_fraction)
    order = _shuffle_indices(num_rows, seed)
    return _take(columns, order[:first_test]), _take(columns, order[first_test:])


def time_split(columns: Rows, *, timestamp: str, test_fraction: float = 0.2) -> tuple[Rows, Rows]:
    """Splits rows at a point in time: earlier rows for training, later rows for testing.

    It measures what a service would see after training once: no row is predicted from later ones.
    Many test rows are of users or items that did not exist before; on MovieLens 100K most are, so
    the result is dominated by cold starts.

    Args:
        columns: A dict of arrays or lists, a pandas DataFrame or an Arrow table (becomes a dict).
        timestamp: Name of the timestamp column, numbers or `datetime64`.
        test_fraction: Fraction of test rows, between 0 and 1. Rows with equal timestamps stay
            together, so there can be more. Defaults to `0.2`.

    Returns:
        The training rows and the test rows, in their original order.

    Raises:
        ValueError: If the column is unknown, a timestamp is missing, or the training or test set
            would be empty.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "b", "a", "c"], "timestamp": [30, 10, 20, 40]}
        >>> train, test = rk.data.time_split(rows, timestamp="timestamp", test_fraction=0.25)
        >>> train["timestamp"], test["timestamp"]
        (array([30, 10, 20]), array([40]))
    """
    timestamps = sortable_times(timestamp, as_columns(columns, [timestamp])[timestamp])
    start = np.sort(timestamps)[-num_test(len(timestamps), test_fraction)]
    if start == timestamps.min():
        expected = "small enough to leave rows for training"
        fix = f"The test rows would start at the first timestamp, {start}: pass a smaller fraction."
        raise invalid("test_fraction", test_fraction, expected, fix)
    return split_rows(columns, timestamps >= start)


def cold_start_split(
    columns: Rows, *, ids: str = "user_id", test_fraction: float = 0.2, seed: int = 42
) -> tuple[Rows, Rows]:
    """Splits by user or item: all rows of an id are either training or test rows.

    It measures cold starts: no row of a test id was trained on. Rows of other ids at the same time
    and later were, as with `random_split`.

    Args:
        columns: A dict of arrays or lists, a pandas DataFrame or an Arrow table (becomes a dict).
        ids: Name of the column of ids to split. Defaults to `"user_id"`.
        test_fraction: Fraction of test ids, between 0 and 1. Defaults to `0.2`.
        seed: Seed of the split. Defaults to `42`.

    Returns:
        The training rows and the test rows, in their original order.

    Raises:
        ValueError: If the column is unknown, the training or test set would be empty, or the seed
            is out of range.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "b", "a", "c", "b"]}
        >>> train, test = rk.data.cold_start_split(rows, test_fraction=0.34)
        >>> set(train["user_id"]) & set(test["user_id"])
        set()
    """
    chosen = as_columns(columns, [ids])
    check_keys(chosen, ids)
    distinct, indices = np.unique(chosen[ids], return_inverse=True)
    num_test_ids = num_test(len(distinct), test_fraction, f"values of {ids!r}")
    test_indices = _shuffle_indices(len(distinct), seed)[-num_test_ids:]
    return split_rows(columns, np.isin(indices, test_indices))


def sortable_times(name: str, column: np.ndarray) -> np.ndarray:
    """The timestamps of a column as an array that can be sorted by time."""
    times = as_times(column)
    check_no_missing(f"Column {name!r}", times)
    if times.dtype.kind == "O" and all(isinstance(cell, NUMBER) for cell in times):
        times = exact_numbers(f"Column {name!r}", times.tolist())
    if times.dtype.kind not in "iufM" or times.ndim != 1:
        fix = "Convert it, such as with pandas.to_datetime."
        raise wrong_type(f"Column {name!r}", times[0], "numbers or datetime64", fix)
    return times


def _num_rows(columns: Any) -> int:
    return len(next(iter(as_columns(columns).values())))


def num_test(
    count: int, fraction: float, what: str = "rows", argument: str = "test_fraction"
) -> int:
    """How many of `count` rows or ids to test on, neither none nor all of them."""
    expected = f"a fraction that leaves some of the {count} {what} on both sides"
    fix = "Pass another one, such as 0.2, or more rows."
    check_number(argument, fraction, expected, fix, above=0, below=1)
    number = round(count * fraction)
    if not 0 < number < count:
        raise invalid(argument, fraction, expected, fix)
    return number


def _take(rows: Any, indices: np.ndarray) -> Any:
    """Takes rows by position, as a DataFrame if they are one."""
    if is_data_frame(rows):
        return rows.iloc[indices]
    return {name: column[indices] for name, column in as_columns(rows).items()}


def split_rows(rows: Rows, is_test: np.ndarray) -> tuple[Rows, Rows]:
    """Splits rows into those that are not test rows and those that are, in their order."""
    return _take(rows, np.flatnonzero(~is_test)), _take(rows, np.flatnonzero(is_test))


def _shuffle_indices(num_rows: int, seed: int) -> np.ndarray:
    """The order in which `tf.data` shuffles `range(num_rows)`, ten times as fast."""
    check_integer("seed", seed, 0)
    if seed >= _MAX_SEED:
        raise invalid("seed", seed, f"below {_MAX_SEED}", "Pass a smaller seed.")
    # TensorFlow reserves the pair (0, 0) for "no seed" and replaces it by its largest seed.
    samples = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[num_rows],
        key=tf.constant([seed], tf.uint64),
        counter=tf.constant([0, seed or _MAX_SEED], tf.uint64),
        alg=_PHILOX,
        dtype=tf.uint32,
    ).numpy()
    indices = np.arange(num_rows)
    swap_with = indices + samples % (num_rows - indices)
    order = indices.copy()  # shuffled as by Fisher and Yates
    cells = order.data  # indexing a memoryview is faster than an array
    for i, j in enumerate(swap_with.data):
        cells[i], cells[j] = cells[j], cells[i]
    return order
