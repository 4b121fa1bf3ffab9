"""Missing cells, and dates and times as seconds since 1970."""

import datetime
from typing import Any

import numpy as np


def is_missing(value: Any) -> bool:
    """Whether a cell is missing: None, NaN, NaT, or the missing value of pandas."""
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    if isinstance(value, np.datetime64):
        return bool(np.isnat(value))
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def is_time(cell: Any) -> bool:
    """Whether a cell is a date or a time."""
    return isinstance(cell, datetime.date | np.datetime64) and not is_missing(cell)


def as_times(array: np.ndarray) -> np.ndarray:
    """Converts an object array of dates or times to `datetime64` in UTC; returns others as is."""
    if array.dtype.kind != "O":
        return array
    cells = array.tolist()
    if not is_time(next((cell for cell in cells if not is_missing(cell)), None)):
        return array
    if not all(is_time(cell) or is_missing(cell) for cell in cells):
        return array
    return np.array([_as_datetime64(cell) for cell in cells], "datetime64")


def _as_datetime64(cell: Any) -> np.datetime64:
    if is_missing(cell):
        return np.datetime64("NaT")
    if hasattr(cell, "to_datetime64"):  # of pandas, in UTC
        return cell.to_datetime64()
    if isinstance(cell, datetime.datetime) and cell.tzinfo is not None:
        cell = cell.astimezone(datetime.UTC).replace(tzinfo=None)
    return np.datetime64(cell)


def as_seconds(name: str, array: np.ndarray) -> np.ndarray:
    """Converts dates and times to whole seconds since 1970 UTC, `int64`; returns others as is.

    Raises if a time is missing.
    """
    times = as_times(array)
    if times.dtype.kind != "M":
        return array
    check_no_missing(name, times)
    return times.astype("datetime64[s]").astype(np.int64)


def check_no_missing(name: str, times: np.ndarray) -> None:
    """Raises if a timestamp is missing or infinite."""
    if times.dtype.kind == "O":
        is_absent = np.fromiter(map(is_missing, times.flat), bool, times.size)
    elif times.dtype.kind in "fM":
        is_absent = ~np.isfinite(times)
    else:
        return
    if count := int(is_absent.sum()):
        raise ValueError(
            f"{name} must have a finite timestamp in every row. Got: {count} of {times.size} rows "
            "with a missing or infinite one. Drop those rows, or fill in a timestamp."
        )
