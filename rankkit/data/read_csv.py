"""Batches that are read from CSV files, of more rows than memory holds."""

from collections.abc import Iterable, Mapping
from os import PathLike
from typing import Any

import tensorflow as tf

from rankkit.data.file_paths import file_paths
from rankkit.data.row_shard import checked_shard


def read_csv(
    paths: str | PathLike[str] | Iterable[str | PathLike[str]],
    columns: Iterable[str] | None = None,
    batch_size: int = 8192,
    *,
    types: Mapping[str, type] | None = None,
    names: Iterable[str] | None = None,
    delimiter: str = ",",
    shuffle: bool | int = False,
    seed: int | None = None,
    initial_epoch: int = 0,
    shard: tuple[int, int] | None = None,
    fill: Mapping[str, Any] | None = None,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    r"""Batches of the rows of CSV files, as `rankkit.data.read_parquet` gives those of Parquet.

    Shuffled files come in a new order at each pass, and their rows are mixed in a window. Parquet
    is faster to read, mixes rows that are farther apart and knows how many there are. Files whose
    names end in `.gz`, `.bz2` or `.zst` are decompressed.

    Args:
        paths: A file, a folder, a pattern such as `"ratings/*.csv"`, or a list of these.
        columns: The columns to read, the label among them. Defaults to `None`: all.
        batch_size: Rows a batch. Defaults to `8192`.
        types: Column to `str`, `int`, `float` or `bool`. Defaults to `None`: the first rows tell;
            say so for ids that look like numbers and are to be strings.
        names: The names of the columns. Defaults to `None`: the first line has them.
        delimiter: The character between two cells. Defaults to `","`.
        shuffle: Whether to shuffle. The window has 100,000 rows, or as many as a number says.
            Defaults to `False`.
        seed: Chooses the orders of the epochs. Defaults to `None`: one is drawn from Python's
            `random`.
        initial_epoch: The epoch that the first pass stands for. Defaults to `0`.
        shard: `(number, count)`: this part of so many equal parts of the rows, one for each worker,
            as of `read_parquet`. All files are read once ahead to count their rows, and then those
            that hold rows of the part: best are more files than workers. Defaults to `None`: all
            rows.
        fill: Column to what is put in place of nulls: of numbers, these are empty cells. Defaults
            to `None`: they are refused.
        drop_remainder: Whether to leave out a last batch that is not full. Defaults to `False`.

    Returns:
        The batches, whose number is not known. All shards have as many.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If a column is of a type that nothing can be made of.
        ValueError: If a file lacks a column, there is no row, the first rows cannot be read, or a
            number is out of its range. What only reading on can tell is an error of TensorFlow at
            that batch, with the line.

    Example:
        >>> import pathlib, tempfile
        >>> import rankkit as rk
        >>> file = pathlib.Path(tempfile.mkdtemp(), "ratings.csv")
        >>> _ = file.write_text("7,4.0\n42,2.5\n")
        >>> batches = rk.data.read_csv(file, names=["user_id", "rating"], types={"user_id": str})
        >>> [batch["user_id"].numpy().tolist() for batch in batches]
        [[b'7', b'42']]
    """
    # Importing Arrow takes a while, and few processes read files.
    from rankkit.data.csv_files import CsvFiles
    from rankkit.data.table_batches import table_batches

    files = CsvFiles(
        file_paths(paths), columns, types=types, names=names, delimiter=delimiter, fill=fill
    )
    return table_batches(
        files,
        batch_size,
        shuffle=shuffle,
        seed=seed,
        initial_epoch=initial_epoch,
        drop_remainder=drop_remainder,
        shard=None if shard is None else checked_shard(shard, files.count_rows()),
    )
