"""Splits rows in two at random."""

from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid
from rankkit.data.columns import as_columns, is_data_frame

_MAX_SEED = 2**31 - 1
_PHILOX = 1
_SWAPS_AT_ONCE = 1 << 20
_Rows = TypeVar("_Rows")


def random_split(
    columns: _Rows, *, test_fraction: float = 0.2, seed: int = 42
) -> tuple[_Rows, _Rows]:
    """Splits rows at random into train and test rows.

    The rows, and their order, are those that `tf.random.set_seed(seed)`,
    `shuffle(num_rows, seed=seed, reshuffle_each_iteration=False)`, `take` and `skip` give, which
    is how TensorFlow's tutorials split; results are comparable with theirs. No global seed is
    read or set.

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
    rows = as_columns(columns)
    num_rows = len(next(iter(rows.values())))
    num_test = _num_test(num_rows, test_fraction)
    order = _shuffled(num_rows, seed)
    parts = order[: num_rows - num_test], order[num_rows - num_test :]
    if is_data_frame(columns):
        frame: Any = columns
        return frame.iloc[parts[0]], frame.iloc[parts[1]]
    split: Any = tuple({name: column[part] for name, column in rows.items()} for part in parts)
    return split


def _num_test(num_rows: int, test_fraction: float) -> int:
    if not 0 < test_fraction < 1:
        fix = "Give the share of the rows to test on, such as 0.2."
        raise invalid("test_fraction", test_fraction, "between 0 and 1", fix)
    num_test = round(num_rows * test_fraction)
    if not 0 < num_test < num_rows:
        expected = f"such that both sides of {num_rows} rows get a row"
        raise invalid("test_fraction", test_fraction, expected, "Bring more rows or change it.")
    return num_test


def _shuffled(num_rows: int, seed: int) -> np.ndarray:
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
