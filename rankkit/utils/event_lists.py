"""Columns of lists that describe the same events of histories."""

from collections.abc import Iterable, Mapping

import numpy as np


def misaligned(groups: Iterable[Iterable[str]], columns: Mapping[str, np.ndarray]) -> str | None:
    """Returns an error for a group of columns that do not have values for the same events.

    Columns are padded lists, `(rows, length)`, of numbers or bytes; others are aligned.
    """
    for names in groups:
        arrays = [columns[name] for name in names]
        masks = [each != (b"" if each.dtype.kind in "OS" else -1) for each in arrays]
        if not all(np.array_equal(mask, masks[0]) for mask in masks):
            shown = ", ".join(map(repr, names))
            return (
                f"The columns {shown} must have one value for each item of the history, and no "
                "more. Got: lists of another length, or values that are padding, '' or -1. Build "
                "the columns with rankkit.data.InteractionLog."
            )
    return None
