"""Reproducible shuffle orders that continue from any epoch."""

import tensorflow as tf


def seeds_by_epoch(seed: int, *, initial_epoch: int) -> tf.data.Dataset:
    """A data set of one element, a pair of seeds that changes with each iteration."""
    variant = tf.raw_ops.RandomDatasetV2(
        seed=seed,
        seed2=seed,
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        rerandomize_each_iteration=True,
        output_types=[tf.int64],
        output_shapes=[[]],
    )
    numbers = tf.data.experimental.from_variant(variant, tf.TensorSpec([], tf.int64))
    _skip_epochs(numbers, initial_epoch)
    return numbers.batch(2, drop_remainder=True).take(1)


def shuffled(
    rows: tf.data.Dataset, buffer_size: int, *, seed: int, initial_epoch: int
) -> tf.data.Dataset:
    """Like `rows.shuffle(buffer_size, seed=seed)`, starting with the order of `initial_epoch`."""
    specs = tf.nest.flatten(rows.element_spec)
    # Ragged and sparse elements travel between data sets as variants.
    types = [spec.dtype if isinstance(spec, tf.TensorSpec) else tf.variant for spec in specs]
    variant = tf.raw_ops.ShuffleDatasetV3(
        input_dataset=tf.data.experimental.to_variant(rows),
        buffer_size=buffer_size,
        seed=seed,
        seed2=seed,
        seed_generator=tf.raw_ops.DummySeedGenerator(),
        reshuffle_each_iteration=True,
        output_types=types,
        output_shapes=[tf.TensorShape(None)] * len(specs),
    )
    dataset = tf.data.experimental.from_variant(variant, rows.element_spec)
    _skip_epochs(dataset, initial_epoch)
    return dataset


def _skip_epochs(dataset: tf.data.Dataset, num_epochs: int) -> None:
    # The seeds of an epoch are sampled when its iterator is made, before any row is read.
    for _ in range(num_epochs):
        iter(dataset)
