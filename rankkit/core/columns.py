"""Conversion of columns to arrays, lists and tensors."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.features import as_feature
from rankkit.core.precision import check_float32
from rankkit.core.timestamps import as_seconds, is_missing, is_time
from rankkit.utils.errors import invalid, wrong_type

NUMBER = (bool, int, float, np.number, np.bool_)


def as_array(column: Any) -> np.ndarray:
    """Converts a column to an array; strings and lists become cells of an object array."""
    if hasattr(column, "to_numpy"):  # pandas or pyarrow
        return _to_numpy(column)
    if hasattr(column, "numpy"):  # TensorFlow
        return np.asarray(column.numpy())
    if not isinstance(column, list | tuple):
        return np.asarray(column)
    # NumPy would convert [1, "a"] to strings, and lists of equal length to a matrix.
    if all(isinstance(cell, NUMBER) for cell in column):
        return as_numbers(column)
    return np.fromiter(column, object, len(column))


def _to_numpy(column: Any) -> np.ndarray:
    """Converts a column of pandas or pyarrow; times with a time zone become UTC."""
    if hasattr(column, "to_pylist"):
        column = column.combine_chunks() if hasattr(column, "combine_chunks") else column
        return column.to_numpy(zero_copy_only=False)
    dtype = getattr(column, "dtype", None)
    if getattr(dtype, "kind", None) == "M" and not isinstance(dtype, np.dtype):
        return column.to_numpy(f"datetime64[{getattr(dtype, 'unit', 'us')}]")
    return column.to_numpy()


def as_numbers(cells: Iterable[Any]) -> np.ndarray:
    """Converts Python numbers to an array; integers beyond 64 bits stay objects."""
    array = np.array(cells)
    if array.dtype.kind == "f" and all(isinstance(cell, int) for cell in cells) and array.size:
        return np.array(cells, object)
    return array


_PLAIN = {str, int, float}


def is_column(value: Any) -> bool:
    """Whether a value is a collection: neither a string nor a single number."""
    if isinstance(value, (str, bytes)):
        return False
    return isinstance(value, Sequence) or len(getattr(value, "shape", ())) > 0


def as_list(column: Any, name: str = "value") -> list:
    """Converts a column, or any collection `name`, to a list of `str` and Python numbers.

    Dates and times become seconds since 1970.
    """
    if tf.is_tensor(column):
        column = column.numpy()
    if hasattr(column, "to_pylist") or getattr(getattr(column, "dtype", None), "kind", "") == "M":
        column = as_seconds(name, as_array(column))
    values = column.tolist() if hasattr(column, "tolist") else list(column)
    if _PLAIN.issuperset(map(type, values)):  # the usual case, which has to be fast
        return values
    return [_as_python(value, name) for value in values]


def _as_python(value: Any, name: str) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, bytes):
        return decode(name, value)
    if is_time(value):
        return as_seconds(name, np.array([value], object)).item()
    if hasattr(value, "numpy"):  # TensorFlow
        return _as_python(value.numpy(), name)
    single = isinstance(value, np.generic) or getattr(value, "shape", None) == ()
    return value.item() if single else value


def decode(name: str, value: bytes) -> str:
    """Decodes a cell of the column `name`."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        fix = "Decode it with its own encoding first."
        raise invalid(name, value, "bytes of valid UTF-8", fix) from None


def to_tensor(name: str, values: list, spec: tf.TensorSpec | None) -> tf.Tensor:
    """Converts the values of a column to the tensor that a scorer expects."""
    if spec is not None and spec.shape.rank == 2 and all(map(is_column, values)):
        lists = [as_list(cell, f"feature {name!r}") for cell in values]
        members = list(chain.from_iterable(lists))
        _check_kind(name, members, text=spec.dtype == tf.string)
        _check_range(name, members, spec)
        return as_feature(name, lists, spec)
    if spec is not None:
        _check_kind(name, values, text=spec.dtype == tf.string)
        _check_range(name, values, spec)
    try:
        return tf.constant(values, None if spec is None else spec.dtype)
    except (TypeError, ValueError):
        for value in values:
            if isinstance(value, str) and not is_utf8(value):
                expected = "a string that can be encoded as UTF-8"
                raise invalid(f"feature {name!r}", value, expected) from None
        kinds = dict.fromkeys(type(value).__name__ for value in values)
        if len(kinds) > 1:
            raise ValueError(
                f"Column {name!r} mixes types: {', '.join(kinds)}. Convert it to one type."
            ) from None
        expected = "strings, or numbers of at most 64 bits"
        raise invalid(f"column {name!r}", values[:3], expected, "Convert it first.") from None


def is_utf8(text: str) -> bool:
    """Whether a string can be encoded as UTF-8."""
    return text.encode(errors="ignore").decode() == text


def _check_range(name: str, values: list, spec: tf.TensorSpec) -> None:
    """Raises for numbers that float32 would round, if the feature is of that dtype."""
    if spec.dtype == tf.float32 and (numbers := np.array(values)).dtype.kind in "iuf":
        check_float32(f"feature {name!r}", numbers)


def _check_kind(name: str, values: list, text: bool) -> None:
    if ({str} if text else {int, float}).issuperset(map(type, values)):
        return
    for value in values:
        if isinstance(value, str) == text and value is not None:
            continue
        if is_missing(value):
            fix = (
                "Pass a string id, or an out-of-vocabulary id such as '' for an unknown user."
                if text
                else "Pass a number, or NaN to a layer created with missing='learn'."
            )
            raise TypeError(f"Feature {name!r} is missing ({value}). {fix}")
        if text:
            raise wrong_type(f"feature {name!r}", value, "str", "Convert it to a string id.")
        raise wrong_type(f"feature {name!r}", value, "a number", "Convert it to a number.")
