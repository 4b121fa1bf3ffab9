"""Listwise utilities: ranks, gains and discounts. Padding has the label NaN."""

import math
from typing import Any

import tensorflow as tf

from rankkit.utils.errors import wrong_type
from rankkit.utils.graph_errors import assert_in_graph

MASK = "mask"  # the column that is true for items and false for padding
_LARGEST_EXPONENT = 30.0  # of gains, so that sums over long lists are finite in float32


def as_lists(y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[tf.Tensor, tf.Tensor, Any]:
    """Casts labels, scores and weights, if any, to `float32`, and checks their static shapes."""
    labels, scores = tf.cast(y_true, tf.float32), tf.cast(y_pred, tf.float32)
    shape = tf.TensorShape(labels.shape)
    for name, tensor in (("y_true", labels), ("y_pred", scores)):
        if not tensor.shape.is_compatible_with([None, None]):
            expected = "a tensor of shape (lists, items)"
            fix = "Use a loss of tf.keras.losses for single rows."
            raise wrong_type(f"{name}.shape", tensor.shape, expected, fix)
    if not scores.shape.is_compatible_with(shape):
        raise wrong_type("y_pred.shape", scores.shape, f"the shape of y_true, {shape}")
    if sample_weight is None:
        return labels, scores, None
    weights = tf.cast(sample_weight, tf.float32)
    if not any(map(weights.shape.is_compatible_with, (shape, shape[:1]))):
        expected = f"{shape[:1]}, one weight per list, or {shape}, one per item"
        raise wrong_type("sample_weight.shape", weights.shape, expected)
    return labels, scores, weights


def item_mask(labels: tf.Tensor) -> tf.Tensor:
    """The mask of padded lists: true where the label is not NaN."""
    return tf.logical_not(tf.math.is_nan(labels))


def has_order(labels: tf.Tensor) -> tf.Tensor:
    """Whether each list has two items with different labels."""
    mask = item_mask(labels)
    highest = tf.reduce_max(tf.where(mask, labels, labels.dtype.min), axis=1)
    return highest > tf.reduce_min(tf.where(mask, labels, labels.dtype.max), axis=1)


def count_above_and_tied(scores: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Counts the items that score higher than each item, and those that tie, such as itself."""
    is_item = mask[:, tf.newaxis, :]
    other, own = scores[:, tf.newaxis, :], scores[:, :, tf.newaxis]

    def count(pairs: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(pairs & is_item, tf.int32), axis=2)

    # Both are (lists, items); padding has 0 and 1.
    return tf.where(mask, count(other > own), 0), tf.where(mask, count(other == own), 1)


def discounts_until(num_items: int | tf.Tensor, k: int | None) -> tf.Tensor:
    """Cumulative sums of the discounts `1 / log2(1 + rank)`, 0 after rank `k`."""
    index = tf.range(num_items)
    discounts = tf.math.log(2.0) / tf.math.log(tf.cast(index, tf.float32) + 2.0)
    if k is not None:
        discounts = tf.where(index < k, discounts, 0.0)
    return tf.concat([[0.0], tf.cumsum(discounts)], axis=0)  # of the first i ranks at index i


def best_gain(gains: tf.Tensor, until: tf.Tensor) -> tf.Tensor:
    """The discounted gain of the ideal order (IDCG), `(lists,)`."""
    best = tf.sort(gains, axis=1, direction="DESCENDING")
    return tf.reduce_sum(best * (until[1:] - until[:-1]), axis=1)


def checked_labels(labels: tf.Tensor, fits: tf.Tensor, expected: str, fix: str) -> tf.Tensor:
    """Returns labels after a check, left out by XLA, that names the largest that does not fit."""
    return checked_numbers("Labels", labels, fits, expected, fix)


def checked_numbers(
    name: str, numbers: tf.Tensor, fits: tf.Tensor, expected: str, fix: str
) -> tf.Tensor:
    """Returns labels or scores after a check like that of `checked_labels`."""
    wrong = tf.reduce_max(tf.where(fits, numbers.dtype.min, numbers))
    check = assert_in_graph(
        tf.reduce_all(fits), f"{name} must be {expected}. Got: ", wrong, f". {fix}"
    )
    with tf.control_dependencies([check]):
        return tf.identity(numbers)


def allows_gains(labels: tf.Tensor) -> tf.Tensor:
    """Whether all labels of a list, `(lists, items)` and 0 in the padding, allow gains."""
    return tf.reduce_all(_fits_gains(labels), axis=1)


def _fits_gains(labels: tf.Tensor) -> tf.Tensor:
    return (labels >= 0.0) & (labels < math.inf)


def compute_gains(labels: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Multiples of the gains `2**label - 1`, by the same power of 2 in a list; 0 in the padding.

    Lists with labels above 30 have gains of at most `2**30`. Those that do not allow gains get
    finite numbers.
    """
    labels = tf.clip_by_value(labels, 0.0, labels.dtype.max)
    largest = tf.reduce_max(tf.where(mask, labels, 0.0), axis=1, keepdims=True)
    excess = tf.nn.relu(largest - _LARGEST_EXPONENT)
    gains = tf.pow(2.0, labels - excess) - tf.pow(2.0, -excess)
    return tf.where(mask, gains, 0.0)


def checked_gains(labels: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The gains of `compute_gains`, after a check of the labels."""
    expected = "finite and at least 0 for gains of 2**label - 1"
    labels = checked_labels(labels, _fits_gains(labels), expected, "Shift the labels.")
    return compute_gains(labels, mask)
