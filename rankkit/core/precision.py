"""Conversion of numbers to float32 and to 64-bit integers that never rounds an id or a time."""

from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import subject
from rankkit.utils.graph_errors import assert_in_graph

_EXACT = 2**24  # float32 holds all integers up to this one
_EXACT_IN_FLOAT64 = 2**53
_NARROW = (tf.bool, tf.int8, tf.uint8, tf.int16, tf.uint16)  # and floats of at most 32 bits
_FIX = (
    "Keep ids and timestamps as integers, such as with .astype('int64') and a layer that reads "
    "integers. Scale other numbers, or round them to float32 yourself."
)


def is_rounded(numbers: np.ndarray) -> np.ndarray:
    """Whether each number is beyond 2^24, and float32 or already float64 may have rounded it."""
    within = numbers.dtype.kind in "iuf" and numbers.min(initial=0) > 1 - _EXACT
    if within and numbers.max(initial=0) < _EXACT - 1:  # the usual case, which has to be fast
        return np.zeros(numbers.shape, bool)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = numbers.astype(np.float32)
        rounded = (narrow.astype(numbers.dtype) != numbers) & (np.abs(narrow) >= _EXACT)
    if numbers.dtype == np.float64:
        rounded |= (np.abs(numbers) >= _EXACT_IN_FLOAT64) & np.isfinite(numbers)
    return rounded


def check_float32(name: str, numbers: np.ndarray, fix: str = _FIX) -> None:
    """Raises if float32 would round a number beyond 2^24."""
    if np.can_cast(numbers.dtype, np.float32):
        return
    rounded = numbers[is_rounded(numbers)]
    if len(rounded):
        raise ValueError(f"{_must(name)} Got: {rounded[0].item()!r}. {fix}")


def to_float32(name: str, values: tf.Tensor) -> tf.Tensor:
    """Casts numbers to float32; the graph raises if that rounds a number beyond 2^24."""
    narrow = tf.cast(values, tf.float32)
    if values.dtype in _NARROW or (values.dtype.is_floating and values.dtype.size <= 4):
        return narrow
    rounded = (tf.cast(narrow, values.dtype) != values) & (tf.abs(narrow) >= _EXACT)
    if values.dtype == tf.float64:
        rounded |= (tf.abs(values) >= _EXACT_IN_FLOAT64) & tf.math.is_finite(values)
    return _checked(narrow, ~rounded, f"{_must(name)} {_FIX}")


def to_int64(name: str, values: tf.Tensor) -> tf.Tensor:
    """Casts integers or booleans to `int64`; the graph raises for integers of 2^63 and more."""
    cast = tf.cast(values, tf.int64)
    if values.dtype != tf.uint64:
        return cast
    message = f"{name} must have integers below 2^63. Cast larger ids to str."
    return _checked(cast, cast >= 0, message)


def _checked(values: tf.Tensor, holds: tf.Tensor, message: str) -> Any:
    with tf.control_dependencies([assert_in_graph(tf.reduce_all(holds), message)]):
        return tf.identity(values)


def _must(name: str) -> str:
    return f"{subject(name)} must not have numbers beyond 2^24 (16,777,216) that float32 rounds."
