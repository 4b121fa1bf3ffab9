"""`collect`: the rows of batches, in memory."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import decode
from rankkit.core.columns import as_cells
from rankkit.utils.errors import check_mapping, invalid, wrong_type


def collect(batches: Iterable[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Reads all batches into memory, for the functions that take a dict of columns.

    Splits, negative sampling and evaluation need all rows of a file that fits in memory. For
    larger files, pass the data set itself to `fit`.

    Args:
        batches: A `tf.data.Dataset` of dicts of columns, such as of `rankkit.data.read_csv`, or any
            iterable of them.

    Returns:
        Column name to an array of all rows. Text becomes `str`, and lists stay lists, both as cells
        of an object array.

    Raises:
        TypeError: If a batch is not a dict of columns.
        ValueError: If there are no batches, their columns differ, or text is not valid UTF-8.

    Example:
        >>> import rankkit as rk
        >>> batches = rk.data.batches({"user_id": ["7", "42", "7"], "rating": [3, 5, 4]}, 2)
        >>> rk.data.collect(batches)["user_id"]
        array(['7', '42', '7'], dtype=object)
    """
    if isinstance(batches, str | bytes | Mapping) or not isinstance(batches, Iterable):
        raise wrong_type("batches", batches, "an iterable of dicts of columns")
    parts: dict[str, list[np.ndarray]] = {}
    for batch in batches:
        check_mapping("each of batches", batch, "a dict of columns")
        if parts and batch.keys() != parts.keys():
            raise invalid("columns of a batch", [*batch], f"{[*parts]}, as in the first")
        for name, column in batch.items():
            parts.setdefault(name, []).append(_as_array(name, column))
    if not parts:
        raise invalid("batches", batches, "at least one batch of rows")
    return {name: np.concatenate(cells) for name, cells in parts.items()}


def _as_array(name: str, column: Any) -> np.ndarray:
    """Returns numbers as an array, and text and lists as the cells of an object array."""
    if isinstance(column, tf.RaggedTensor):
        column = column.to_list()
    cells = as_cells(column, name)
    if isinstance(cells, np.ndarray):
        return cells
    return np.fromiter((_decoded(f"column {name!r}", each) for each in cells), object, len(cells))


def _decoded(where: str, cell: Any) -> Any:
    if isinstance(cell, list):
        return [_decoded(where, each) for each in cell]
    return decode(where, cell) if isinstance(cell, bytes) else cell
