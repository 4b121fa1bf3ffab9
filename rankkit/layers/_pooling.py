"""Pooling of the embeddings of a list: mean, sum or sqrtn."""

from typing import Any

import tensorflow as tf

from rankkit.utils.errors import unknown

POOLINGS = ("mean", "sqrtn", "sum")
# Lists of more members than this share of the table are counted: one matrix product with the
# table then takes less than copying a row for each member.
_LONG = 1 / 8


def check_pooling(pooling: str) -> None:
    """Refuses a pooling that is not known.

    Raises:
        ValueError: If it is none of `POOLINGS`.
    """
    if pooling not in POOLINGS:
        raise unknown("pooling", pooling, POOLINGS)


def pooled(table: Any, codes: tf.Tensor, pooling: str) -> tf.Tensor:
    """Pools the rows of a table that lists of codes name.

    Args:
        table: A Keras `Embedding`.
        codes: `(batch, members)`, with -1 for no member.
        pooling: One of `POOLINGS`.

    Returns:
        `(batch, width)`, zero for empty lists.
    """
    there = codes >= 0  # (batch, members)
    if codes.shape[1] is not None and codes.shape[1] > _LONG * table.input_dim:
        return pooled_counts(table, _counts(codes, there, table), pooling)
    vectors = table(tf.maximum(codes, 0))  # (batch, members, width)
    there = tf.cast(tf.expand_dims(there, -1), vectors.dtype)
    return scaled(tf.reduce_sum(vectors * there, 1), tf.reduce_sum(there, 1), pooling)


def _counts(codes: tf.Tensor, there: tf.Tensor, table: Any) -> tf.Tensor:
    batch, members = tf.shape(codes)[0], tf.shape(codes)[1]
    rows = tf.repeat(tf.range(batch, dtype=codes.dtype), members)
    places = tf.stack([rows, tf.reshape(tf.maximum(codes, 0), [-1])], axis=1)
    shape = tf.cast(tf.stack([batch, table.input_dim]), codes.dtype)
    return tf.scatter_nd(places, tf.cast(tf.reshape(there, [-1]), table.compute_dtype), shape)


def pooled_counts(table: Any, counts: tf.Tensor, pooling: str) -> tf.Tensor:
    """Pools the rows of a table, each as often as it is counted.

    Args:
        table: A Keras `Embedding`.
        counts: `(batch, rows of the table)`.
        pooling: One of `POOLINGS`.

    Returns:
        `(batch, width)`, zero where nothing is counted.
    """
    table(tf.zeros((0,), tf.int32))  # makes the table
    counts = tf.cast(counts, table.compute_dtype)
    summed = counts @ tf.cast(table.embeddings, counts.dtype)  # (batch, width)
    return scaled(summed, tf.reduce_sum(counts, axis=1, keepdims=True), pooling)


def scaled(summed: tf.Tensor, number: tf.Tensor, pooling: str) -> tf.Tensor:
    """Gives what a pooling makes of a sum.

    Args:
        summed: Sums of vectors, `(batch, width)`.
        number: Of how many, `(batch, 1)`.
        pooling: One of `POOLINGS`.
    """
    if pooling == "sum":
        return summed
    number = tf.maximum(number, 1)
    return summed / (number if pooling == "mean" else tf.sqrt(number))
