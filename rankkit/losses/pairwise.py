"""The loss of the pairs of a list in which one item is to be above the other."""

from typing import Any

import tensorflow as tf

from rankkit.losses.list_loss import ListLoss


class PairwiseLoss(ListLoss):
    """A loss over the pairs of items of different label; a subclass fills in `of_pairs`.

    Of each pair, the item of the higher label is to score higher. A list's loss is the mean over
    its pairs, each weighted by the weight of that item. While it is computed, there are
    `(lists, items, items)` numbers in memory a few times.

    Args:
        name: Name of the loss. Defaults to `None`, that of its class.
    """

    def of_lists(
        self, labels: tf.Tensor, scores: tf.Tensor, mask: tf.Tensor, weights: tf.Tensor
    ) -> tf.Tensor:
        above = pairs_in_order(labels, mask)
        losses = above * self.of_pairs(differences_of(scores))  # (lists, items, items)
        weighted = tf.reduce_sum(weights * tf.reduce_sum(losses, axis=2), axis=1)
        return tf.math.divide_no_nan(weighted, tf.reduce_sum(above, axis=(1, 2)))

    def of_pairs(self, differences: tf.Tensor) -> tf.Tensor:
        """Computes the loss of each pair.

        Args:
            differences: By how much the item that is to be above scores higher, of any shape.
        """
        raise NotImplementedError


def pairs_in_order(labels: tf.Tensor, mask: tf.Tensor) -> Any:
    """Marks with 1 where the first item of a pair is to be above the second.

    Args:
        labels: `(lists, items)`.
        mask: Which items there are, `(lists, items)`.

    Returns:
        `(lists, items, items)`, 0 for all other pairs.
    """
    there = mask[:, :, tf.newaxis] & mask[:, tf.newaxis, :]
    return tf.cast(there & (differences_of(labels) > 0), tf.float32)


def differences_of(numbers: tf.Tensor) -> Any:
    """Subtracts the number of the second item of each pair from that of the first.

    Args:
        numbers: `(lists, items)`.

    Returns:
        `(lists, items, items)`.
    """
    return numbers[:, :, tf.newaxis] - numbers[:, tf.newaxis, :]
