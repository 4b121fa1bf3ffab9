"""Vocabularies of ids, from columns, data sets or files."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.vocabulary import distinct_ids
from rankkit.data.columns import as_columns, selected
from rankkit.utils.errors import check_integer, wrong_type


def vocabulary(column: Any, *, min_count: int = 1) -> list[str] | list[int]:
    """The distinct ids of a column, sorted, as plain Python values for an embedding layer.

    A column whose cells are lists, such as the genres of each row, gives the distinct members of
    those lists.

    Args:
        column: An array, list or pandas Series of strings, of UTF-8 bytes or of whole numbers.
        min_count: How often an id comes at least: rarer ones are left out, and share the rows for
            unknown ids of `rankkit.layers.IdEmbedding`. Defaults to `1`.

    Returns:
        The ids, as a list of `str` or of `int`.

    Raises:
        ValueError: If there is no id, or none comes so often, or an id holds a newline, a NUL or
            invalid UTF-8.
        TypeError: If a value is missing or neither text nor whole number, or both are mixed.

    Example:
        >>> import rankkit as rk
        >>> rk.data.vocabulary(["u2", "u1", "u2"])
        ['u1', 'u2']
        >>> rk.data.vocabulary([["Drama"], ["Comedy", "Drama"]])
        ['Comedy', 'Drama']
        >>> rk.data.vocabulary(["u2", "u1", "u2"], min_count=2)
        ['u2']
    """
    return distinct_ids(column, min_count)


def vocabularies(
    rows: Any, columns: Iterable[str], *, min_count: int = 1, verbose: bool | None = None
) -> dict[str, list[str] | list[int]]:
    """The distinct ids of columns, sorted, as `rankkit.data.vocabulary` gives those of one.

    All are counted in one pass. Memory follows how many different ids there are, not how many
    rows. What `rankkit.data.read_parquet` or `rankkit.data.read_csv` gave is counted as it lies in
    the files, these columns alone and in their order: it takes a fraction of the time that making
    batches takes, and no pass of the data set. Of a shard all rows are counted, since workers need
    the same vocabularies.

    Args:
        rows: A `tf.data.Dataset` of dicts, batches or single rows; or rows in memory, a dict of
            arrays or lists or a pandas DataFrame.
        columns: The columns of ids.
        min_count: How often an id comes at least: rarer ones are left out, and share the rows for
            unknown ids of `rankkit.layers.IdEmbedding`. Defaults to `1`.
        verbose: Whether a line tells how many rows are counted. Defaults to `None`: where the
            output is a terminal.

    Returns:
        Column to its ids, a list of `str` or of `int`.

    Raises:
        ValueError: If a column is not known, has no id or none so often, or an id holds a newline,
            a NUL or invalid UTF-8.
        TypeError: If the rows have no columns, or a column is neither text nor whole numbers.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["u2", "u1", "u2"], "item_id": [7, 9, 9]}
        >>> batches = rk.data.batches(rows, 2)
        >>> rk.data.vocabularies(batches, ["user_id", "item_id"], min_count=2)
        {'user_id': ['u2'], 'item_id': [9]}
    """
    check_integer("min_count", min_count)
    if not isinstance(rows, tf.data.Dataset):
        found = as_columns(rows, columns)
        return {name: vocabulary(column, min_count=min_count) for name, column in found.items()}
    if not isinstance(rows.element_spec, Mapping):
        raise wrong_type("rows", rows.element_spec, "a data set of dicts")
    names = selected(columns, list(rows.element_spec))
    # Importing Arrow takes a while, and few processes read files.
    from rankkit.data.counting import IdCounts, dataset_kinds, dataset_parts, file_parts
    from rankkit.data.readers.table_batches import source_of

    files = source_of(rows)
    kinds = dataset_kinds(rows) if files is None else files.kinds
    counts = {name: IdCounts(name, kinds[name]) for name in names}
    parts = dataset_parts(rows, names) if files is None else file_parts(files, names)
    shown = sys.stdout.isatty() if verbose is None else verbose
    num_rows = None if files is None else files.num_rows
    progress = tf.keras.utils.Progbar(num_rows, verbose=int(shown), unit_name="row")
    num_seen = 0
    for part in parts:
        for name, column in part.columns.items():
            counts[name].add(column)
        num_seen += part.num_rows
        progress.update(num_seen, finalize=False)
    progress.update(num_seen, finalize=True)
    return {name: counted.vocabulary(min_count) for name, counted in counts.items()}
