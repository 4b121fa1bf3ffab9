"""Missing cells, and dates and times as seconds since 1970."""

import datetime
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import subject
from rankkit.utils.graph_errors import assert_in_graph
from rankkit.utils.seconds import SECONDS_LIMIT


def is_missing(value: Any) -> bool:
    """Whether a cell is missing: None, NaN, NaT, or the missing value of pandas."""
    if isinstance(value, float | np.floating):
        return bool(value != value)
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
    """Converts dates and times to whole seconds since 1970 UTC, `int64`; returns others as is."""
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
            f"{subject(name)} must have a finite timestamp in every row. Got: {count} of "
            f"{times.size} rows with a missing or infinite one. Drop those rows, or fill in a "
            "timestamp."
        )


def check_unit(name: str, timestamps: tf.Tensor, *, in_seconds: bool = True) -> tf.Tensor:
    """Returns timestamps after a check that they are in seconds, or else in a finer unit."""
    is_small = (timestamps > -SECONDS_LIMIT) & (timestamps < SECONDS_LIMIT)
    message = f"{name} must be in seconds since 1970, below 10^11 (the year 5138). Got: "
    fix = ". Divide milliseconds by 1000, and microseconds by 10^6."
    if not in_seconds:
        is_small = ~is_small
        message = f"{name} must be in the unit of the references, finer than seconds. Got: "
        fix = ". Convert one of them."
    wrong = tf.boolean_mask(timestamps, ~is_small)[:1]
    fits = assert_in_graph(tf.reduce_all(is_small), message, wrong, fix)
    with tf.control_dependencies([fits]):
        return tf.identity(timestamps)
