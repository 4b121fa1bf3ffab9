"""The numbers of a batch: labels and weights, finite and in their right shape."""

from typing import Any

import tensorflow as tf

from rankkit._errors import wrong_type


def numbers_of(
    role: str, name: str | None, values: Any, *, lists: bool, partly: bool = False
) -> tf.Tensor:
    """Checks that there is one finite number a row, or an item of a list; or NaN, if it may be."""
    shown = f"{role} {name!r}" if name else role
    values = tf.convert_to_tensor(values)
    if not (values.dtype.is_floating or values.dtype.is_integer or values.dtype.is_bool):
        raise wrong_type(shown, values.dtype.name, "numbers", "Convert the column first.")
    single = values.shape.rank in (None, 1) or values.shape[1:].num_elements() == 1
    if not single and not (lists and values.shape.rank == 2):
        raise wrong_type(shown, values.shape, "one number a row, of shape (batch,) or (batch, 1)")
    numbers = tf.cast(values, tf.float32)
    checked = tf.where(tf.math.is_nan(numbers), 0.0, numbers) if partly else numbers
    message = f"{shown} must be finite. Got: NaN or an infinite value. Drop or mend those rows."
    checks = [tf.debugging.check_numerics(checked, message)]
    if role == "sample_weight":
        message = f"{shown} must be at least 0. Got: a negative value. Drop or mend those rows."
        checks.append(tf.debugging.assert_non_negative(numbers, message))
    with tf.control_dependencies([each for each in checks if each is not None]):
        return tf.identity(numbers)


def weights_of_items(weights: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Gives weights of lists, or of their items, as one an item."""
    lists, count = tf.shape(mask)[0], tf.size(weights)
    message = "sample weights must be one a list or one an item. Got: fewer or more."
    fits = tf.debugging.Assert((count == lists) | (count == tf.size(mask)), [message])
    with tf.control_dependencies([fits]):
        weights = tf.reshape(weights, [lists, count // tf.maximum(lists, 1)])
    return tf.broadcast_to(weights, tf.shape(mask))
