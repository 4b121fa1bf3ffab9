"""Rows as `fit` takes them: to train on for many epochs, and to validate on."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rankkit.data import batches

VALIDATION_BATCH_SIZE = 8192


def endless_batches(
    rows: Any, batch_size: int, columns: Iterable[str], seed: int | None, initial_epoch: int
) -> tuple[tf.data.Dataset, int]:
    """Gives the batches that `fit` gets from `rankkit.data.batches`, in one pass without an end.

    Setting up a pass takes as long as several steps of a small network, and the next epoch's rows
    can be made ready while the model is validated.

    Args:
        rows: Rows as for `rankkit.data.batches`.
        batch_size: Rows a batch.
        columns: The columns to batch.
        seed: Chooses the order of each epoch; `None` draws one.
        initial_epoch: The epoch that `fit` begins with.

    Returns:
        The batches, and how many an epoch has.
    """
    # Where each epoch is a pass of its own, Keras begins one more ahead of the first.
    order = {"seed": seed, "initial_epoch": 0 if seed is None else initial_epoch + 1}
    batched = batches(rows, batch_size, shuffle=True, columns=columns, **order)
    return batched.repeat(), len(batched)


def validation_batches(rows: Any, columns: Iterable[str]) -> tf.data.Dataset:
    """Gives rows in large batches, as no gradients are kept of them."""
    return batches(rows, VALIDATION_BATCH_SIZE, columns=columns)


def has_known_size(batched: tf.data.Dataset | None) -> bool:
    """Whether Keras can tell ahead how many steps a pass has, or is told so."""
    return batched is None or int(batched.cardinality()) != tf.data.UNKNOWN_CARDINALITY
