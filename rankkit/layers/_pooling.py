"""Pooling of the embeddings of a list: mean, sum or sqrtn."""

from typing import Any

import tensorflow as tf

from rankkit.utils.errors import unknown

_POOLINGS = ("mean", "sqrtn", "sum")
# Lists longer than this share of the table are pooled by one matrix product of their counts and
# the table, which then takes less time than copying an embedding for each member.
_LONG_LIST = 1 / 8


def check_pooling(pooling: str) -> None:
    """Raises if the pooling is unknown."""
    if pooling not in _POOLINGS:
        raise unknown("pooling", pooling, _POOLINGS)


def pool_lists(table: Any, indices: tf.Tensor, pooling: str) -> tf.Tensor:
    """Pools the rows of a Keras `Embedding` by lists of indices; -1 is padding."""
    is_member = indices >= 0  # (batch, members)
    if indices.shape[1] is not None and indices.shape[1] > _LONG_LIST * table.input_dim:
        return pool_counts(table, _count(indices, is_member, table), pooling)
    vectors = table(tf.maximum(indices, 0))  # (batch, members, dim)
    is_member = tf.cast(tf.expand_dims(is_member, -1), vectors.dtype)
    return scale_sum(tf.reduce_sum(vectors * is_member, 1), tf.reduce_sum(is_member, 1), pooling)


def _count(indices: tf.Tensor, is_member: tf.Tensor, table: Any) -> tf.Tensor:
    batch, length = tf.shape(indices)[0], tf.shape(indices)[1]
    examples = tf.repeat(tf.range(batch, dtype=indices.dtype), length)
    cells = tf.stack([examples, tf.reshape(tf.maximum(indices, 0), [-1])], axis=1)
    shape = tf.cast(tf.stack([batch, table.input_dim]), indices.dtype)
    ones = tf.cast(tf.reshape(is_member, [-1]), table.compute_dtype)
    return tf.scatter_nd(cells, ones, shape)  # (batch, rows of the table)


def pool_counts(table: Any, counts: tf.Tensor, pooling: str) -> tf.Tensor:
    """Pools the rows of a Keras `Embedding` by their counts, `(batch, rows of the table)`."""
    table(tf.zeros((0,), tf.int32))  # builds the table
    counts = tf.cast(counts, table.compute_dtype)
    summed = counts @ tf.cast(table.embeddings, counts.dtype)  # (batch, dim)
    return scale_sum(summed, tf.reduce_sum(counts, axis=1, keepdims=True), pooling)


def scale_sum(summed: tf.Tensor, count: tf.Tensor, pooling: str) -> tf.Tensor:
    """Turns sums, `(batch, dim)`, of `count` vectors each, `(batch, 1)`, into the pooling."""
    if pooling == "sum":
        return summed
    count = tf.maximum(count, 1)
    return summed / (count if pooling == "mean" else tf.sqrt(count))
