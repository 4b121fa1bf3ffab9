"""Rows of cells as lines of text with straight columns."""

from collections.abc import Sequence


def text_table(rows: Sequence[Sequence[str]], *, num_names: int) -> str:
    """Lays cells out in columns: names to the left, numbers to the right.

    Args:
        rows: The cells of each row, the head among them; all rows of one length.
        num_names: How many columns, the first ones, hold names.

    Returns:
        One line a row.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if place < num_names else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
