"""Splits rows in two at random."""

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid
from rankkit.data.columns import as_columns
from rankkit.data.splits._parts import Rows, number_of_tests, taken

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
