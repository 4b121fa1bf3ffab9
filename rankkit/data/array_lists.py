"""Lists of rows that are in memory."""

import numpy as np
import tensorflow as tf

from rankkit._errors import invalid
from rankkit._lists import MASK
from rankkit._rows_in_memory import RowsInMemory
from rankkit.data.array_batches import made_of_rows
from rankkit.data.encoded import encoded, numbered
from rankkit.data.list_table import filled, list_table, trimmed


def array_lists(
    columns: dict[str, np.ndarray],
    batch_size: int,
    list_size: int | None,
    *,
    query: str,
    longer: str,
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
        longer: What becomes of queries with more rows.
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
    if longer == "error" and most > size:
        name = f"rows of {query} {distinct[counts.argmax()]!r}"
        fix = "Make longer 'sample' or 'split' for some of its rows, or several lists."
        raise invalid(name, most, f"at most list_size={size}", fix)
    split = longer == "split"
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
