"""Rows grouped by query, as a `tf.data.Dataset` of lists that are filled up to one length."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid, unknown
from rankkit._lists import MASK
from rankkit.data.array_lists import array_lists
from rankkit.data.batches import check_number, drawn_seed
from rankkit.data.columns import as_columns
from rankkit.data.order import seeds_by_epoch
from rankkit.data.stream_batches import WINDOW, select_rows, window
from rankkit.data.stream_lists import stream_lists

LONGER = ("sample", "split", "error")


def lists(
    rows: Any,
    batch_size: int,
    *,
    query: str = "user_id",
    list_size: int | None = None,
    longer: str = "sample",
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
        longer: What becomes of queries with more rows: `"sample"` takes some of them, others at
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
    if longer not in LONGER:
        raise unknown("longer", longer, LONGER)
    drawn = drawn_seed(seed, initial_epoch, bool(shuffle))
    seeds = seeds_by_epoch(drawn, initial_epoch=initial_epoch) if shuffle else None
    settings: dict[str, Any] = {
        "query": query, "longer": longer, "trim": trim, "drop_remainder": drop_remainder,
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
