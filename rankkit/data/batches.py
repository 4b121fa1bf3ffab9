"""Batches of rows held in memory or read from a `tf.data.Dataset`."""

import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.in_memory import RowsInMemory, Windows, remember
from rankkit.core.precision import to_float32
from rankkit.data.columns import as_columns, encode_column, select_names
from rankkit.data.shuffle import seeds_by_epoch, shuffled
from rankkit.utils.errors import check_boolean, check_integer, check_mapping, invalid, is_integer

SHUFFLE_BUFFER = 100_000  # rows, for data sets of unknown size
_MAX_PRECOMPUTED_ROWS = 1_000_000


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
    """Batches rows into dicts of tensors, for any Keras model.

    In-memory rows are converted to tensors once; an epoch then costs little more than copying
    them. Lists become ragged tensors. Numbers keep their dtype, except that `float64` becomes
    `float32`: in memory only if that rounds no number beyond 2^24, such as a timestamp; a stream
    must not have such numbers. Missing numbers become NaN, unless that would round an integer
    beyond 2^53 beside them. Dates and times of NumPy, pandas and Arrow become `int64`, seconds
    since 1970-01-01 UTC.

    With `shuffle`, every epoch has its own order. A `seed` makes these orders reproducible,
    whatever the global seed: a run that stopped after `k` epochs and resumes with
    `initial_epoch=k` gets the same batches as an uninterrupted run. In distributed training, pass
    the same `seed` to every worker.

    Args:
        rows: A dict of arrays or lists, a DataFrame or Arrow table, or a `tf.data.Dataset` of
            dicts with one row per element.
        batch_size: Rows per batch.
        shuffle: Whether to shuffle. A data set of unknown size is shuffled with a buffer of 100,000
            rows, everything else completely. An integer sets the buffer size of a data set.
            Defaults to `False`.
        seed: Seed of the shuffle orders. Defaults to `None`: a seed from Python's `random`.
        initial_epoch: Epoch to start from. Defaults to `0`.
        cache: Whether to cache the rows of a data set in memory, before shuffling. In-memory rows
            need no cache. Defaults to `False`.
        drop_remainder: Whether to drop an incomplete last batch. Defaults to `False`.
        columns: Names of the columns to keep. Defaults to `None`: all.

    Returns:
        A data set of batches. Its cardinality is known if the number of rows is.

    Raises:
        TypeError: If `rows` or the values of a column have an unsupported type.
        ValueError: If there are no rows, a column is unknown, columns differ in length, a time is
            missing, or a number is out of range.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["u1", "u2", "u3"], "user_rating": [4.0, 2.5, 5.0]}
        >>> [len(batch["user_id"]) for batch in rk.data.batches(rows, 2, shuffle=True, seed=1)]
        [2, 1]
    """
    check_integer("batch_size", batch_size)
    cache = check_boolean("cache", cache)
    drop_remainder = check_boolean("drop_remainder", drop_remainder)
    if isinstance(rows, tf.data.Dataset):
        single = select_rows(rows, columns, cache=cache)
        num_rows = int(single.cardinality())
        size = buffer_size(shuffle, num_rows if num_rows > 0 else SHUFFLE_BUFFER)
        seed = resolve_seed(seed, initial_epoch, shuffle=size > 0)
        if size:
            single = shuffled(single, size, seed=seed, initial_epoch=initial_epoch)
        return batch_rows(single, batch_size, drop_remainder=drop_remainder)
    shuffle = check_full_shuffle(shuffle)
    seed = resolve_seed(seed, initial_epoch, shuffle)
    arrays = as_columns(rows, columns, allows_data_sets=True)
    seeds = seeds_by_epoch(seed, initial_epoch=initial_epoch) if shuffle else None
    return _batch_arrays(arrays, batch_size, drop_remainder, seeds)


def resolve_seed(seed: int | None, initial_epoch: int, shuffle: bool) -> int:
    """Checks the seed of the shuffle orders, or samples one if it is `None`."""
    check_integer("initial_epoch", initial_epoch, 0)
    if seed is not None:
        check_integer("seed", seed, 0)
        if seed >= 2**63:
            raise invalid("seed", seed, "below 2**63")
        return int(seed)
    if shuffle and initial_epoch:
        fix = "Pass the seed of the run that is resumed; without it, its order cannot be restored."
        raise invalid("seed", seed, "a number when initial_epoch is not 0", fix)
    return random.randrange(2**31) if shuffle else 0


def check_full_shuffle(shuffle: Any) -> bool:
    """Raises if `shuffle` is a buffer size, which in-memory rows do not have."""
    fix = "In-memory rows are always shuffled completely."
    return check_boolean("shuffle", shuffle, "True or False for rows in memory", fix)


