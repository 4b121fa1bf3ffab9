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
    trim: bool,
    drop_remainder: bool,
    seeds: tf.data.Dataset | None,
) -> tf.data.Dataset:
    """Groups single rows into lists, a window of them at a time.

    Args:
        rows: Dicts of one row each.
        batch_size: Lists a batch.
        list_size: The most rows of a list.
        window: How many rows are grouped at a time.
        query: The column to group by.
        longer: What becomes of queries with more rows.
        trim: Whether a batch is cut off behind its longest list.
        drop_remainder: Whether to leave out a last batch of a window that is not full.
        seeds: A data set that yields one pair of seeds a pass; `None` keeps the rows in order.
    """

    def batches(number: tf.Tensor, block: dict[str, Any], pair: tf.Tensor) -> tf.data.Dataset:
        queries, counts = tf.unique_with_counts(block[query])[1:]
        if longer == "error":
            queries = _checked(queries, query, tf.reduce_max(counts), list_size)
        seed = None if seeds is None else pair + tf.stack([number, tf.zeros_like(number)])
        table = list_table(queries, list_size, split=longer == "split", seed=seed)
        tables = tf.data.Dataset.from_tensor_slices(table).batch(batch_size, drop_remainder)
        return tables.map(lambda part: _batch(block, trimmed(part) if trim else part))

    blocks = batch_rows(rows, window, drop_remainder=False).enumerate()
    passes = tf.data.Dataset.from_tensors([0, 0]) if seeds is None else seeds
    made = passes.flat_map(
        lambda pair: blocks.flat_map(lambda number, block: batches(number, block, pair))
    )
    return made.prefetch(tf.data.AUTOTUNE)


def _checked(queries: tf.Tensor, query: str, most: tf.Tensor, list_size: int) -> tf.Tensor:
    message = tf.strings.format(
        f"rows of a {query} must be at most list_size={list_size}. Got: {{}}. Make longer 'sample' "
        "or 'split' for some of its rows, or several lists.",
        most,
    )
    fits = tf.debugging.Assert(most <= list_size, [message])
    with tf.control_dependencies([fits]):
        return tf.identity(queries)


def _batch(block: dict[str, Any], table: tf.Tensor) -> dict[str, Any]:
    rows, mask = filled(table)
    return {**{name: tf.gather(column, rows) for name, column in block.items()}, MASK: mask}
