"""Rows as `fit` takes them, to train on for many epochs and to validate on, and the mean of one."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rankkit.data import batches
from rankkit.weight_averaging import WeightAveraging

VALIDATION_BATCH_SIZE = 8192


def fit_batches(
    rows: Any, batch_size: int, columns: Iterable[str], seed: int | None, initial_epoch: int
) -> tuple[tf.data.Dataset, int | None]:
    """Gives the batches that `fit` gets from `rankkit.data.batches`, in one pass without an end.

    Setting up a pass takes as long as several steps of a small network, and the next epoch's rows
    can be made ready while the model is validated.

    Args:
        rows: Rows as for `rankkit.data.batches`, or batches, which are left as they are.
        batch_size: Rows a batch.
        columns: The columns to batch.
        seed: Chooses the order of each epoch; `None` draws one.
        initial_epoch: The epoch that `fit` begins with.

    Returns:
        The batches, and how many an epoch has, `None` if that is unknown.
    """
    if isinstance(rows, tf.data.Dataset):
        return rows, known_size(rows)
    # Where each epoch is a pass of its own, Keras begins one more ahead of the first.
    order = {"seed": seed, "initial_epoch": 0 if seed is None else initial_epoch + 1}
    batched = batches(rows, batch_size, shuffle=True, columns=columns, **order)
    return batched.repeat(), len(batched)


def validation_batches(rows: Any, columns: Iterable[str]) -> tf.data.Dataset | None:
    """Gives rows in large batches, as no gradients are kept of them; batches as they are."""
    if isinstance(rows, tf.data.Dataset | None):
        return rows
    return batches(rows, VALIDATION_BATCH_SIZE, columns=columns)


def known_size(batched: tf.data.Dataset | None) -> int | None:
    """Gives the number of batches of a pass, `None` where Keras cannot tell it ahead."""
    size = 0 if batched is None else int(batched.cardinality())
    return size if size >= 0 else None


def mean_of_an_epoch(steps: int | None) -> WeightAveraging:
    """Averages the weights over about as many steps as an epoch has.

    Args:
        steps: So many, or `None` if that is unknown.
    """
    return WeightAveraging() if steps is None else WeightAveraging(1.0 - 1.0 / max(steps, 2))
