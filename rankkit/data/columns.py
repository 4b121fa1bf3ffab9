"""Rows in memory as columns: a dict of arrays, all of one length."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rankkit._columns import as_array
from rankkit._errors import invalid, unknown, wrong_type


def is_data_frame(rows: Any) -> bool:
    """Whether `rows` is a pandas DataFrame; pandas itself is not imported."""
    return type(rows).__module__.partition(".")[0] == "pandas" and hasattr(rows, "columns")


def as_columns(rows: Any, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The rows as a dict of arrays of one length.

    Args:
        rows: A dict of arrays or lists, or a pandas DataFrame.
        names: The columns to take, in this order. Defaults to `None`: all.

    Raises:
        TypeError: If `rows` is of another kind.
        ValueError: If there is no row or no column, a name is unknown or lengths differ.
    """
    if not is_data_frame(rows) and not isinstance(rows, Mapping):
        fix = 'Name the columns, as in {"user_id": [...], "item_id": [...]}.'
        raise wrong_type("rows", type(rows).__name__, "a dict of arrays or a DataFrame", fix)
    columns = {name: as_array(rows[name]) for name in selected(names, list(rows))}
    _check_lengths({name: _length(name, column) for name, column in columns.items()})
    return columns


def selected(names: Iterable[str] | None, known: list[str], kind: str = "column") -> list[str]:
    """The names asked for, each of them known; all that are known when none are asked for."""
    if isinstance(names, str):
        raise wrong_type("columns", names, "a list of names", f"Write columns=[{names!r}].")
    if names is not None and not isinstance(names, Iterable):
        raise wrong_type("columns", names, "a list of names")
    wanted = known if names is None else list(names)
    for name in wanted:
        if name not in known:
            raise unknown(kind, name, known)
    if not wanted:
        raise invalid("columns", wanted, "at least one name", "Name the columns to take.")
    return wanted


def _length(name: str, column: np.ndarray) -> int:
    if column.ndim == 0:
        fix = "Give one value a row, in an array or a list."
        raise wrong_type(f"rows[{name!r}]", column.item(), "an array", fix)
    return len(column)


def _check_lengths(lengths: dict[str, int]) -> None:
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
        raise ValueError(
            f"rows must be columns of one length. Got: {listed}. Give each column one value a row."
        )
    if not any(lengths.values()):
        raise invalid("rows", lengths, "at least one row", "Was everything filtered out?")
