"""Checks and buckets of numbers, and the policy for missing ones."""

from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_array
from rankkit.utils.errors import check_integer, invalid, unknown, wrong_type

POLICIES = ("error", "learn")


def check_policy(missing: str) -> None:
    """Refuses a policy that is not known.

    Raises:
        ValueError: If it is none of `POLICIES`.
    """
    if missing not in POLICIES:
        raise unknown("policy for missing values", missing, POLICIES)


def check_finite(values: tf.Tensor, missing: str, layer: str) -> tf.Tensor:
    """Refuses NaN, unless it has a row of its own, and infinite values.

    Args:
        values: Numbers of any shape.
        missing: One of `POLICIES`.
        layer: Name of the layer, for the message.
    """
    if not values.dtype.is_floating:
        return values
    words = f"Numbers of layer {layer!r} must be finite. Got: NaN or an infinite value. "
    words += "Drop or mend those rows"
    if missing == "error":
        words += ", or give missing ones a row of their own: missing='learn'."
        return tf.debugging.check_numerics(values, words)
    unknown_ones = tf.math.is_nan(values)
    known_ones = tf.debugging.check_numerics(tf.where(unknown_ones, 0.0, values), f"{words}.")
    return tf.where(unknown_ones, values, known_ones)


def finite_numbers(
    name: str, values: Any, *, missing: bool = False, whole: bool = False
) -> np.ndarray:
    """Gives finite numbers as an array of `int64` or `float64`.

    Args:
        name: What the caller calls them, for errors.
        values: Numbers.
        missing: Whether NaN is left out; it is an error otherwise. Defaults to `False`.
        whole: Whether they have to be whole numbers. Defaults to `False`.

    Raises:
        ValueError: If there is none, or one is not finite.
        TypeError: If they are no numbers.
    """
    array = as_array(values)
    if array.dtype.kind not in ("iu" if whole else "biuf") or array.ndim != 1:
        kind = "whole numbers" if whole else "numbers"
        raise wrong_type(name, array.dtype.name, f"a list of {kind}", "Convert it first.")
    array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
    if missing:
        array = array[~np.isnan(array)]
    if not np.isfinite(array).all():
        raise invalid(
            name, array[~np.isfinite(array)][0].item(), "finite", "Drop or mend those values."
        )
    if not len(array):
        raise invalid(name, [], "at least one number")
    return array


def check_edges(name: str, values: Any, *, whole: bool = False) -> np.ndarray:
    """Gives the boundaries of buckets as an array; as `finite_numbers`.

    Raises:
        ValueError: If they are not ascending.
    """
    edges = finite_numbers(name, values, whole=whole)
    if (np.diff(edges) <= 0).any():
        raise invalid(name, values, "ascending numbers", "Sort them; once each.")
    return edges


def bucket_edges(name: str, values: np.ndarray, num_buckets: int) -> np.ndarray:
    """Gives boundaries between which there are equally many values.

    Args:
        name: What the values are, for errors.
        values: Finite numbers.
        num_buckets: At most so many buckets; fewer where values repeat.

    Raises:
        ValueError: If there are to be fewer than two buckets, or all values are equal.
    """
    check_integer("num_buckets", num_buckets, least=2)
    inner = np.linspace(0, 1, num_buckets + 1)[1:-1]
    edges = np.unique(np.quantile(values, inner, method="higher"))
    edges = edges[edges > values.min()]  # no value is below the least
    if not len(edges):
        fix = "A constant column tells nothing: leave the feature out."
        raise invalid(name, values[0].item(), "of more than one value", fix)
    return edges


def buckets_of(values: tf.Tensor, edges: np.ndarray) -> tf.Tensor:
    """Gives the bucket of each value, `tf.int64`: the number of boundaries that it has reached.

    Args:
        values: Any shape.
        edges: Ascending.
    """
    reached = tf.expand_dims(values, -1) >= tf.constant(edges, values.dtype)
    return tf.reduce_sum(tf.cast(reached, tf.int64), axis=-1)
