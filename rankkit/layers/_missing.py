"""What is done about missing numbers: they are an error, or have a trained row of their own."""

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
    words = f"Numbers of layer {layer!r} must be finite. Got: NaN or an infinite value. "
    words += "Drop or mend those rows"
    if missing == "error":
        words += ", or give missing ones a row of their own: missing='learn'."
        return tf.debugging.check_numerics(values, words)
    unknown_ones = tf.math.is_nan(values)
    known_ones = tf.debugging.check_numerics(tf.where(unknown_ones, 0.0, values), f"{words}.")
    return tf.where(unknown_ones, values, known_ones)
