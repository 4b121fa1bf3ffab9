"""Log-probabilities of a softmax over all rows of a table, in parts that fit into the cache."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

_CHUNK = 256  # rows: with 12,000 items, logits of 12 MB


class Residual(NamedTuple):
    """Logits that are added to the products, `scale * of_rows(start, end)`.

    `of_rows` returns constants for the rows from `start` to `end`, `(rows, items)`.
    """

    scale: tf.Tensor
    of_rows: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def log_softmax_of(
    vectors: tf.Tensor,
    table: tf.Tensor,
    targets: tf.Tensor,
    weights: tf.Tensor,
    residual: Residual | None = None,
) -> tf.Tensor:
    """Computes the log-probability of one item for each row, of a softmax over all items.

    The logits of all rows at once would not fit into the cache, nor, for many rows, into memory.
    Gradients are computed with the values, a part of the rows at a time, as if the result were
    averaged with `weights`. A `tf.custom_gradient` would do the same, but TensorFlow keeps each
    graph that has one forever.

    Args:
        vectors: `(rows, dim)`.
        table: Vectors of the items, `(items, dim)`.
        targets: Index of the item of each row, `(rows,)`.
        weights: Weights of the rows, `(rows,)`, by which the results will be multiplied, up to a
            common factor.
        residual: Logits that are added. Defaults to `None`.

    Returns:
        The log-probabilities, `(rows,)` of `tf.float32`.
    """
    h, e = tf.stop_gradient(vectors), tf.stop_gradient(table)
    weights = tf.stop_gradient(weights)
    scale = None if residual is None else tf.stop_gradient(residual.scale)
    rows, dim, items = tf.shape(h)[0], h.shape[1], tf.shape(e)[0]
    parts = (rows + _CHUNK - 1) // _CHUNK

    def step(part: tf.Tensor, logs: tf.TensorArray, of_h: tf.TensorArray, of_e: tf.Tensor,
             of_scale: tf.Tensor) -> tuple:  # fmt: skip
        start, end = part * _CHUNK, tf.minimum((part + 1) * _CHUNK, rows)
        own, target, weight = h[start:end], targets[start:end], weights[start:end, tf.newaxis]
        logits = tf.matmul(own, e, transpose_b=True)
        more = None if residual is None else residual.of_rows(start, end)
        if more is not None:
            logits += scale * more
        # Not by the sparse softmax cross entropy of TensorFlow, which takes ten times as long.
        chances = tf.nn.softmax(logits)
        chosen = tf.gather(logits, target, batch_dims=1)
        log_sum = tf.reduce_max(logits, axis=1) - tf.math.log(tf.reduce_max(chances, axis=1))
        logs = logs.write(part, chosen - log_sum)
        of_h = of_h.write(part, tf.gather(e, target) - tf.matmul(chances, e))
        weighted = weight * own
        of_e += tf.math.unsorted_segment_sum(weighted, target, items)
        of_e -= tf.matmul(chances, weighted, transpose_a=True)
        if more is not None:
            expected = tf.reduce_sum(chances * more, axis=1)
            gained = tf.gather(more, target, batch_dims=1) - expected
            of_scale += tf.reduce_sum(weight[:, 0] * gained)
        return part + 1, logs, of_h, of_e, of_scale

    def array(shape: list) -> tf.TensorArray:
        return tf.TensorArray(tf.float32, parts, infer_shape=False, element_shape=shape)

    first = (0, array([None]), array([None, dim]), tf.zeros_like(e), tf.zeros(()))
    found = tf.while_loop(lambda part, *_: part < parts, step, first, parallel_iterations=1)
    _, logs, of_h, of_e, of_scale = found
    of_h, total = of_h.concat(), tf.reduce_sum(weights)
    # Terms that are 0, with the gradients computed above.
    own = tf.reduce_sum((vectors - h) * of_h, axis=1)
    shared = tf.reduce_sum((table - e) * of_e)
    if residual is not None:
        shared += (residual.scale - scale) * of_scale
    return tf.reshape(logs.concat(), [rows]) + own + tf.math.divide_no_nan(shared, total)


def log_sampled_softmax_of(
    vectors: tf.Tensor, table: tf.Tensor, targets: tf.Tensor, num_negatives: int, seed: tf.Tensor
) -> tf.Tensor:
    """As `log_softmax_of`, with a sample of all items, the same for all rows, as negatives.

    The sample is uniform with replacement, and its logits are corrected for the probability of an
    item to be in it; where it hits the item of a row, that one is left out.
    """
    items = tf.shape(table)[0]
    sampled = tf.random.stateless_uniform([num_negatives], seed, 0, items, tf.int32)
    logits = tf.matmul(vectors, tf.gather(table, sampled), transpose_b=True)
    logits += tf.math.log(tf.cast(items, tf.float32) / num_negatives)
    is_target = sampled == tf.cast(targets, tf.int32)[:, tf.newaxis]
    logits = tf.where(is_target, logits.dtype.min, logits)
    chosen = tf.reduce_sum(vectors * tf.gather(table, targets), axis=1)
    joined = tf.concat([chosen[:, tf.newaxis], logits], axis=1)
    return chosen - tf.reduce_logsumexp(joined, axis=1)
