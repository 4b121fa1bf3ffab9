"""Takes a batch apart: features, labels and weights, each checked and in its right shape."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf

from rankkit._errors import missing, wrong_type


class Batch(NamedTuple):
    """A batch whose labels are `(batch, 1)` and whose weights, if any, are `(batch,)`."""

    features: Mapping[str, tf.Tensor]
    labels: tf.Tensor
    sample_weight: tf.Tensor | None


def take_apart(data: Any, label: str, sample_weight: str | None) -> Batch:
    """Splits what Keras hands to a step.

    Args:
        data: One dict of columns with the label among them, or `(features, label)` or
            `(features, label, sample_weight)`.
        label: Name of the label column.
        sample_weight: Name of the weight column, or `None`.

    Returns:
        The batch. `data` itself is left as it is.

    Raises:
        ValueError: If the label or the weight column is missing.
        TypeError: If the batch, the label or the weight is of the wrong kind.
    """
    features, labels, weights = _parts(data)
    if not isinstance(features, Mapping):
        raise wrong_type(
            "batch",
            features,
            "a dict of columns, or (features, label[, sample_weight]) with a dict of features",
            "Name each column: {'user_id': ..., 'movie_title': ...}.",
        )
    if labels is None:
        labels = _column("label", label, features)
    if weights is None and sample_weight is not None:
        weights = _column("sample_weight", sample_weight, features)
    labels = tf.reshape(_numbers("label", label, labels), (-1, 1))
    if weights is not None:
        weights = tf.reshape(_numbers("sample_weight", sample_weight, weights), (-1,))
    return Batch(features, labels, weights)


def _parts(data: Any) -> tuple[Any, Any, Any]:
    if isinstance(data, (tuple, list)) and 1 <= len(data) <= 3:
        features, labels, weights = (*data, None, None)[:3]
        return features, labels, weights
    return data, None, None


def _column(role: str, name: str, columns: Mapping[str, Any]) -> Any:
    if name not in columns:
        raise missing(role, name, [name], columns)
    return columns[name]


def _numbers(role: str, name: str | None, values: Any) -> tf.Tensor:
    """Checks that there is one finite number a row."""
    shown = f"{role} {name!r}" if name else role
    values = tf.convert_to_tensor(values)
    if not (values.dtype.is_floating or values.dtype.is_integer or values.dtype.is_bool):
        raise wrong_type(shown, values.dtype.name, "numbers", "Convert the column first.")
    if values.shape.rank not in (None, 1) and values.shape[1:].num_elements() != 1:
        raise wrong_type(shown, values.shape, "one number a row, of shape (batch,) or (batch, 1)")
    return tf.debugging.check_numerics(
        tf.cast(values, tf.float32),
        f"{shown} must be finite. Got: NaN or an infinite value. Drop or mend those rows.",
    )


def check_sizes(labels: tf.Tensor, predictions: tf.Tensor, sample_weight: tf.Tensor | None) -> None:
    """Refuses labels or weights that are not one a row, which would be broadcast otherwise."""
    tf.debugging.assert_equal(
        tf.shape(labels),
        tf.shape(predictions),
        "labels must be one a row of scores. Got: fewer or more than the batch has rows.",
    )
    if sample_weight is not None:
        tf.debugging.assert_equal(
            tf.size(sample_weight),
            tf.size(predictions),
            "sample weights must be one a row. Got: fewer or more than the batch has rows.",
        )
