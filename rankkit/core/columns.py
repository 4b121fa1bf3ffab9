"""Conversion of columns to arrays, lists and tensors."""

import datetime
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import NUMBER, as_array, decode, exact_numbers, is_utf8
from rankkit.core.features import as_feature, check_dense, check_shape, conform, list_error
from rankkit.core.precision import check_float32
from rankkit.core.timestamps import as_seconds, is_missing, is_time
from rankkit.utils.errors import invalid, wrong_type
from rankkit.utils.graph_errors import plain_errors

_PLAIN = {str, int, float}
_ARRAYS = tuple("biufmM")  # kinds of the dtypes of columns that stay arrays
_LISTS = {list, tuple}
_TIMES = (datetime.date, np.datetime64, np.timedelta64)


def is_column(value: Any) -> bool:
    """Whether a value is a collection: neither a string nor a single number."""
    if isinstance(value, (str, bytes)):
        return False
    is_arrow = hasattr(value, "to_pylist")
    return is_arrow or isinstance(value, Sequence) or len(getattr(value, "shape", ())) > 0


def as_list(column: Any, name: str = "value") -> list:
    """Converts a column to a list of `str` and Python numbers; times become seconds since 1970."""
    cells = as_cells(column, name)
    if isinstance(cells, np.ndarray):
        return _without_durations(name, as_seconds(name, cells)).tolist()
    return cells if _is_plain(cells) else [_as_python(cell, name) for cell in cells]


def as_cells(column: Any, name: str) -> list | np.ndarray:
    """Returns numbers and `datetime64` as an array, `(rows, ...)`, any other column as a list."""
    if type(column) not in (list, tuple):  # the checks take long
        check_dense(name, column)
        if tf.is_tensor(column):
            column = column.numpy()
    is_frame = hasattr(column, "iloc") and len(column.shape) == 2  # the cells are the names
    if hasattr(column, "to_pylist") or _kind(column) == "M" or is_frame:  # may be masked
        column = as_array(column)
    if _kind(column) in _ARRAYS:
        array = np.asanyarray(column)
        if type(array) is np.ndarray and array.ndim:  # nothing is masked
            return as_array(array)
    convert = getattr(column, "tolist", None) or getattr(column, "to_list", None)  # of polars
    values = convert() if convert else list(column)
    if _is_plain(values):
        return values
    return [cell if isinstance(cell, _TIMES) else _as_python(cell, name) for cell in values]


def _without_durations(name: str, array: np.ndarray) -> np.ndarray:
    """Raises for durations, which would become integers of their unit."""
    if array.dtype.kind == "m":
        fix = "Convert it, such as with / np.timedelta64(1, 's')."
        raise wrong_type(name, array[:3], "numbers, text or times", fix)
    return array


def _kind(column: Any) -> str:
    """Returns the kind of the NumPy dtype of a column, `""` if it has none."""
    dtype = getattr(column, "dtype", None)
    return dtype.kind if isinstance(dtype, np.dtype) else ""


def _is_plain(cells: list) -> bool:
    return _PLAIN.issuperset(map(type, cells))  # the usual case, which has to be fast


def take(column: list | np.ndarray, rows: range | np.ndarray) -> list | np.ndarray:
    """Selects rows of a column."""
    if isinstance(rows, range):
        return column[rows.start : rows.stop : rows.step]
    is_array = isinstance(column, np.ndarray)
    return column[rows] if is_array else list(map(column.__getitem__, rows.tolist()))


def _as_python(value: Any, name: str) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, bytes):
        return decode(name, value)
    if is_time(value):
        return as_seconds(name, np.array([value], object)).item()
    if hasattr(value, "numpy"):  # TensorFlow
        return _as_python(value.numpy(), name)
    if isinstance(value, np.timedelta64):
        _without_durations(name, np.array([value]))
    single = isinstance(value, np.generic) or getattr(value, "shape", None) == ()
    return value.item() if single else value


def as_text(name: str, ids: np.ndarray) -> np.ndarray:
    """Decodes ids given as bytes, such as those of a tensor, so that they equal text."""
    if not isinstance(ids[:1].tolist()[0], bytes):
        return ids
    where = f"column {name!r}"
    cells = (decode(where, each) if isinstance(each, bytes) else each for each in ids.tolist())
    return np.fromiter(cells, object, len(ids))


