"""Batches of lists: the rows of a query, padded to a common length."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.in_memory import RowsInMemory
from rankkit.core.listwise import MASK
from rankkit.data.batches import (
    SHUFFLE_BUFFER,
    batch_in_memory,
    batch_rows,
    buffer_size,
    check_full_shuffle,
    resolve_seed,
    select_rows,
)
from rankkit.data.columns import (
    as_columns,
    check_column_names,
    check_keys,
    encode_column,
    factorize,
)
from rankkit.data.shuffle import seeds_by_epoch
from rankkit.utils.errors import check_boolean, check_choice, check_integer, invalid
from rankkit.utils.graph_errors import assert_in_graph

_OVERFLOW = ("sample", "split", "error")
_OVERFLOW_FIX = "Pass overflow='sample' or overflow='split', or a larger list_size."


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
    """Groups rows by query into batches of padded lists, for the listwise losses.

    Every column has the shape `(lists, items)`, as long as the longest list of the batch. The
    column `mask` is `False` for padding, which repeats the first row of the list. With `shuffle`,
    the lists and the rows within each list have a new order in every epoch; `seed` makes these
    orders reproducible, as in `rankkit.data.batches`.

    A `tf.data.Dataset` is grouped and shuffled one buffer at a time and never held in memory
    whole. A query whose rows are in several buffers has a list in each of them, so sort the rows
    by query to get whole lists.

    Args:
        rows: A dict of arrays or lists, a DataFrame or Arrow table, or a `tf.data.Dataset` of
            dicts with one row per element.
        batch_size: Lists per batch.
        query: The column to group by. Defaults to `"user_id"`.
        list_size: Maximum length of a list, at least 2. Required for a data set. Defaults to
            `None`: the largest number of rows of a query.
        overflow: What to do with queries of more than `list_size` rows. `"sample"` takes a random
            sample, a new one in each epoch, or the first rows without `shuffle`; `"split"` makes
            several lists of nearly equal length; `"error"` raises. Defaults to `"sample"`.
        shuffle: Whether to shuffle. An integer sets the size of a data set's buffers, which is
            100,000 rows otherwise. Defaults to `False`.
        seed: Seed of the shuffle orders. Defaults to `None`: a seed from Python's `random`.
        initial_epoch: Epoch to start from. Defaults to `0`.
        trim: Whether to trim each batch to its longest list. With `False`, all lists are padded to
            `list_size`, which saves XLA from compiling for each length. Defaults to `True`.
        drop_remainder: Whether to drop an incomplete last batch, that of each buffer if `rows` is
            a data set. Defaults to `False`.
        columns: Names of the columns to keep. Defaults to `None`: all.

    Returns:
        A data set of batches. Its cardinality is known for in-memory rows.

    Raises:
        TypeError: If `rows` or the values of a column have an unsupported type.
        ValueError: If there are no rows, a column is unknown or named `mask`, a number is out of
            range, or a query has too many rows and `overflow` is `"error"`.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["u1", "u2", "u1"], "user_rating": [4.0, 2.5, 5.0]}
        >>> [batch] = rk.data.lists(rows, 2)
        >>> batch["user_rating"].numpy().tolist(), batch["mask"].numpy().tolist()
        ([[4.0, 5.0], [2.5, 2.5]], [[True, True], [True, False]])
    """
    check_integer("batch_size", batch_size)
    if list_size is not None:
        check_integer("list_size", list_size, 2)
    check_choice("overflow", overflow, _OVERFLOW)
    trim = check_boolean("trim", trim)
    drop_remainder = check_boolean("drop_remainder", drop_remainder)
    is_stream = isinstance(rows, tf.data.Dataset)
    buffer = buffer_size(shuffle) if is_stream else check_full_shuffle(shuffle)
    seed = resolve_seed(seed, initial_epoch, bool(buffer))
    seeds = seeds_by_epoch(seed, initial_epoch=initial_epoch) if buffer else None
    grouping = _Grouping(query, batch_size, overflow, trim, drop_remainder, seeds)
    if isinstance(rows, tf.data.Dataset):
        if list_size is None:
            fix = "The length of the longest list is unknown until the data set is read."
            raise invalid("list_size", None, "a number if the rows are a data set", fix)
        single = select_rows(rows, columns, cache=False)
        check_column_names(single.element_spec, {"query": query}, [MASK], "lists")
        # Rows are grouped in a buffer, whether they are shuffled or not.
        return grouping.of_stream(single, list_size, buffer or SHUFFLE_BUFFER)
    arrays = as_columns(rows, columns, allows_data_sets=True)
    check_column_names(arrays, {"query": query}, [MASK], "lists")
    check_keys(arrays, query)
    return grouping.of_arrays(arrays, list_size)


@dataclasses.dataclass(frozen=True)
class _Grouping:
    """Arguments of `lists`; `seeds` yields a pair per epoch, or is `None` without shuffling."""

    query: str
    batch_size: int
    overflow: str
    trim: bool
    drop_remainder: bool
    seeds: tf.data.Dataset | None

    def of_arrays(self, columns: dict[str, np.ndarray], list_size: int | None) -> tf.data.Dataset:
        """Groups columns of equal length."""
        indices, distinct = factorize(columns[self.query].tolist())
        counts = np.bincount(indices)
        longest = int(counts.max())
        size = max(2, longest) if list_size is None else list_size
        if self.overflow == "error" and longest > size:
            got = f"Got: {longest} rows of {distinct[counts.argmax()]!r}. {_OVERFLOW_FIX}"
            raise ValueError(f"Each {self.query} must have at most list_size={size} rows. {got}")
        lists_of_query = -(-counts // size) if self.overflow == "split" else np.ones_like(counts)
        num_lists = int(lists_of_query.sum())
        count = num_lists - num_lists % self.batch_size if self.drop_remainder else num_lists
        queries = tf.constant(indices)
        rows = RowsInMemory(
            {name: encode_column(name, column) for name, column in columns.items()},
            count,
            self.batch_size,
            self.batch_size * size,
            self.seeds,
            lambda seed: self.make_table(queries, size, seed)[:count],
            self.pad,
            of_one_shape=False,  # the number of rows without padding differs
        )
        return batch_in_memory(
            rows, lambda table: tf.data.Dataset.from_tensor_slices(table).batch(self.batch_size)
        )

    def of_stream(self, rows: tf.data.Dataset, list_size: int, buffer: int) -> tf.data.Dataset:
        """Groups single rows, `buffer` of them at a time."""

        def group(index: tf.Tensor, block: dict[str, Any], pair: tf.Tensor) -> tf.data.Dataset:
            queries, counts = tf.unique_with_counts(block[self.query])[1:]
            if self.overflow == "error":
                longest = tf.reduce_max(counts)
                message = f"Each {self.query} must have at most list_size={list_size} rows. Got: "
                fits = assert_in_graph(longest <= list_size, message, longest, f". {_OVERFLOW_FIX}")
                with tf.control_dependencies([fits]):
                    queries = tf.identity(queries)
            seed = None if self.seeds is None else pair + tf.stack([index, tf.zeros_like(index)])
            tables = tf.data.Dataset.from_tensor_slices(self.make_table(queries, list_size, seed))
            return tables.batch(self.batch_size, self.drop_remainder).map(
                lambda table: make_batch(block, table)
            )

        def make_batch(block: dict[str, Any], table: tf.Tensor) -> dict[str, Any]:
            padded, mask = self.pad(table)
            return {**{name: tf.gather(column, padded) for name, column in block.items()}, **mask}

        blocks = batch_rows(rows, buffer, drop_remainder=False).enumerate()
        epochs = tf.data.Dataset.from_tensors([0, 0]) if self.seeds is None else self.seeds
        batched = epochs.flat_map(
            lambda pair: blocks.flat_map(lambda index, block: group(index, block, pair))
        )
        return batched.prefetch(tf.data.AUTOTUNE)

    def make_table(self, queries: tf.Tensor, size: int, seed: tf.Tensor | None) -> tf.Tensor:
        """Row indices of each list, `(lists, size)`, -1 for padding; without a seed in order.

        `queries` has the query of each row, numbered from 0 without gaps, `(rows,)`.
        """
        order = tf.range(tf.size(queries, tf.int64))
        if seed is not None:
            order = tf.random.experimental.stateless_shuffle(order, seed)
        order = tf.gather(order, tf.argsort(tf.gather(queries, order), stable=True))
        queries = tf.cast(tf.gather(queries, order), tf.int64)
        counts = tf.math.bincount(tf.cast(queries, tf.int32), dtype=tf.int64)
        start = tf.gather(tf.cumsum(counts, exclusive=True), queries)
        position = tf.range(tf.size(queries, tf.int64)) - start
        if self.overflow == "split":
            lists_of_query = -(-counts // size)
            num_splits = tf.gather(lists_of_query, queries)
            first_list = tf.gather(tf.cumsum(lists_of_query, exclusive=True), queries)
            index = first_list + position % num_splits
            position //= num_splits
            num_lists = tf.reduce_sum(lists_of_query)
        else:
            kept = position < size
            order, position, index = (tf.boolean_mask(x, kept) for x in (order, position, queries))
            num_lists = tf.size(counts, tf.int64)
        empty = tf.fill([num_lists, size], tf.constant(-1, tf.int64))
        table = tf.tensor_scatter_nd_update(empty, tf.stack([index, position], axis=1), order)
        if seed is not None:
            table = tf.random.experimental.stateless_shuffle(table, seed)
        return table

    def pad(self, table: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Pads lists of `make_table` with their first row; returns the rows and the mask."""
        mask = table >= 0
        if self.trim:
            longest = tf.reduce_max(tf.reduce_sum(tf.cast(mask, tf.int32), axis=1))
            table, mask = table[:, :longest], mask[:, :longest]
        return tf.where(mask, table, table[:, :1]), {MASK: mask}
