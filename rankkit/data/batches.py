"""Rows as a `tf.data.Dataset` of batches, ready for `fit` and `evaluate`."""

import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid
from rankkit.data.array_batches import array_batches
from rankkit.data.columns import as_columns
from rankkit.data.order import seeds_by_epoch, shuffled
from rankkit.data.stream_batches import batch_rows, select_rows, window


def batches(
    rows: Any,
    batch_size: int,
    *,
    shuffle: bool | int = False,
    seed: int | None = None,
    initial_epoch: int = 0,
    cache: bool = False,
    drop_remainder: bool = False,
    columns: Iterable[str] | None = None,
) -> tf.data.Dataset:
    """Batches of rows, as dicts of tensors, for any Keras model.

    Rows in memory are converted once; each pass then costs little more than copying them. Lists
    become ragged tensors. Numbers keep their dtype, except that `float64` becomes `float32`.
    Shuffled rows come in a new order at each pass. With a `seed`, the order of each epoch is
    fixed, whatever the global seed: a run that stopped after `k` epochs and goes on with
    `initial_epoch=k` sees the batches that it would have seen. Workers that train together each
    need the same `seed`.

    Args:
        rows: A dict of arrays or lists, a pandas DataFrame, or a `tf.data.Dataset` of dicts, one
            row each.
        batch_size: Rows a batch.
        shuffle: Whether to shuffle. A data set is shuffled whole if its size is known, otherwise
            in a window of 100,000 rows; a number is the size of the window. Defaults to `False`.
        seed: Chooses the orders of the epochs. Defaults to `None`: one is drawn from Python's
            `random`.
        initial_epoch: The epoch that the first pass stands for. Defaults to `0`.
        cache: Whether to keep a data set's rows in memory after the first pass, ahead of the
            shuffling; rows in memory stay there anyway. Defaults to `False`.
        drop_remainder: Whether to leave out a last batch that is not full. Defaults to `False`.
        columns: The columns to batch. Defaults to `None`: all.

    Returns:
        The batches, with their number known wherever the number of rows is.

    Raises:
        TypeError: If the rows, or the values of a column, are of a kind that cannot be batched.
        ValueError: If there is no row, a column is not known, lengths differ, or a number is out
            of its range.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["u1", "u2", "u3"], "user_rating": [4.0, 2.5, 5.0]}
        >>> [len(batch["user_id"]) for batch in rk.data.batches(rows, 2, shuffle=True, seed=1)]
        [2, 1]
    """
    check_number("batch_size", batch_size, 1)
    drawn = drawn_seed(seed, initial_epoch, bool(shuffle))
    if isinstance(rows, tf.data.Dataset):
        single = select_rows(rows, columns, cache=cache)
        if shuffle:
            size = window(single, shuffle)
            single = shuffled(single, size, seed=drawn, initial_epoch=initial_epoch)
        return batch_rows(single, batch_size, drop_remainder=drop_remainder)
    if not isinstance(shuffle, bool):
        fix = "Rows in memory are always shuffled whole."
        raise invalid("shuffle", shuffle, "True or False for rows in memory", fix)
    arrays = as_columns(rows, columns)
    seeds = seeds_by_epoch(drawn, initial_epoch=initial_epoch) if shuffle else None
    return array_batches(arrays, batch_size, drop_remainder=drop_remainder, seeds=seeds)


def drawn_seed(seed: int | None, initial_epoch: int, shuffle: bool) -> int:
    """Gives the seed of the epochs' orders, or draws one.

    Args:
        seed: What the user gave, or `None`.
        initial_epoch: The epoch that the first pass stands for.
        shuffle: Whether anything is drawn.

    Raises:
        ValueError: If a number is out of its range, or a run is resumed without its seed.
    """
    check_number("initial_epoch", initial_epoch, 0)
    if seed is not None:
        check_number("seed", seed, 0)
        return int(seed)
    if shuffle and initial_epoch:
        fix = "Give the seed of the run that is resumed; without one its order is lost."
        raise invalid("seed", seed, "a number when initial_epoch is not 0", fix)
    return random.randrange(2**31) if shuffle else 0


def check_number(name: str, value: Any, least: int) -> None:
    """Refuses what is no whole number of at least `least`.

    Raises:
        ValueError: If the value of the argument `name` is none.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not least <= value < 2**63:
        expected = f"a whole number of at least {least}"
        raise invalid(name, value, expected, f"Give {least} or more.")
