"""Listwise utilities: ranks, gains and discounts. Padding has the label NaN."""

from typing import Any

import tensorflow as tf

from rankkit.utils.errors import wrong_type

MASK = "mask"  # the column that says which items of a list there are
_LARGEST_LABEL = 30.0  # beyond it, sums of gains in float32 lose those of other labels


def check_lists(labels: Any, scores: Any, sample_weight: Any) -> None:
    """Refuses what are no lists, as far as the shapes are known ahead.

    Args:
        labels: `(lists, items)`.
        scores: `(lists, items)`.
        sample_weight: `(lists,)`, `(lists, items)` or `None`.

    Raises:
        TypeError: If one has another shape.
    """
    shape = tf.TensorShape(labels.shape)
    for name, tensor in (("y_true", labels), ("y_pred", scores)):
        if not tensor.shape.is_compatible_with([None, None]):
            expected = "of lists, of shape (lists, items)"
            raise wrong_type(name, tensor.shape, expected, "For single rows take another loss.")
    if not scores.shape.is_compatible_with(shape):
        raise wrong_type("y_pred", scores.shape, f"of the shape of y_true, {shape}")
    if sample_weight is None or sample_weight.shape.is_compatible_with(shape):
        return
    if not sample_weight.shape.is_compatible_with(shape[:1]):
        expected = f"one a list, {shape[:1]}, or one an item, {shape}"
        raise wrong_type("sample_weight", sample_weight.shape, expected)


def mask_of(labels: tf.Tensor) -> tf.Tensor:
    """Tells which items of lists there are.

    Args:
        labels: `(lists, items)`.

    Returns:
        `(lists, items)`.
    """
    return tf.logical_not(tf.math.is_nan(labels))


def has_order(labels: tf.Tensor) -> tf.Tensor:
    """Tells which lists have two items of different labels.

    Args:
        labels: `(lists, items)`, NaN where there is no item.

    Returns:
        `(lists,)`.
    """
    mask = mask_of(labels)
    highest = tf.reduce_max(tf.where(mask, labels, labels.dtype.min), axis=1)
    return highest > tf.reduce_min(tf.where(mask, labels, labels.dtype.max), axis=1)


def places(scores: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Counts, for each item of a list, those that score higher and those that score the same.

    Args:
        scores: `(lists, items)`.
        mask: Which items there are, `(lists, items)`.

    Returns:
        How many score higher, and how many the same, itself included, each `(lists, items)`;
        0 and 1 where there is no item.
    """
    there = mask[:, tf.newaxis, :]
    other, own = scores[:, tf.newaxis, :], scores[:, :, tf.newaxis]

    def count(pairs: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.cast(pairs & there, tf.int32), axis=2)

    return tf.where(mask, count(other > own), 0), tf.where(mask, count(other == own), 1)


def discounts_until(num_items: int | tf.Tensor, k: int | None) -> tf.Tensor:
    """Adds up the discounts `1 / log2(1 + place)` of the first places, 0 beyond the first `k`.

    Args:
        num_items: How many places there are.
        k: How many places count; `None` counts all.

    Returns:
        The sum over the first `i` places at `i`, `(num_items + 1,)`.
    """
    place = tf.range(num_items)
    discounts = tf.math.log(2.0) / tf.math.log(tf.cast(place, tf.float32) + 2.0)
    if k is not None:
        discounts = tf.where(place < k, discounts, 0.0)
    return tf.concat([[0.0], tf.cumsum(discounts)], axis=0)


def best_gain(gains: tf.Tensor, until: tf.Tensor) -> tf.Tensor:
    """Gives the discounted gain of the best order.

    Args:
        gains: `(lists, items)`, 0 where masked.
        until: From `discounts_until`.

    Returns:
        `(lists,)`.
    """
    best = tf.sort(gains, axis=1, direction="DESCENDING")
    return tf.reduce_sum(best * (until[1:] - until[:-1]), axis=1)


def checked_labels(labels: tf.Tensor, fits: tf.Tensor, expected: str, fix: str) -> tf.Tensor:
    """Gives labels, once all of them fit; not under XLA, which leaves checks of values out.

    Args:
        labels: Of any shape.
        fits: Which of them do, of the same shape.
        expected: What they must be.
        fix: What to do.

    Raises:
        tf.errors.InvalidArgumentError: If one does not, with the largest that does not.
    """
    wrong = tf.reduce_max(tf.where(fits, labels.dtype.min, labels))
    check = tf.debugging.Assert(
        tf.reduce_all(fits), [f"Labels must be {expected}. Got:", wrong, f". {fix}"]
    )
    with tf.control_dependencies([check]):
        return tf.identity(labels)


def make_gains(labels: tf.Tensor) -> tf.Tensor:
    """Tells which lists have labels of which gains can be made, neither negative nor huge.

    Args:
        labels: `(lists, items)`, 0 where masked.

    Returns:
        `(lists,)`.
    """
    return tf.reduce_all((labels >= 0.0) & (labels <= _LARGEST_LABEL), axis=1)


def gains_of(labels: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Gives `2**label - 1`.

    Args:
        labels: `(lists, items)`, 0 where masked.
        mask: Which items there are, `(lists, items)`.

    Returns:
        `(lists, items)`, 0 where masked; finite for labels of which no gains can be made too.
    """
    gains = tf.pow(2.0, tf.clip_by_value(labels, 0.0, _LARGEST_LABEL)) - 1.0
    return tf.where(mask, gains, 0.0)


def checked_gains(labels: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Gives `2**label - 1`, as `gains_of`.

    Raises:
        tf.errors.InvalidArgumentError: If there is a label of which no gain can be made.
    """
    fits = (labels >= 0.0) & (labels <= _LARGEST_LABEL)
    expected = f"from 0 to {_LARGEST_LABEL:.0f} where gains of 2**label - 1 count"
    return gains_of(checked_labels(labels, fits, expected, "Shift or scale them."), mask)
