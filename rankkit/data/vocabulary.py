"""Vocabularies of ids, from columns, data sets or files."""

import sys
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rankkit.core.vocabulary import distinct_ids
from rankkit.data.columns import as_columns, select_names
from rankkit.utils.errors import as_names, check_boolean, check_integer, check_mapping


def vocabulary(column: Any, *, min_count: int = 1) -> list[str] | list[int]:
    """Computes the sorted distinct ids of a column, for an embedding layer.

    For a column of lists, such as the genres of each movie, these are the distinct members.

    Args:
        column: An array, list or pandas Series of strings, UTF-8 bytes or integers.
        min_count: Ids that occur fewer times are left out; `rankkit.layers.IdEmbedding` then
            treats them as out-of-vocabulary ids. Defaults to `1`.

    Returns:
        The ids, as a list of `str` or of `int`.

    Raises:
        ValueError: If there are no ids, none occurs often enough, or an id contains a newline, a
            NUL or invalid UTF-8.
        TypeError: If a value is missing or neither text nor an integer, or both are mixed.

    Example:
        >>> import rankkit as rk
        >>> rk.data.vocabulary(["u2", "u1", "u2"])
        ['u1', 'u2']
        >>> rk.data.vocabulary([["Drama"], ["Comedy", "Drama"]])
        ['Comedy', 'Drama']
        >>> rk.data.vocabulary(["u2", "u1", "u2"], min_count=2)
        ['u2']
    """
    return distinct_ids(column, min_count, lists=True)


def vocabularies(
    rows: Any, columns: Iterable[str], *, min_count: int = 1, verbose: bool | None = None
) -> dict[str, list[str] | list[int]]:
    """Computes the vocabularies of several columns, each as `rankkit.data.vocabulary` does.

    Use it for data sets and files: all columns are counted in one pass over the rows, and the
    memory grows with the number of distinct ids only. For a data set from
    `rankkit.data.read_parquet` or `rankkit.data.read_csv`, only these columns are read, directly
    from the files. This takes a fraction of the time of making batches, and does not advance the
    shuffle order. For a shard, all rows of the files are counted, since workers need equal
    vocabularies.

    Args:
        rows: A `tf.data.Dataset` of dicts, batched or not, or a dict of arrays or lists, or a
            pandas DataFrame.
        columns: Names of the id columns.
        min_count: Ids that occur fewer times are left out; `rankkit.layers.IdEmbedding` then
            treats them as out-of-vocabulary ids. Defaults to `1`.
        verbose: Whether to show a progress bar. Defaults to `None`: if the output is a terminal.

    Returns:
        A dict from column to its ids, a list of `str` or of `int`.

    Raises:
        ValueError: If a column is unknown, has no ids or none that occurs often enough, or an id
            contains a newline, a NUL or invalid UTF-8.
        TypeError: If the rows have no columns, or a column is neither text nor integers.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["u2", "u1", "u2"], "item_id": [7, 9, 9]}
        >>> batches = rk.data.batches(rows, 2)
        >>> rk.data.vocabularies(batches, ["user_id", "item_id"], min_count=2)
        {'user_id': ['u2'], 'item_id': [9]}
    """
    check_integer("min_count", min_count)
    columns = as_names("columns", columns)
    if verbose is not None:
        check_boolean("verbose", verbose, "True, False or None")
    if not isinstance(rows, tf.data.Dataset):
        in_memory = as_columns(rows, columns, allows_data_sets=True)
        return {
            name: distinct_ids(column, min_count, name=f"column {name!r}", lists=True)
            for name, column in in_memory.items()
        }
    spec = check_mapping("rows", rows.element_spec, "a data set of dicts", "Map them to dicts.")
    names = select_names(columns, list(spec))
    # Imported here because importing pyarrow takes time.
    from rankkit.data.counting import IdCounts, open_columns

    types, chunks, num_rows = open_columns(rows, names)
    counts = {name: IdCounts(name, types[name]) for name in names}
    shown = sys.stdout.isatty() if verbose is None else verbose
    progress = tf.keras.utils.Progbar(num_rows, verbose=int(shown), unit_name="row")
    num_seen = 0
    for chunk_rows, chunk in chunks:
        for name, column in chunk.items():
            counts[name].add(column)
        num_seen += chunk_rows
        progress.update(num_seen, finalize=False)
    progress.update(num_seen, finalize=True)
    return {name: counted.vocabulary(min_count) for name, counted in counts.items()}