def _batch_arrays(
    columns: dict[str, np.ndarray],
    batch_size: int,
    drop_remainder: bool,
    seeds: tf.data.Dataset | None,
) -> tf.data.Dataset:
    """Batches columns of equal length; `seeds` yields a pair per epoch, `None` keeps the order."""
    num_rows = len(next(iter(columns.values())))
    count = num_rows - num_rows % batch_size if drop_remainder else num_rows

    def order(seed: tf.Tensor | None) -> tf.Tensor:
        indices = tf.range(num_rows, dtype=tf.int64)
        if seed is not None:
            indices = tf.random.experimental.stateless_shuffle(indices, seed)
        return indices[:count]

    rows = RowsInMemory(
        {name: encode_column(name, column) for name, column in columns.items()},
        count,
        batch_size,
        batch_size,
        seeds,
        order,
        lambda indices: (indices, {}),
        of_one_shape=True,
    )
    is_small = not any(isinstance(column, Windows) for column in columns.values())
    if seeds is None and is_small and num_rows <= _MAX_PRECOMPUTED_ROWS:
        # Setting up a function for each epoch would take longer than the epoch.
        whole = rows.batch(tf.range(num_rows, dtype=tf.int64))
        if all(isinstance(column, tf.Tensor) for column in whole.values()):  # none is ragged
            return remember(prefetch(slice_batches(whole, count, batch_size)), rows)
    return batch_in_memory(rows, lambda indices: slice_batches(indices, count, batch_size))


def slice_batches(tensors: Any, count: int, batch_size: int) -> tf.data.Dataset:
    """Slices the first `count` rows of tensors into batches, cheaper than a `map` over batches."""
    num_full, remainder = divmod(count, batch_size)
    in_full = num_full * batch_size
    full = tf.nest.map_structure(
        lambda each: tf.reshape(each[:in_full], [num_full, batch_size, *each.shape[1:]]), tensors
    )
    sliced = tf.data.Dataset.from_tensor_slices(full)
    if not remainder:
        return sliced
    last = tf.nest.map_structure(lambda each: each[in_full:count], tensors)
    return sliced.concatenate(tf.data.Dataset.from_tensors(last))


def batch_in_memory(
    rows: RowsInMemory, slice_order: Callable[[tf.Tensor], tf.data.Dataset]
) -> tf.data.Dataset:
    """Batches in-memory rows; `slice_order` cuts the order of an epoch into those of batches."""

    def slice_epoch(seed: tf.Tensor) -> tf.data.Dataset:
        return slice_order(rows.order(None if rows.seeds is None else seed))

    return remember(batch_epochs(rows.seeds, slice_epoch, rows.batch, rows.steps), rows)


def batch_epochs(
    seeds: tf.data.Dataset | None,
    slice_epoch: Callable[[tf.Tensor], tf.data.Dataset],
    make_batch: Callable[..., dict[str, Any]],
    num_batches: int,
) -> tf.data.Dataset:
    """Makes a batch of each element of `slice_epoch(seed)`, with a new pair of seeds per epoch."""
    epochs = tf.data.Dataset.from_tensors([0, 0]) if seeds is None else seeds
    batched = epochs.flat_map(slice_epoch).map(
        make_batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    return prefetch(batched.apply(tf.data.experimental.assert_cardinality(num_batches)))


def prefetch(batched: tf.data.Dataset, *, auto_shard: bool = True) -> tf.data.Dataset:
    """Prefetches batches; with `auto_shard`, each worker reads all and takes its part of each."""
    policies = tf.data.experimental.AutoShardPolicy
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        policies.DATA if auto_shard else policies.OFF
    )
    return batched.prefetch(tf.data.AUTOTUNE).with_options(options)


def select_rows(
    rows: tf.data.Dataset, columns: Iterable[str] | None, *, cache: bool
) -> tf.data.Dataset:
    """Checks that the elements of `rows` are dicts of single rows, and selects columns."""
    fix = 'Map them to dicts, such as {"user_id": ..., "user_rating": ...}.'
    spec = check_mapping("rows", rows.element_spec, "a data set of dicts", fix)
    if rows.cardinality() == 0:
        fix = "Was everything filtered out?"
        raise invalid("rows", rows, "a data set of at least one row", fix)
    lengths = {tuple(each.shape[:1]) if each.shape.rank else None for each in spec.values()}
    # A single column may hold one list per row; several of the same length are a batch.
    if len(spec) > 1 and len(lengths) == 1 and None not in lengths:
        fix = "Call rows.unbatch() first."
        raise invalid("rows", rows, "a data set of single rows, not of batches", fix)
    names = select_names(columns, list(spec))
    if columns is not None:
        rows = rows.map(lambda row: {name: row[name] for name in names})
    return rows.cache() if cache else rows


def buffer_size(shuffle: bool | int, default: int = SHUFFLE_BUFFER) -> int:
    """The size of the shuffle buffer in rows: the default for `True`, 0 for `False`."""
    if isinstance(shuffle, bool | np.bool_):
        return default if shuffle else 0
    expected = "True, False or a buffer size of at least 1 row"
    if not is_integer(shuffle) or shuffle < 1:
        raise invalid("shuffle", shuffle, expected, "Pass True if unsure.")
    return int(shuffle)


def batch_rows(rows: tf.data.Dataset, batch_size: int, *, drop_remainder: bool) -> tf.data.Dataset:
    """Batches single rows; lists of variable length become ragged, `float64` becomes `float32`."""
    specs = rows.element_spec.values()
    is_ragged = any(not spec.shape.is_fully_defined() for spec in specs)
    batch = rows.ragged_batch if is_ragged else rows.batch
    batched = batch(batch_size, drop_remainder=drop_remainder)
    if any(spec.dtype == tf.float64 for spec in specs):
        batched = batched.map(_to_float32)
    return batched.prefetch(tf.data.AUTOTUNE)


def _to_float32(batch: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tf.ragged.map_flat_values(to_float32, f"Column {name!r}", column)
        if column.dtype == tf.float64
        else column
        for name, column in batch.items()
    }
