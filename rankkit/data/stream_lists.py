"""Lists of the rows of a `tf.data.Dataset`, for rows that do not fit in memory."""

from typing import Any

import tensorflow as tf

from rankkit._lists import MASK
from rankkit.data.list_table import filled, list_table, trimmed
from rankkit.data.stream_batches import batch_rows


def stream_lists(
    rows: tf.data.Dataset,
    batch_size: int,
    list_size: int,
    window: int,
    *,
    query: str,
    longer: str,
) -> tf.data.Dataset:
    """Groups single rows into lists, a window of them at a time.

    Args:
        rows: Dicts of one row each.
        batch_size: Lists a batch.
        list_size: The most rows of a list.
        window: How many rows are grouped at a time.
        query: The column to group by.
        longer: What becomes of queries with more rows.
    """

    def tables(block: dict[str, Any]) -> tf.data.Dataset:
        queries, counts = tf.unique_with_counts(block[query])[1:]
        if longer == "error":
            message = f"A {query} must have at most list_size={list_size} rows. Got: more, as many:"
            fits = tf.debugging.Assert(
                tf.reduce_max(counts) <= list_size, [message, tf.reduce_max(counts)]
            )
            with tf.control_dependencies([fits]):
                queries = tf.identity(queries)
        table = list_table(queries, list_size, split=longer == "split", seed=None)
        return (
            tf.data.Dataset.from_tensor_slices(table)
            .batch(batch_size)
            .map(lambda part: _batch(block, part))
        )

    return (
        batch_rows(rows, window, drop_remainder=False).flat_map(tables).prefetch(tf.data.AUTOTUNE)
    )


def _batch(block: dict[str, Any], table: tf.Tensor) -> dict[str, Any]:
    rows, mask = filled(trimmed(table))
    return {**{name: tf.gather(column, rows) for name, column in block.items()}, MASK: mask}
