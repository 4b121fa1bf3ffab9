"""Batches that are read from Parquet files, of more rows than memory holds."""

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any

import tensorflow as tf

from rankkit.data.file_paths import file_paths
from rankkit.data.row_shard import checked_shard


def read_parquet(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    columns: Iterable[str] | None = None,
    batch_size: int = 8192,
    *,
    shuffle: bool | int = False,
    seed: int | None = None,
    initial_epoch: int = 0,
    shard: tuple[int, int] | None = None,
    fill: Mapping[str, Any] | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches of the rows of Parquet files, as `rankkit.data.batches` gives those in memory.

    A few row groups are in memory at a time, however many rows there are. Text becomes strings,
    whether Parquet keeps it as a dictionary or not; lists become ragged tensors; times become
    whole seconds since 1970-01-01 UTC; `double` becomes `float32`.

    Shuffled row groups come in a new order at each pass, and their rows are mixed in a window.
    With a `seed`, the order of each epoch is fixed, as in `rankkit.data.batches`.

    Args:
        paths: A file, a folder, a pattern such as `"ratings/*.parquet"`, or a list of these.
        columns: The columns to read, the label among them. Defaults to `None`: all.
        batch_size: Rows a batch. Defaults to `8192`.
        shuffle: Whether to shuffle. The window has 100,000 rows, or as many as a number says, and
            at least a row group. Defaults to `False`.
        seed: Chooses the orders of the epochs. Defaults to `None`: one is drawn from Python's
            `random`.
        initial_epoch: The epoch that the first pass stands for. Defaults to `0`.
        shard: `(number, count)`: this part of so many equal parts of the rows, one for each worker.
            Each row is in one of them, provided that all are given the same files and, where rows
            are shuffled, the same `seed`. Defaults to `None`: all rows.
        fill: Column to what is put in place of nulls. Defaults to `None`: they are refused.
        drop_remainder: Whether to leave out a last batch that is not full. Defaults to `False`.

    Returns:
        The batches, with their number known, but for a shard, of which Keras would take it for
        that of all workers together. All shards have as many.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If a column is of a type that nothing can be made of, or of several.
        ValueError: If a file is damaged, lacks a column or has nulls, there is no row, or a number
            is out of its range. What only reading can tell is an error of TensorFlow at that
            batch, with the same text.

    Example:
        >>> import tempfile
        >>> import pyarrow as pa
        >>> import pyarrow.parquet as pq
        >>> import rankkit as rk
        >>> file = tempfile.mkdtemp() + "/ratings.parquet"
        >>> rows = {"user_id": ["u1", "u2", "u3"], "user_rating": [4.0, 2.5, 5.0]}
        >>> pq.write_table(pa.table(rows), file)
        >>> batches = rk.data.read_parquet(file, ["user_id", "user_rating"], 2)
        >>> [batch["user_rating"].numpy().tolist() for batch in batches]
        [[4.0, 2.5], [5.0]]
    """
    # Importing Arrow takes a while, and few processes read files.
    from rankkit.data.parquet_files import ParquetFiles
    from rankkit.data.table_batches import table_batches

    files = ParquetFiles(file_paths(paths), columns, fill)
    return table_batches(
        files,
        batch_size,
        shuffle=shuffle,
        seed=seed,
        initial_epoch=initial_epoch,
        shard=None if shard is None else checked_shard(shard, files.num_rows),
        drop_remainder=drop_remainder,
    )
