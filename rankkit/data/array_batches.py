"""Batches of rows that are in memory."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._rows_in_memory import RowsInMemory, remember
from rankkit.data.encoded import encoded

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
