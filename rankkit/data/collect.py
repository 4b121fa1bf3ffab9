"""`collect`: the rows of batches, in memory."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rankkit.core.columns import as_cells
from rankkit.utils.errors import check_mapping, invalid


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
        ValueError: If there are no batches, or text is not valid UTF-8.

    Example:
        >>> import rankkit as rk
        >>> batches = rk.data.batches({"user_id": ["7", "42", "7"], "rating": [3, 5, 4]}, 2)
        >>> rk.data.collect(batches)["user_id"]
        array(['7', '42', '7'], dtype=object)
    """
    parts: dict[str, list[np.ndarray]] = {}
    for batch in batches:
        for name, column in check_mapping("each batch", batch, "a dict of columns").items():
            cells = as_cells(column, name)
            if not isinstance(cells, np.ndarray):
                cells = np.fromiter(cells, object, len(cells))
            parts.setdefault(name, []).append(cells)
    if not parts:
        raise invalid("batches", batches, "at least one batch of rows")
    return {name: np.concatenate(cells) for name, cells in parts.items()}
