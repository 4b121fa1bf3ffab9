"""Batches of examples, from memory or from a stream."""

import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.in_memory import RowsInMemory, remember
from rankkit.data.columns import as_columns, encoded, selected
from rankkit.data.shuffle import seeds_by_epoch, shuffled
from rankkit.utils.errors import invalid, wrong_type


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


# So few rows in a fixed order are kept as the batches that they come in: no function has to be set
# up for each pass over them, which takes longer than the pass.
_READY_ROWS = 1_000_000


def array_batches(
    columns: dict[str, np.ndarray],
    batch_size: int,
    *,
    drop_remainder: bool,
    seeds: tf.data.Dataset | None,
) -> tf.data.Dataset:
    """Batches columns of arrays, in another order at each pass if there are seeds.

    Args:
        columns: Arrays of one length.
        batch_size: Rows a batch.
        drop_remainder: Whether to leave out a last batch that is not full.
        seeds: A data set that yields one pair of seeds a pass; None keeps the rows in order.
    """
    read = {name: encoded(name, column) for name, column in columns.items()}
    num_rows = len(next(iter(columns.values())))
    num_full, rest = divmod(num_rows, batch_size)
    in_full = num_full * batch_size
    any_rest = rest > 0 and not drop_remainder

    def order(seed: tf.Tensor | None) -> tf.Tensor:
        numbers = tf.range(num_rows, dtype=tf.int64)
        if seed is not None:
            numbers = tf.random.experimental.stateless_shuffle(numbers, seed)
        return numbers if any_rest else numbers[:in_full]

    count = num_rows if any_rest else in_full
    rows = RowsInMemory(
        read,
        count,
        batch_size,
        batch_size,
        seeds,
        order,
        lambda numbers: (numbers, {}),
        of_one_shape=True,
    )
    if seeds is None and num_rows <= _READY_ROWS:
        ready = rows.batch(tf.range(num_rows, dtype=tf.int64))
        if all(isinstance(values, tf.Tensor) for values in ready.values()):  # no ragged ones
            return remember(
                _shared_out(_ready_batches(ready, num_full, batch_size, any_rest)), rows
            )

    def row_numbers(numbers: tf.Tensor) -> tf.data.Dataset:
        # Slices of one tensor: a `map` over batch numbers here would cost as much as the gathers.
        full = tf.reshape(numbers[:in_full], [num_full, batch_size])
        parts = tf.data.Dataset.from_tensor_slices(full)
        last = tf.data.Dataset.from_tensors(numbers[in_full:])
        return parts.concatenate(last) if any_rest else parts

    return made_of_rows(rows, row_numbers)


def made_of_rows(
    rows: RowsInMemory, parts_of: Callable[[tf.Tensor], tf.data.Dataset]
) -> tf.data.Dataset:
    """Makes batches of rows in memory, and remembers what they are made of.

    Args:
        rows: The rows.
        parts_of: The order of a pass to what stands for each of its batches.
    """
    fixed = rows.seeds is None
    batches = made_of_numbers(
        rows.seeds,
        lambda seed: parts_of(rows.order(None if fixed else seed)),
        rows.batch,
        rows.steps,
    )
    return remember(batches, rows)


def made_of_numbers(
    seeds: tf.data.Dataset | None,
    numbers_of_pass: Callable[[tf.Tensor], tf.data.Dataset],
    batch_of: Callable[..., dict[str, Any]],
    count: int,
) -> tf.data.Dataset:
    """Makes the batches of each pass from the numbers of their rows.

    Args:
        seeds: A data set that yields one pair of seeds a pass; `None` for passes without.
        numbers_of_pass: The pair of a pass to what stands for each of its batches.
        batch_of: That to the batch.
        count: How many batches a pass has.
    """
    passes = tf.data.Dataset.from_tensors([0, 0]) if seeds is None else seeds
    batched = passes.flat_map(numbers_of_pass).map(
        batch_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return _shared_out(batched.apply(tf.data.experimental.assert_cardinality(count)))


def _ready_batches(
    columns: dict[str, tf.Tensor], num_full: int, batch_size: int, any_rest: bool
) -> tf.data.Dataset:
    in_full = num_full * batch_size
    full = {
        name: tf.reshape(values[:in_full], [num_full, batch_size, *values.shape[1:]])
        for name, values in columns.items()
    }
    batched = tf.data.Dataset.from_tensor_slices(full)
    if not any_rest:
        return batched
    last = {name: values[in_full:] for name, values in columns.items()}
    return batched.concatenate(tf.data.Dataset.from_tensors(last))


def _shared_out(batched: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    # There are no files to share out: each of several workers takes its part of the rows.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batched.prefetch(tf.data.AUTOTUNE).with_options(options)


WINDOW = 100_000


def select_rows(
    rows: tf.data.Dataset, columns: Iterable[str] | None, *, cache: bool
) -> tf.data.Dataset:
    """Checks that `rows` are dicts of one row each, and takes the columns that are wanted."""
    spec = rows.element_spec
    if not isinstance(spec, Mapping):
        fix = 'Map them to dicts, such as {"user_id": ..., "user_rating": ...}.'
        raise wrong_type("rows", spec, "a data set of dicts", fix)
    if rows.cardinality() == 0:
        raise invalid("rows", rows, "at least one row", "Was everything filtered out?")
    _check_single(rows, spec)
    names = selected(columns, list(spec))
    if columns is not None:
        rows = rows.map(lambda row: {name: row[name] for name in names})
    return rows.cache() if cache else rows


def _check_single(rows: tf.data.Dataset, spec: Mapping[str, Any]) -> None:
    lengths = {tuple(one.shape[:1]) if one.shape.rank else None for one in spec.values()}
    # One list a row is a row; several lists of one length are a batch.
    if len(spec) > 1 and len(lengths) == 1 and None not in lengths:
        fix = "Call rows.unbatch() first."
        raise invalid("rows", rows, "a data set of single rows, not of batches", fix)


def window(rows: tf.data.Dataset, shuffle: bool | int) -> int:
    """How many rows to hold for shuffling: all of them if their number is known."""
    if shuffle is not True:
        if not isinstance(shuffle, int) or shuffle < 1:
            expected = "True, False or a window of at least 1 row"
            raise invalid("shuffle", shuffle, expected, "Give True if unsure.")
        return shuffle
    known = int(rows.cardinality())
    return known if known > 0 else WINDOW


def batch_rows(rows: tf.data.Dataset, batch_size: int, *, drop_remainder: bool) -> tf.data.Dataset:
    """Batches single rows; lists of any length become ragged, `float64` becomes `float32`."""
    specs = rows.element_spec.values()
    any_list = any(not spec.shape.is_fully_defined() for spec in specs)
    batch = rows.ragged_batch if any_list else rows.batch
    batched = batch(batch_size, drop_remainder=drop_remainder)
    if any(spec.dtype == tf.float64 for spec in specs):
        batched = batched.map(_in_float32)
    return batched.prefetch(tf.data.AUTOTUNE)


def _in_float32(batch: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tf.cast(value, tf.float32) if value.dtype == tf.float64 else value
        for name, value in batch.items()
    }
