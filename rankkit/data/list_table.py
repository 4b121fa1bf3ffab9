"""Which rows make up the lists of queries."""

import tensorflow as tf


def list_table(queries: tf.Tensor, size: int, *, split: bool, seed: tf.Tensor | None) -> tf.Tensor:
    """Shares rows out among lists, each of one query.

    Args:
        queries: Number of each row's query, from 0 and none left out, `(rows,)`.
        size: The most rows of a list.
        split: Whether a query of more rows has several lists, as equal as they can be. Otherwise
            it has one, of its first rows.
        seed: A pair that chooses the order of a query's rows and of the lists; `None` leaves both
            as they come.

    Returns:
        Numbers of rows, `(lists, size)`, -1 behind the end of a list.
    """
    order = tf.range(tf.size(queries, tf.int64))
    if seed is not None:
        order = tf.random.experimental.stateless_shuffle(order, seed)
    order = tf.gather(order, tf.argsort(tf.gather(queries, order), stable=True))
    queries = tf.cast(tf.gather(queries, order), tf.int64)
    counts = tf.math.bincount(tf.cast(queries, tf.int32), dtype=tf.int64)
    place = tf.range(tf.size(queries, tf.int64)) - tf.gather(_before(counts), queries)
    if split:
        parts = -(-counts // size)
        number = tf.gather(_before(parts), queries) + place % tf.gather(parts, queries)
        place //= tf.gather(parts, queries)
        num_lists = tf.reduce_sum(parts)
    else:
        first = place < size
        order, place, number = (tf.boolean_mask(each, first) for each in (order, place, queries))
        num_lists = tf.size(counts, tf.int64)
    empty = tf.fill([num_lists, size], tf.constant(-1, tf.int64))
    table = tf.tensor_scatter_nd_update(empty, tf.stack([number, place], axis=1), order)
    if seed is not None:
        table = tf.random.experimental.stateless_shuffle(table, seed)
    return table


def _before(counts: tf.Tensor) -> tf.Tensor:
    return tf.cumsum(counts, exclusive=True)


def filled(table: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Fills lists up with their first row.

    Args:
        table: From `list_table`, or some of its rows.

    Returns:
        Numbers of rows, and which are no filling, each of the table's shape.
    """
    mask = table >= 0
    return tf.where(mask, table, table[:, :1]), mask


def trimmed(table: tf.Tensor) -> tf.Tensor:
    """Cuts lists off behind the longest of them.

    Args:
        table: From `list_table`, or some of its rows.
    """
    return table[:, : tf.reduce_max(tf.reduce_sum(tf.cast(table >= 0, tf.int32), axis=1))]