@plain_errors()
def to_tensor(name: str, values: list | np.ndarray, spec: tf.TensorSpec | None) -> tf.Tensor:
    """Converts the cells of a column, as from `as_cells`, to the tensor that a scorer expects."""
    if spec is not None and not len(values):
        return as_feature(name, [], spec)
    if spec is not None and spec.shape[1:] == (None,) and isinstance(values, list):
        for value in values:
            if not is_column(value):
                raise list_error(f"feature {name!r}", value)
    if spec is not None and spec.shape.rank == 2 and isinstance(values, list):
        values = _as_matrix(name, values, spec)
    is_text = spec is not None and spec.dtype == tf.string and spec.shape.rank == 2
    if is_text and isinstance(values, list) and _have_equal_lengths(values):
        return _constant(name, values, spec)  # such as the history of a query
    if isinstance(values, np.ndarray):
        return _numbers_to_tensor(name, as_seconds(f"feature {name!r}", values), spec)
    if spec is not None and spec.shape.rank == 2 and _are_columns(values):
        for length in set(map(len, values)):  # before they are padded to one length
            check_shape(name, (len(values), length), spec)
        if spec.dtype == tf.float32:
            members = list(chain.from_iterable(values))
            _check_range(name, exact_numbers(f"feature {name!r}", members))
        return as_feature(name, values, spec)
    if _are_columns(values) and spec is not None and set(map(len, values)) == {1}:
        values = list(chain.from_iterable(values))  # a matrix of one column
    values = as_list(values, f"feature {name!r}")
    if spec is not None:
        _check_kind(name, values, spec.dtype)
    return _constant(name, values, spec)


def _as_matrix(name: str, values: list, spec: tf.TensorSpec) -> list | np.ndarray:
    """Returns lists or arrays of equally many numbers as a matrix, others as lists."""
    if not all(type(cell) is np.ndarray and cell.dtype.kind in "biuf" for cell in values):
        if not _are_columns(values):
            return values
        members = list(chain.from_iterable(values))
        if not _LISTS.issuperset(map(type, values)) or not _is_plain(members):
            values = [as_list(cell, f"feature {name!r}") for cell in values]
            members = list(chain.from_iterable(values))
        _check_kind(name, members, spec.dtype)
    lengths = set(map(len, values))
    if spec.dtype == tf.string or len(lengths) != 1 or 0 in lengths:
        return values
    matrix = np.array(values)
    return matrix if matrix.dtype.kind in "biuf" else values


def _are_columns(values: list) -> bool:
    return _LISTS.issuperset(map(type, values)) or all(map(is_column, values))


def _have_equal_lengths(values: list) -> bool:
    return _are_columns(values) and len({*map(len, values)}) == 1


def _numbers_to_tensor(name: str, numbers: np.ndarray, spec: tf.TensorSpec | None) -> tf.Tensor:
    dtype = None if spec is None else spec.dtype
    _without_durations(f"feature {name!r}", numbers)
    if dtype == tf.string:
        _check_kind(name, numbers[:1].tolist(), tf.string)
    if dtype not in (None, tf.float32, tf.int64) or not len(numbers):
        return _constant(name, numbers.tolist(), spec)
    if dtype == tf.float32 or (spec is None and numbers.dtype.kind == "f"):
        _check_range(name, numbers)
        numbers = numbers.astype(np.float32, copy=False)
    elif spec is None and numbers.dtype.kind in "iu":  # as TensorFlow converts lists
        fits = tf.int32.min <= numbers.min(initial=0) <= numbers.max(initial=0) <= tf.int32.max
        numbers = numbers.astype(np.int32 if fits else numbers.dtype, copy=False)
    return tf.constant(numbers) if spec is None else as_feature(name, numbers, spec)


def _constant(name: str, values: list, spec: tf.TensorSpec | None) -> tf.Tensor:
    try:
        tensor = tf.constant(values, None if spec is None else spec.dtype)
    except (TypeError, ValueError):
        members = chain.from_iterable(values) if _are_columns(values) else values
        for value in members:
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
    if tensor.dtype == tf.float32:
        _check_range(name, exact_numbers(f"feature {name!r}", values))
    return tensor if spec is None else conform(name, tensor, spec)


def _check_range(name: str, numbers: np.ndarray) -> None:
    """Raises for numbers that float32 would round."""
    if numbers.dtype.kind in "iuf":
        check_float32(f"feature {name!r}", numbers)


def _check_kind(name: str, values: list, dtype: tf.DType) -> None:
    """Raises for a value of another type, and names one, a missing one first."""
    if dtype == tf.string:
        allowed, kind, expected = {str}, str, "str"
        fix = "Pass a string id, or an out-of-vocabulary id such as '' for an unknown user."
    elif dtype.is_integer:
        allowed, kind, expected = {int, bool}, (int, np.integer, np.bool_), "an integer"
        fix = "Pass an integer, such as an out-of-vocabulary id for an unknown user."
    else:
        allowed, kind, expected = {int, float, bool}, NUMBER, "a number"
        fix = "Pass a number, or NaN to a layer created with missing='learn'."
    if allowed.issuperset(map(type, values)):
        return
    wrong = [value for value in values if not isinstance(value, kind)]
    for value in sorted(wrong, key=lambda value: not is_missing(value)):
        if is_missing(value):
            raise TypeError(f"Feature {name!r} is missing ({value}). {fix}")
        raise wrong_type(f"feature {name!r}", value, expected, "Convert it first.")
