"""Columns and blocks of Arrow tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf

from rankkit.utils.errors import wrong_type


def plain_type(name: str, kind: pa.DataType) -> pa.DataType:
    """Gives the form that columns of a type are brought into.

    Text is bytes whatever it is kept as, times are seconds, `double` is `float`.

    Args:
        name: The column's name, for the error.
        kind: Its type in the file.

    Raises:
        TypeError: If nothing can be made of it.
    """
    types = pa.types
    if types.is_dictionary(kind):
        return plain_type(name, kind.value_type)
    if _is_list(kind) and not _is_list(kind.value_type):
        return pa.large_list(plain_type(name, kind.value_type))
    if _is_text(kind):
        return pa.large_binary()
    if types.is_timestamp(kind) or types.is_date(kind):
        return pa.int64()
    if types.is_float64(kind):
        return pa.float32()
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        return kind
    expected = "of numbers, booleans, text, times, or lists of these"
    fix = "Cast it to one of these where the file is written, or name other columns."
    raise wrong_type(f"column {name!r}", str(kind), expected, fix)


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    plain = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return plain or types.is_binary(kind) or types.is_large_binary(kind)


def fillers(fill: Mapping[str, Any] | None, kinds: Mapping[str, pa.DataType]) -> dict[str, Any]:
    """Gives what to put in place of nulls, as scalars of the columns' plain types.

    Args:
        fill: Column to value, or `None`.
        kinds: Column to its plain type; values of other columns are left out.

    Raises:
        TypeError: If a value does not fit its column.
    """
    made = {}
    for name, value in (fill or {}).items():
        if name not in kinds:
            continue
        try:
            made[name] = pa.scalar(value, kinds[name])
        except (pa.ArrowException, TypeError):
            expected = f"a value for a column of {kinds[name]}"
            raise wrong_type(f"fill[{name!r}]", value, expected) from None
    return made


def plain_column(
    name: str, column: pa.ChunkedArray, kind: pa.DataType, fill: Any, where: str
) -> pa.ChunkedArray:
    """Brings a column into its plain form.

    Args:
        name: Its name, for the error.
        column: As it was read.
        kind: Its plain type.
        fill: What to put in place of nulls, or `None`.
        where: What it was read from, for the error.

    Raises:
        ValueError: If there are nulls, and nothing is put in their place.
    """
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"), safe=False)
    column = column.cast(kind)
    if column.null_count and fill is not None:
        column = column.fill_null(fill)
    if count := column.null_count:
        raise null_error(name, count, where)
    if pa.types.is_large_list(kind) and (count := column.combine_chunks().flatten().null_count):
        raise ValueError(
            f"Lists of column {name!r} must have no nulls in them. Got: {count} in {where}. "
            "Leave them out where the file is written."
        )
    return column


def null_error(name: str, count: int, where: str) -> ValueError:
    """The error for a column with nulls.

    Args:
        name: Its name.
        count: How many there are.
        where: What they are in.
    """
    return ValueError(
        f"Column {name!r} must have a value in every row. Got: {count} nulls in {where}. Give "
        f"fill={{{name!r}: ...}}, a value to put in their place, or leave those rows out where "
        "the file is written."
    )


def part_specs(kind: pa.DataType) -> tuple[tf.TensorSpec, ...]:
    """What `column_parts` gives of a plain type."""
    if pa.types.is_large_list(kind):
        return (tf.TensorSpec([None], tf.int64), *part_specs(kind.value_type))
    text = pa.types.is_large_binary(kind)
    dtype = tf.string if text else tf.as_dtype(kind.to_pandas_dtype())
    return (tf.TensorSpec([None], dtype),)


def column_parts(column: pa.ChunkedArray) -> tuple[np.ndarray, ...]:
    """A plain column as arrays for TensorFlow; of lists, where they end, and their members."""
    if not pa.types.is_large_list(column.type):
        return (column.to_numpy(),)
    lists = column.combine_chunks()
    splits = np.zeros(len(lists) + 1, np.int64)
    np.cumsum(lists.value_lengths().to_numpy(), out=splits[1:])
    return (splits, *column_parts(pa.chunked_array([lists.flatten()])))


def cells_of(parts: Sequence[tf.Tensor], start: tf.Tensor, stop: tf.Tensor) -> Any:
    """The cells of some rows that follow each other, of a column's parts."""
    if len(parts) == 1:
        return parts[0][start:stop]
    splits, values = parts
    return tf.RaggedTensor.from_row_splits(values, splits, validate=False)[start:stop]


def table_blocks(
    tables: Iterable[pa.Table],
    batch_size: int,
    window: int,
    draws: np.random.Generator | None,
    *,
    last_rows: int = 0,
) -> Iterator[pa.Table]:
    """Cuts tables anew, so that only the last batch is not full.

    Args:
        tables: Of the same columns.
        batch_size: Rows a batch.
        window: How many rows are held, at least, when some are drawn from them. Half of them stay
            for the next draw: rows of tables that are far apart meet as well.
        draws: Chooses the order of the rows; `None` leaves it.
        last_rows: How many rows at the end are a batch of their own. Defaults to `0`.
    """
    held: list[pa.Table] = []
    num_held = 0
    for table in tables:
        held.append(table)
        num_held += table.num_rows
        if num_held < max(window, batch_size):
            continue
        ready = (num_held - max(last_rows, window // 2)) // batch_size * batch_size
        if ready > 0:
            mixed = _mixed(held, draws)
            yield mixed.slice(0, ready)
            held, num_held = [mixed.slice(ready)], num_held - ready
    if not num_held:
        return
    rest = _mixed(held, draws)
    for part in (rest.slice(0, num_held - last_rows), rest.slice(num_held - last_rows)):
        if part.num_rows:
            yield part


def _mixed(tables: list[pa.Table], draws: np.random.Generator | None) -> pa.Table:
    whole = pa.concat_tables(tables)
    return whole if draws is None else whole.take(pa.array(draws.permutation(whole.num_rows)))
