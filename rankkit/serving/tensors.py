"""Conversion of the JSON values of requests to NumPy arrays, and of results to JSON values."""

import base64
import json
import math
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from rankkit.serving.errors import RequestError
from rankkit.serving.runtime import Tensor
from rankkit.utils.errors import unknown

MAX_VALUES = 4_000_000  # of one column
_LARGEST_EXACT = {np.dtype(np.float32): 2**24, np.dtype(np.float64): 2**53}


def parse_json(body: bytes) -> dict[str, Any]:
    """Parses the body of a request; fields that are null count as absent.

    Raises:
        RequestError: If it is not a JSON object in UTF-8.
    """
    try:
        text = body.decode()
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
            object_pairs_hook=_without_duplicates,
        )
    except UnicodeDecodeError as error:
        raise RequestError(f"The body must be UTF-8. Got: {error.reason}.") from None
    except RecursionError:
        raise RequestError("The body must be a JSON object. Got: too many nested lists.") from None
    except ValueError as error:
        raise RequestError(f"The body must be a JSON object. Got: {error}.") from None
    if not isinstance(value, dict):
        raise RequestError(f"The body must be a JSON object. Got: {_name_of(value)}.")
    return without_nulls(value)


def without_nulls(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fields of an object that are not null."""
    return {name: value for name, value in fields.items() if value is not None}


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {max(names, key=names.count)!r} twice in an object")
    return fields


def _refuse_constant(name: str) -> None:
    raise ValueError(f"the number {name}, which is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]}, which is too large")
    return value


def check_fields(fields: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raises a `RequestError` if a request has a field that is not known."""
    for name in fields:
        if name not in known:
            raise RequestError(str(unknown("field", name, known)))


def to_array(name: str, values: Any, tensor: Tensor) -> np.ndarray:
    """Converts the values of a column, one per row, to an array of the type of an input.

    Lists of unequal length are padded: with `""` or -1, as rankkit's layers expect. A number that
    is `None` is missing, NaN.

    Raises:
        RequestError: If a value has another type or shape, is not finite, or would be rounded.
    """
    if not isinstance(values, list):
        raise RequestError(f"{name!r} must be a list with a value per row. Got: {show(values)}.")
    if len(tensor.shape) == 1:
        return _flat(name, values, tensor.dtype)
    if len(tensor.shape) != 2:
        raise RequestError(
            f"{name!r} has {len(tensor.shape)} axes, which JSON requests do not support."
        )
    for row in values:
        if not isinstance(row, list):
            text = f"{name!r} must be a list with a list per row. Got: {show(row)}.{tensor.hint}"
            raise RequestError(text)
    lengths = [len(row) for row in values]
    size = tensor.shape[1]
    if size is None:
        size = max(lengths, default=0)
        if size * len(values) > MAX_VALUES:
            raise RequestError(
                f"{name!r} may have at most {MAX_VALUES} values, after the lists are padded to one "
                f"length. Got: {len(values)} lists of up to {size}.",
                status=413,
            )
        padding = "" if tensor.dtype.kind == "O" else -1
        values = [row + [padding] * (size - len(row)) for row in values]
    elif set(lengths) - {size}:
        wrong = next(length for length in lengths if length != size)
        raise RequestError(f"{name!r} must have {size} values in each row. Got: {wrong}.")
    flat = _flat(name, [value for row in values for value in row], tensor.dtype)
    return flat.reshape(len(values), size)


def _flat(name: str, values: list, dtype: np.dtype) -> np.ndarray:
    """Converts single values to an array."""
    if dtype.kind == "O":
        try:
            texts = [value.encode() for value in values]
        except (AttributeError, UnicodeEncodeError):
            texts = [_to_bytes(name, value) for value in values]
        array = np.empty(len(texts), object)
        array[:] = texts
        return array
    allowed = {"b": (bool,), "i": (int,), "u": (int,), "f": (int, float)}[dtype.kind]
    if dtype.kind == "f" and None in values:
        values = [math.nan if value is None else value for value in values]
    for value in values:
        if type(value) not in allowed:
            expected = {bool: "true or false", int: "an integer"}.get(allowed[-1], "a number")
            raise RequestError(f"Each value of {name!r} must be {expected}. Got: {show(value)}.")
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype)
    except OverflowError:
        array = np.full(len(values), np.inf)
    if dtype.kind == "f":
        check_numbers(name, array)
        limit = _LARGEST_EXACT.get(dtype, 2**11)
        for value, held in zip(values, array.tolist(), strict=True):
            if abs(value) > limit and held != value:
                raise RequestError(
                    f"Each number of {name!r} beyond {limit} must be exact in {dtype}. Got: "
                    f"{value}."
                )
    elif array.dtype.kind == "f":
        wrong = next(
            value for value in values if not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
        )
        raise RequestError(f"Each value of {name!r} must fit into {dtype}. Got: {wrong}.")
    return array


def check_numbers(name: str, array: np.ndarray) -> None:
    """Raises a `RequestError` if numbers are infinite, or too large for their type."""
    if array.dtype.kind == "f" and np.isinf(array).any():
        raise RequestError(f"Each value of {name!r} must be finite and fit into {array.dtype}.")


def _to_bytes(name: str, value: Any) -> bytes:
    if isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except ValueError:  # or characters that are not ASCII
            raise RequestError(f"{name!r} has a value that is not base64: {show(value)}.") from None
    if not isinstance(value, str):
        fix = f' It is text: write "{value}".' if type(value) in (int, float) else ""
        raise RequestError(f"Each value of {name!r} must be a string. Got: {show(value)}.{fix}")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise RequestError(f"{name!r} has a string that is not Unicode: {value!r}.") from None


def to_json_values(array: np.ndarray) -> list:
    """Returns an array as nested lists of JSON values.

    Bytes that are not UTF-8 become an object `b64`, and numbers that are not finite `None`.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        values = array.astype(object)
        values[~np.isfinite(array)] = None
        return values.tolist()
    if array.dtype.kind != "O":
        return array.tolist()
    if array.ndim > 1:
        return [to_json_values(row) for row in array]
    return [_to_text(value) for value in array]


def to_cells(array: np.ndarray) -> list:
    """Returns a column as JSON values: lists without padding."""
    values = to_json_values(array)
    if array.ndim > 1 and array.dtype.kind in "Oiu":
        padding = "" if array.dtype.kind == "O" else -1
        for row in values:
            while row and row[-1] == padding:
                row.pop()
    return values


def _to_text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _name_of(value: Any) -> str:
    names = {list: "a list", dict: "an object", str: "a string", bool: "a boolean"}
    return "null" if value is None else names.get(type(value), "a number")


def show(value: Any) -> str:
    """Returns a value as an error shows it, shortened; lists and objects by their kind."""
    if isinstance(value, bool):
        return str(value).lower()
    is_single = isinstance(value, (str, int, float))
    return reprlib.repr(value) if is_single else _name_of(value)
