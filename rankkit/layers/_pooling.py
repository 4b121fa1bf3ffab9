"""Pooling of the embeddings of a list: mean, sum or sqrtn."""

from typing import Any

import tensorflow as tf

POOLINGS = ("mean", "sqrtn", "sum")
# Lists longer than this share of the table are pooled by one matrix product of their counts and
# the table, which then takes less time than copying an embedding for each member.
_LONG_LIST = 1 / 8


def pool_lists(table: Any, indices: tf.Tensor, pooling: str) -> tf.Tensor:
    """Pools the rows of a Keras `Embedding` by lists of indices; -1 is padding."""
    is_member = indices >= 0  # (batch, members)
    if indices.shape[1] is not None and indices.shape[1] > _LONG_LIST * table.input_dim:
        return pool_counts(table, _count(indices, is_member, table), pooling)
    # Sums are of full precision: in half precision, a sum of ones stops growing at 256 or 2,048.
    vectors = tf.cast(table(tf.maximum(indices, 0)), table.variable_dtype)  # (batch, members, dim)
    is_member = tf.cast(tf.expand_dims(is_member, -1), vectors.dtype)
    summed, count = tf.reduce_sum(vectors * is_member, 1), tf.reduce_sum(is_member, 1)
    return tf.cast(scale_sum(summed, count, pooling), table.compute_dtype)


def _count(indices: tf.Tensor, is_member: tf.Tensor, table: Any) -> tf.Tensor:
    batch, length = tf.shape(indices)[0], tf.shape(indices)[1]
    examples = tf.repeat(tf.range(batch, dtype=indices.dtype), length)
    cells = tf.stack([examples, tf.reshape(tf.maximum(indices, 0), [-1])], axis=1)
    shape = tf.cast(tf.stack([batch, table.input_dim]), indices.dtype)
    ones = tf.cast(tf.reshape(is_member, [-1]), table.variable_dtype)
    return tf.scatter_nd(cells, ones, shape)  # (batch, rows of the table)


def pool_counts(table: Any, counts: tf.Tensor, pooling: str) -> tf.Tensor:
    """Pools the rows of a Keras `Embedding` by their counts, `(batch, rows of the table)`."""
    table(tf.zeros((0,), tf.int32))  # builds the table
    compute, full = table.compute_dtype, table.variable_dtype
    summed = tf.cast(counts, compute) @ tf.cast(table.embeddings, compute)  # (batch, dim)
    count = tf.reduce_sum(tf.cast(counts, full), axis=1, keepdims=True)
    return tf.cast(scale_sum(tf.cast(summed, full), count, pooling), compute)


def scale_sum(summed: tf.Tensor, count: tf.Tensor, pooling: str) -> tf.Tensor:
    """Turns sums, `(batch, dim)`, of `count` vectors each, `(batch, 1)`, into the pooling."""
    if pooling == "sum":
        return summed
    count = tf.maximum(count, 1)
    return summed / (count if pooling == "mean" else tf.sqrt(count))
