"""Log-probabilities of a softmax over all rows of a table, in parts that fit into the cache."""

import tensorflow as tf

_CHUNK = 256  # rows: with 12,000 items, logits of 12 MB


def log_softmax_of(
    vectors: tf.Tensor,
    table: tf.Tensor,
    targets: tf.Tensor,
    shares: tf.Tensor,
    weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Computes the mean log-probability of items for each row, of a softmax over all items.

    The logits of all rows at once would not fit into the cache, nor, for many rows, into memory.
    Gradients are computed with the values, a part of the rows at a time. That of the table is exact
    for a loss that is a sum of the results times `weights`, up to a factor: it is one number for
    all rows. A `tf.custom_gradient` would do the same, but TensorFlow keeps each graph that has one
    forever.

    Args:
        vectors: `(rows, dim)`.
        table: Vectors of the items, `(items, dim)`.
        targets: Indices of items for each row, `(rows, targets)`.
        shares: Weights of the targets of a row, of sum 1, `(rows, targets)`.
        weights: Weights of the rows in the loss, `(rows,)`. Defaults to `None`: equal ones.

    Returns:
        The weighted mean log-probabilities, `(rows,)` of `tf.float32`.
    """
    h, e = tf.stop_gradient(vectors), tf.stop_gradient(table)
    rows, items, dim = tf.shape(h)[0], tf.shape(e)[0], h.shape[1]
    in_loss = tf.ones([rows]) if weights is None else tf.stop_gradient(weights)
    parts = tf.maximum((rows + _CHUNK - 1) // _CHUNK, 1)  # an array of none has no shape

    def step(part: tf.Tensor, logs: tf.TensorArray, of_h: tf.TensorArray, of_e: tf.Tensor) -> tuple:
        some = slice(part * _CHUNK, tf.minimum((part + 1) * _CHUNK, rows))
        own, target, share = h[some], targets[some], shares[some]
        logits = tf.matmul(own, e, transpose_b=True)
        # Not by the sparse softmax cross entropy of TensorFlow, which takes ten times as long.
        chances = tf.nn.softmax(logits)
        log_sum = tf.reduce_max(logits, axis=1) - tf.math.log(tf.reduce_max(chances, axis=1))
        chosen = tf.reduce_sum(share * tf.gather(logits, target, batch_dims=1), axis=1)
        logs = logs.write(part, chosen - log_sum)
        share = share[:, :, tf.newaxis]
        of_h = of_h.write(
            part, tf.reduce_sum(share * tf.gather(e, target), axis=1) - tf.matmul(chances, e)
        )
        own *= in_loss[some][:, tf.newaxis]
        shared = tf.reshape(share * own[:, tf.newaxis], [-1, dim])
        of_e += tf.math.unsorted_segment_sum(shared, tf.reshape(target, [-1]), items)
        return part + 1, logs, of_h, of_e - tf.matmul(chances, own, transpose_a=True)

    def array(shape: list) -> tf.TensorArray:
        return tf.TensorArray(tf.float32, parts, infer_shape=False, element_shape=shape)

    first = (0, array([None]), array([None, dim]), tf.zeros_like(e))
    found = tf.while_loop(lambda part, *_: part < parts, step, first, parallel_iterations=1)
    logs, of_h = tf.reshape(found[1].concat(), [rows]), found[2].concat()
    # Terms that are 0, with the gradients computed above.
    own = tf.reduce_sum((vectors - h) * of_h, axis=1)
    shared = tf.reduce_sum((table - e) * found[3])
    return logs + own + tf.math.divide_no_nan(shared, tf.reduce_sum(in_loss))


def log_sampled_softmax_of(
    vectors: tf.Tensor,
    table: tf.Tensor,
    targets: tf.Tensor,
    shares: tf.Tensor,
    num_negatives: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """As `log_softmax_of`, with a sample of all items, the same for all rows, as negatives.

    The sample is uniform with replacement, and its logits are corrected for the probability of an
    item to be in it; where it hits a target, the item counts once.
    """
    items = tf.shape(table, targets.dtype)[0]
    sampled = tf.random.stateless_uniform([num_negatives], seed, 0, items, targets.dtype)
    negative = tf.matmul(vectors, tf.gather(table, sampled), transpose_b=True)
    negative += tf.math.log(tf.cast(items, tf.float32) / num_negatives)
    positive = tf.einsum("rd,rtd->rt", vectors, tf.gather(table, targets))
    is_target = sampled == tf.expand_dims(targets, 2)  # (rows, targets, negatives)
    others = tf.where(is_target, negative.dtype.min, negative[:, tf.newaxis])
    joined = tf.concat([tf.expand_dims(positive, 2), others], axis=2)
    return tf.reduce_sum(shares * (positive - tf.reduce_logsumexp(joined, axis=2)), axis=1)
