"""What is done about missing numbers: they are an error, or have a trained row of their own."""

from typing import Any

import tensorflow as tf

from rankkit._errors import unknown

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
    checked = values if missing == "error" else tf.where(tf.math.is_nan(values), 0.0, values)
    fix = "Drop or mend those rows"
    if missing == "error":
        fix += ", or give missing ones a row of their own: missing='learn'"
    checked = tf.debugging.check_numerics(
        checked, f"Numbers of layer {layer!r} must be finite. Got: NaN or an infinite value. {fix}."
    )
    return checked if missing == "error" else tf.where(tf.math.is_nan(values), values, checked)


def is_missing(values: tf.Tensor) -> Any:
    """Tells which numbers are NaN."""
    return tf.math.is_nan(values) if values.dtype.is_floating else tf.zeros_like(values, tf.bool)
