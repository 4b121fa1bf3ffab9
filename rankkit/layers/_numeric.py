"""Checks of numbers, buckets of numbers, and the policies for missing numbers."""

from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import column_name, fill_numbers, single_values
from rankkit.core.precision import to_float32, to_int64
from rankkit.core.timestamps import as_seconds
from rankkit.utils.errors import check_integer, invalid, subject, wrong_type
from rankkit.utils.graph_errors import check_numerics


def check_missing_policy(missing: str) -> None:
    """Raises if the policy for missing values is unknown."""
    if missing not in ("error", "learn"):
        raise invalid("missing", missing, "'error' or 'learn'")


def as_numbers(inputs: Any, dtype: tf.DType, layer: str) -> tf.Tensor:
    """Converts the input of a layer to its dtype; raises for floats in place of integers."""
    values = tf.convert_to_tensor(inputs)
    if dtype.is_integer:
        if not (values.dtype.is_integer or values.dtype.is_bool):
            fix = "NaN and fractions have no integer: drop or round them, then cast to int64."
            raise wrong_type(f"the input of layer {layer!r}", values.dtype.name, "integers", fix)
        return to_int64(f"The input of layer {layer!r}", values)
    return to_float32(f"The input of layer {layer!r}", values)


def check_finite(values: tf.Tensor, missing: str, layer: str) -> tf.Tensor:
    """Adds a check to the graph that no value is infinite, or NaN if missing values are errors."""
    if not values.dtype.is_floating:
        return values
    message = f"The input of layer {layer!r} must be finite. Got: NaN or an infinite value. "
    if missing == "error":
        message += "Drop or fix those rows, or learn a value for NaN: missing='learn'."
        return check_numerics(values, message)
    message = f"{message}Drop or fix those rows."
    is_missing = tf.math.is_nan(values)
    known = check_numerics(tf.where(is_missing, 0.0, values), message)
    return tf.where(is_missing, values, known)


def to_compute_dtype(vectors: tf.Tensor, layer: tf.keras.layers.Layer) -> tf.Tensor:
    """Casts vectors to the dtype that a layer computes in; the graph raises if they overflow."""
    outputs = tf.cast(vectors, layer.compute_dtype)
    if outputs.dtype != tf.float16:
        return outputs
    message = (
        f"The output of layer {layer.name!r} must be at most 65,504, the largest number of "
        "float16. Got: more. Pass the mean and standard deviation of the column."
    )
    # Gradients may overflow: the optimizer then lowers the scale of the loss.
    with tf.control_dependencies([check_numerics(tf.stop_gradient(outputs), message)]):
        return tf.identity(outputs)


def finite_numbers(
    name: str, values: Any, *, is_column: bool = False, integers: bool = False
) -> np.ndarray:
    """Numbers as an array of `int64` or `float64`; a column may also hold NaN and booleans."""
    array = as_seconds(name, fill_numbers(name, single_values(name, values)))
    kinds = "iu" if integers else "biuf" if is_column else "iuf"
    if not array.size:
        raise invalid(name, [], "a list of at least one number", "Was it empty?")
    if array.dtype.kind not in kinds:
        expected = f"a list of {'integers' if integers else 'numbers'}"
        raise wrong_type(name, array[:9].tolist(), expected, "Convert it first.")
    if array.dtype.kind == "u" and array.max() >= 2**63:
        where, largest = f"each value of {name}", array.max().item()
        raise invalid(where, largest, "below 2**63", "Convert the values to float.")
    array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    is_wrong = np.isinf(array) if is_column else ~np.isfinite(array)
    if is_wrong.any():
        wrong = array[is_wrong][0].item()
        raise invalid(f"each value of {name}", wrong, "finite", "Drop or fix those values.")
    return array


def column_numbers(column: Any, missing: str) -> np.ndarray:
    """The numbers of a column without missing ones, which are errors unless they are learned."""
    name = column_name(column)
    array = finite_numbers(name, column, is_column=True)
    is_known = ~np.isnan(array)
    if missing == "error" and not is_known.all():
        raise ValueError(
            f"{subject(name)} must have a number in every row. Got: NaN or None in "
            f"{(~is_known).sum()} of {len(array)} rows. Drop those rows, or learn a value for "
            "them: missing='learn'."
        )
    if not is_known.any():
        fix = "NaN and None count as missing: leave the feature out."
        raise invalid(name, column, "a list of at least one number", fix)
    return array[is_known]


def as_boundaries(name: str, values: Any, *, integers: bool = False) -> np.ndarray:
    """Boundaries of buckets as an array; raises unless they are finite and strictly ascending."""
    boundaries = finite_numbers(name, values, integers=integers)
    if (np.diff(boundaries) <= 0).any():
        raise invalid(name, values, "strictly ascending", "Sort them and drop duplicates.")
    return boundaries


def quantile_boundaries(name: str, values: np.ndarray, num_buckets: int) -> np.ndarray:
    """Boundaries of buckets of equal counts, fewer if values repeat; raises if there are none."""
    check_integer("num_buckets", num_buckets, least=2)
    inner = np.linspace(0, 1, num_buckets + 1)[1:-1]
    boundaries = np.unique(np.quantile(values, inner, method="higher"))
    smallest = values.min()
    boundaries = boundaries[boundaries > smallest]  # so that no bucket is empty
    if not len(boundaries):
        share, fix = "most", "Increase num_buckets, or pass boundaries to the constructor."
        if (values == smallest).all():
            share, fix = "all", "A constant carries no information: leave the feature out."
        raise ValueError(
            f"{subject(name)} cannot be divided into {num_buckets} buckets: {share} of its values "
            f"are {smallest.item()}. {fix}"
        )
    return boundaries


def bucket_indices(values: tf.Tensor, boundaries: np.ndarray) -> tf.Tensor:
    """Index of the bucket of each value, `tf.int64`: how many boundaries are at most the value."""
    is_reached = tf.expand_dims(values, -1) >= tf.constant(boundaries, values.dtype)
    return tf.reduce_sum(tf.cast(is_reached, tf.int64), axis=-1)
