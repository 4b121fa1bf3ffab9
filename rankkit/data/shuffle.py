"""Shuffle order of each epoch."""

from typing import Any

import tensorflow as tf


def seeds_by_epoch(seed: int, *, initial_epoch: int) -> tf.data.Dataset:
    """A data set of one element, a pair of seeds, that is another pair at each pass.

    Args:
        seed: Chooses the sequence of pairs.
        initial_epoch: How many pairs to leave out at the start of the sequence.
    """
    variant = tf.raw_ops.RandomDatasetV2(
        seed=seed,
        seed2=seed,
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        rerandomize_each_iteration=True,
        output_types=[tf.int64],
        output_shapes=[[]],
    )
    numbers = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.int64))
    _start_at(numbers, initial_epoch)
    return numbers.batch(2, drop_remainder=True).take(1)


def shuffled(
    rows: tf.data.Dataset, window: int, *, seed: int, initial_epoch: int
) -> tf.data.Dataset:
    """Like `rows.shuffle(window, seed=seed)`, in a new order at each pass.

    Args:
        rows: The rows in an order that stays the same from pass to pass.
        window: How many rows are held at a time to draw the next one from.
        seed: Chooses the orders.
        initial_epoch: How many orders to leave out at the start.
    """
    specs = tf.nest.flatten(rows.element_spec)
    variant = tf.raw_ops.ShuffleDatasetV3(
        input_dataset=tf.data.experimental.to_variant(rows),
        buffer_size=window,
        seed=seed,
        seed2=seed,
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        reshuffle_each_iteration=True,
        output_types=[_dtype(spec) for spec in specs],
        output_shapes=[tf.TensorShape(None)] * len(specs),
    )
    mixed = tf.data.experimental.from_variant(variant, rows.element_spec)
    _start_at(mixed, initial_epoch)
    return mixed


def _dtype(spec: Any) -> tf.DType:
    # Ragged and sparse elements travel between data sets as variants.
    return spec.dtype if isinstance(spec, tf.TensorSpec) else tf.variant


def _start_at(dataset: tf.data.Dataset, epoch: int) -> None:
    # The seeds of a pass are drawn when its iterator is made, before any row is read.
    for _ in range(epoch):
        iter(dataset)
