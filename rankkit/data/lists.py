"""Lists of the examples of one query, padded to one length."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.in_memory import RowsInMemory
from rankkit.core.listwise import MASK
from rankkit.data.batches import (
    WINDOW,
    batch_rows,
    check_number,
    drawn_seed,
    made_of_rows,
    select_rows,
    window,
)
from rankkit.data.columns import as_columns, encoded, numbered
from rankkit.data.shuffle import seeds_by_epoch
from rankkit.utils.errors import invalid, unknown

OVERFLOW = ("sample", "split", "error")


def lists(
    rows: Any,
    batch_size: int,
    *,
    query: str = "user_id",
    list_size: int | None = None,
    overflow: str = "sample",
    shuffle: bool | int = False,
    seed: int | None = None,
    initial_epoch: int = 0,
    trim: bool = True,
    drop_remainder: bool = False,
    columns: Iterable[str] | None = None,
) -> tf.data.Dataset:
    """Batches of lists, each of the rows of one query, for a loss of `rankkit.losses` on lists.

    Every column becomes `(lists, items)`, cut off behind the longest list of the batch. `mask`
    tells which items there are; what fills a list up repeats its first row. With `shuffle` the
    lists, and the rows within each, come in a new order at each pass; with a `seed`, that of each
    epoch is fixed, as in `rankkit.data.batches`.

    A `tf.data.Dataset` is grouped, and shuffled, in windows: it is not held in memory whole, and a
    query whose rows lie in several windows has a list in each. Rows that come sorted by query give
    whole lists.

    Args:
        rows: A dict of arrays or lists, a pandas DataFrame, or a `tf.data.Dataset` of dicts, one
            row each.
        batch_size: Lists a batch.
        query: The column that rows are grouped by. Defaults to `"user_id"`.
        list_size: The most rows of a list, 2 or more. Defaults to `None`: that of the query with
            the most rows, of rows in memory alone.
        overflow: What becomes of queries with more rows: `"sample"` takes some of them, others at
            each pass where rows are shuffled, the first otherwise; `"split"` makes several lists
            as equal as they can be; `"error"` refuses them. Defaults to `"sample"`.
        shuffle: Whether to shuffle. A number is the size of a data set's windows, 100,000 rows
            otherwise. Defaults to `False`.
        seed: Chooses the orders of the epochs. Defaults to `None`: one is drawn from Python's
            `random`.
        initial_epoch: The epoch that the first pass stands for. Defaults to `0`.
        trim: Whether each batch is cut off behind its longest list. XLA compiles a step anew for
            each length: `False` gives all of them `list_size` places. Defaults to `True`.
        drop_remainder: Whether to leave out a last batch that is not full, of a data set that of
            each window. Defaults to `False`.
        columns: The columns to take. Defaults to `None`: all.

    Returns:
        The batches, with their number known where rows are in memory.

    Raises:
        TypeError: If the rows, or the values of a column, are of a kind that cannot be batched.
        ValueError: If there is no row, a column is not known or named `mask`, a number is out of
            its range, or a query has too many rows and that is refused.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["u1", "u2", "u1"], "user_rating": [4.0, 2.5, 5.0]}
        >>> [batch] = rk.data.lists(rows, 2)
        >>> batch["user_rating"].numpy().tolist(), batch["mask"].numpy().tolist()
        ([[4.0, 5.0], [2.5, 2.5]], [[True, True], [True, False]])
    """
    check_number("batch_size", batch_size, 1)
    if list_size is not None:
        check_number("list_size", list_size, 2)
    if overflow not in OVERFLOW:
        raise unknown("overflow", overflow, OVERFLOW)
    drawn = drawn_seed(seed, initial_epoch, bool(shuffle))
    seeds = seeds_by_epoch(drawn, initial_epoch=initial_epoch) if shuffle else None
    settings: dict[str, Any] = {
        "query": query, "overflow": overflow, "trim": trim, "drop_remainder": drop_remainder,
    }  # fmt: skip
    if isinstance(rows, tf.data.Dataset):
        if list_size is None:
            fix = "How long the longest will be is not known ahead."
            raise invalid("list_size", None, "a number where the rows are a data set", fix)
        single = select_rows(rows, columns, cache=False)
        check_columns(list(single.element_spec), query)
        size = window(single, WINDOW if isinstance(shuffle, bool) else shuffle)
        return stream_lists(single, batch_size, list_size, size, seeds=seeds, **settings)
    if not isinstance(shuffle, bool):
        fix = "Rows in memory are always shuffled whole."
        raise invalid("shuffle", shuffle, "True or False for rows in memory", fix)
    arrays = as_columns(rows, columns)
    check_columns(list(arrays), query)
    return array_lists(arrays, batch_size, list_size, seeds=seeds, **settings)


def check_columns(names: list[str], query: str) -> None:
    """Refuses columns without the query, or with one that the mask would replace.

    Raises:
        ValueError: If there is none of the query, or one of the mask's name.
    """
    if query not in names:
        raise unknown("query", query, names)
    if MASK in names:
        raise invalid("columns", names, f"none named {MASK!r}", "Rename that column.")


def array_lists(
    columns: dict[str, np.ndarray],
    batch_size: int,
    list_size: int | None,
    *,
    query: str,
    overflow: str,
    trim: bool,
    drop_remainder: bool,
    seeds: tf.data.Dataset | None,
) -> tf.data.Dataset:
    """Groups columns of arrays into lists, in another order at each pass if there are seeds.

    Args:
        columns: Arrays of one length.
        batch_size: Lists a batch.
        list_size: The most rows of a list; `None` for as many as a query has.
        query: The column to group by.
        overflow: What becomes of queries with more rows.
        trim: Whether a batch is cut off behind its longest list.
        drop_remainder: Whether to leave out a last batch that is not full.
        seeds: A data set that yields one pair of seeds a pass; `None` keeps the rows in order.

    Raises:
        ValueError: If a query has more rows, and that is refused.
    """
    numbers, distinct = numbered(columns[query].tolist())
    counts = np.bincount(numbers)
    most = int(counts.max())
    size = max(2, most) if list_size is None else list_size
    if overflow == "error" and most > size:
        name = f"rows of {query} {distinct[counts.argmax()]!r}"
        fix = "Make overflow 'sample' or 'split' for some of its rows, or several lists."
        raise invalid(name, most, f"at most list_size={size}", fix)
    split = overflow == "split"
    num_lists = int((-(-counts // size)).sum()) if split else len(counts)
    queries = tf.constant(numbers)
    read = {name: encoded(name, column) for name, column in columns.items()}
    count = num_lists - num_lists % batch_size if drop_remainder else num_lists

    def order(seed: tf.Tensor | None) -> tf.Tensor:
        return list_table(queries, size, split=split, seed=seed)[:count]

    def lay_out(table: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        rows, mask = filled(trimmed(table) if trim else table)
        return rows, {MASK: mask}

    rows = RowsInMemory(
        read,
        count,
        batch_size,
        batch_size * size,
        seeds,
        order,
        lay_out,
        of_one_shape=False,  # nor have the rows that there are
    )
    return made_of_rows(
        rows, lambda table: tf.data.Dataset.from_tensor_slices(table).batch(batch_size)
    )


def stream_lists(
    rows: tf.data.Dataset,
    batch_size: int,
    list_size: int,
    window: int,
    *,
    query: str,
    overflow: str,
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
        overflow: What becomes of queries with more rows.
        trim: Whether a batch is cut off behind its longest list.
        drop_remainder: Whether to leave out a last batch of a window that is not full.
        seeds: A data set that yields one pair of seeds a pass; `None` keeps the rows in order.
    """

    def batches(number: tf.Tensor, block: dict[str, Any], pair: tf.Tensor) -> tf.data.Dataset:
        queries, counts = tf.unique_with_counts(block[query])[1:]
        if overflow == "error":
            queries = _checked(queries, query, tf.reduce_max(counts), list_size)
        seed = None if seeds is None else pair + tf.stack([number, tf.zeros_like(number)])
        table = list_table(queries, list_size, split=overflow == "split", seed=seed)
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
        f"rows of a {query} must be at most list_size={list_size}. Got: {{}}. Make overflow "
        "'sample' or 'split' for some of its rows, or several lists.",
        most,
    )
    fits = tf.debugging.Assert(most <= list_size, [message])
    with tf.control_dependencies([fits]):
        return tf.identity(queries)


def _batch(block: dict[str, Any], table: tf.Tensor) -> dict[str, Any]:
    rows, mask = filled(table)
    return {**{name: tf.gather(column, rows) for name, column in block.items()}, MASK: mask}


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
