"""Batches of a `tf.data.Dataset` of rows, for rows that do not fit in memory."""

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid, wrong_type
from rankkit.data.columns import selected

WINDOW = 100_000


def select_rows(
    rows: tf.data.Dataset, columns: Iterable[str] | None, *, cache: bool
) -> tf.data.Dataset:
    """Checks that `rows` are dicts of one row each, and takes the columns that are wanted."""
    spec = rows.element_spec
    if not isinstance(spec, Mapping):
        fix = 'Map them to dicts, such as {"user_id": ..., "user_rating": ...}.'
        raise wrong_type("rows", spec, "a data set of dicts", fix)
    if rows.cardinality() == 0:
        raise invalid("rows", rows, "at least one row", "Was everything filtered out?")
    _check_single(rows, spec)
    names = selected(columns, list(spec))
    if columns is not None:
        rows = rows.map(lambda row: {name: row[name] for name in names})
    return rows.cache() if cache else rows


def _check_single(rows: tf.data.Dataset, spec: Mapping[str, Any]) -> None:
    lengths = {tuple(one.shape[:1]) if one.shape.rank else None for one in spec.values()}
    # One list a row is a row; several lists of one length are a batch.
    if len(spec) > 1 and len(lengths) == 1 and None not in lengths:
        fix = "Call rows.unbatch() first."
        raise invalid("rows", rows, "a data set of single rows, not of batches", fix)


def window(rows: tf.data.Dataset, shuffle: bool | int) -> int:
    """How many rows to hold for shuffling: all of them if their number is known."""
    if shuffle is not True:
        if not isinstance(shuffle, int) or shuffle < 1:
            expected = "True, False or a window of at least 1 row"
            raise invalid("shuffle", shuffle, expected, "Give True if unsure.")
        return shuffle
    known = int(rows.cardinality())
    return known if known > 0 else WINDOW


def batch_rows(rows: tf.data.Dataset, batch_size: int, *, drop_remainder: bool) -> tf.data.Dataset:
    """Batches single rows; lists of any length become ragged, `float64` becomes `float32`."""
    specs = rows.element_spec.values()
    any_list = any(not spec.shape.is_fully_defined() for spec in specs)
    batch = rows.ragged_batch if any_list else rows.batch
    batched = batch(batch_size, drop_remainder=drop_remainder)
    if any(spec.dtype == tf.float64 for spec in specs):
        batched = batched.map(_in_float32)
    return batched.prefetch(tf.data.AUTOTUNE)


def _in_float32(batch: dict[str, Any]) -> dict[str, Any]:
    return {
        name: tf.cast(value, tf.float32) if value.dtype == tf.float64 else value
        for name, value in batch.items()
    }
