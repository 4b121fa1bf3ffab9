"""Conversion of Arrow tables to arrays and tensors."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from rankkit.core.precision import check_float32
from rankkit.utils.errors import check_known, check_mapping, invalid, wrong_type

_RANGE_FIX = (
    "write the column as int64, or pass types={...: int} to read_csv. To accept rounded numbers, "
    "write it as float, or pass types={...: float}"
)
_TEXT = {pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()}


def output_type(name: str, source: pa.DataType) -> pa.DataType:
    """Type that a column is cast to: text to bytes, times to seconds, `double` to `float`.

    Lists of floats of a fixed size, such as the rows of a matrix, stay as they are.
    """
    types = pa.types
    if types.is_dictionary(source):
        return output_type(name, source.value_type)
    if types.is_fixed_size_list(source) and types.is_floating(source.value_type):
        return pa.list_(output_type(name, source.value_type), source.list_size)
    if _is_list(source) and not (_is_list(source.value_type) or _is_time(source.value_type)):
        return pa.large_list(output_type(name, source.value_type))
    if source in _TEXT:
        return pa.large_binary()
    if _is_time(source) or types.is_uint64(source):
        return pa.int64()
    if types.is_float64(source):
        return pa.float32()
    if types.is_integer(source) or types.is_floating(source) or types.is_boolean(source):
        return source
    raise TypeError(
        f"Column {name!r} has the type {source}, which is not supported. Cast it to numbers, "
        "booleans, text, times, or lists of numbers, booleans or text where the file is "
        "written, or select other columns."
    )


def _is_time(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def fill_scalars(
    fill: Mapping[str, Any] | None, known: list[str], types: Mapping[str, pa.DataType]
) -> dict[str, pa.Scalar]:
    """Values to replace nulls with, as scalars; columns that are not read are ignored."""
    fill = {} if fill is None else check_mapping("fill", fill, "a dict from column to value")
    check_known("column in fill", fill, known)
    scalars = {}
    for name, value in fill.items():
        if name not in types:
            continue
        is_boolean = isinstance(value, bool | np.bool_)  # Arrow would convert it to a number
        try:
            if value is None or (is_boolean and not pa.types.is_boolean(types[name])):
                raise TypeError
            scalars[name] = pa.scalar(value, types[name])
        except (pa.ArrowException, TypeError):
            expected = f"a value for a column of type {types[name]}"
            raise wrong_type(f"fill[{name!r}]", value, expected) from None
        if isinstance(value, float | np.floating) and math.isinf(value):
            fix = "Pass a number, or NaN for a layer that learns missing numbers."
            raise invalid(f"fill[{name!r}]", value, "finite or NaN", fix)
    return scalars


def cast_table(
    table: pa.Table,
    names: Iterable[str],
    types: Mapping[str, pa.DataType],
    fill: Mapping[str, pa.Scalar],
    where: str,
) -> pa.Table:
    """Casts columns to their output types and fills nulls; raises for nulls that are left."""
    columns = {name: _cast(name, table[name], types[name], fill.get(name), where) for name in names}
    if nulls := {name: each.null_count for name, each in columns.items() if each.null_count}:
        raise null_error(nulls, where)
    return pa.table(columns)


def _cast(
    name: str, column: pa.ChunkedArray, target: pa.DataType, fill: pa.Scalar | None, where: str
) -> pa.ChunkedArray:
    if _is_time(column.type):
        if pa.types.is_timestamp(column.type):  # the cast rounds towards 1970
            column = pc.call_function(
                "floor_temporal", [column], pc.RoundTemporalOptions(unit="second")
            )
        column = column.cast(pa.timestamp("s"), safe=False)
    _check_range(name, column, where)
    column = column.cast(target)
    if column.null_count and fill is not None:
        column = column.fill_null(fill)
    if _is_list(target) and (count := column.combine_chunks().flatten().null_count):
        raise ValueError(
            f"Lists of column {name!r} must not contain nulls. Got: {count} nulls in {where}. "
            "Remove them where the file is written."
        )
    return column


def _check_range(name: str, column: pa.ChunkedArray, where: str) -> None:
    """Raises for numbers that the output type of a column would round or wrap."""
    while _is_list(column.type):
        column = pa.chunked_array(
            [chunk.flatten() for chunk in column.chunks], column.type.value_type
        )
    if pa.types.is_float64(column.type):
        fix = f"{where} has it as double. Read ids and timestamps as integers: {_RANGE_FIX}."
        check_float32(f"Column {name!r}", column.to_numpy(), fix)
    is_unsigned = pa.types.is_uint64(column.type)
    if is_unsigned and (largest := pc.call_function("max", [column]).as_py() or 0) >= 2**63:
        raise ValueError(
            f"Column {name!r} must have integers below 2^63. Got: {largest} in {where}. Read or "
            "write the column as text."
        )


def null_error(nulls: Mapping[str, int], where: str) -> ValueError:
    """The error for columns with nulls, given the number of nulls in each."""
    names = ", ".join(map(repr, nulls))
    counts = ", ".join(f"{count} nulls in {name!r}" for name, count in nulls.items())
    values = ", ".join(f"{name!r}: ..." for name in nulls)
    return ValueError(
        f"Column{'s' if len(nulls) > 1 else ''} {names} must have a value in every row. Got: "
        f"{counts if len(nulls) > 1 else f'{sum(nulls.values())} nulls'} in {where}. Pass "
        f"fill={{{values}}} with a value to replace them, or drop those rows where the file is "
        "written."
    )


def tensor_specs(kind: pa.DataType) -> tuple[tf.TensorSpec, ...]:
    """Specs of the arrays that `to_arrays` returns for an output type."""
    if pa.types.is_large_list(kind):
        return (tf.TensorSpec([None], tf.int64), *tensor_specs(kind.value_type))
    if pa.types.is_fixed_size_list(kind):
        (spec,) = tensor_specs(kind.value_type)
        return (tf.TensorSpec([None, kind.list_size], spec.dtype),)
    is_text = pa.types.is_large_binary(kind)
    dtype = tf.string if is_text else tf.as_dtype(kind.to_pandas_dtype())
    return (tf.TensorSpec([None], dtype),)


def to_arrays(column: pa.ChunkedArray) -> tuple[np.ndarray, ...]:
    """The values of a column of an output type; row splits and flat values for lists."""
    if not _is_list(column.type):
        return (column.to_numpy(),)
    lists = column.combine_chunks()
    if pa.types.is_fixed_size_list(column.type):
        return (lists.flatten().to_numpy().reshape(len(lists), column.type.list_size),)
    splits = np.zeros(len(lists) + 1, np.int64)
    np.cumsum(lists.value_lengths().to_numpy(), out=splits[1:])
    return (splits, *to_arrays(pa.chunked_array([lists.flatten()])))


def slice_rows(arrays: Sequence[tf.Tensor], start: tf.Tensor, stop: tf.Tensor) -> Any:
    """The rows from `start` to `stop` of a column that `to_arrays` converted."""
    if len(arrays) == 1:
        return arrays[0][start:stop]
    splits, values = arrays
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)[start:stop]
