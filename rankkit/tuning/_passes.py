"""Batches as `fit` takes them, for many epochs at a time, and the mean of one."""

from typing import Any

import tensorflow as tf

from rankkit.tuning._batching import Batching
from rankkit.weight_averaging import WeightAveraging

SMALL_BATCH = 2048
# Where a step is small, one call of the graph runs this many: its own cost would be most of it.
STEPS_PER_EXECUTION = 16


def fit_batches(
    batching: Batching, rows: Any, batch_size: int, seed: int | None, initial_epoch: int
) -> tuple[tf.data.Dataset, int | None]:
    """Gives the batches that `fit` trains on: those of an iterator in one pass without an end.

    Setting up such a pass takes as long as several steps of a small network, and the next epoch's
    rows can be made ready while the model is validated.

    Args:
        batching: How rows become batches.
        rows: Rows as for `rankkit.data.batches`, or batches, which are left as they are.
        batch_size: Rows, lists or clicks a batch.
        seed: Chooses the order of each epoch; `None` draws one.
        initial_epoch: The epoch that `fit` begins with.

    Returns:
        The batches, and how many of them are to make an epoch, `None` for all of a pass.
    """
    if isinstance(rows, tf.data.Dataset):
        return rows, None
    first = 0 if seed is None else initial_epoch
    if batching.negatives is None:  # rows and lists need no iterator
        return batching.to_train(rows, batch_size, seed=seed, initial_epoch=first), None
    # Where each epoch is a pass of its own, Keras begins one more ahead of the first.
    first = 0 if seed is None else initial_epoch + 1
    batched = batching.to_train(rows, batch_size, seed=seed, initial_epoch=first)
    return batched.repeat(), len(batched)


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


def steps_of_a_call(batch_size: int, steps: int | None, validation: tf.data.Dataset | None) -> int:
    """Gives how many steps one call of the graph is to run.

    Args:
        batch_size: Rows, lists or clicks a batch.
        steps: Steps of an epoch, or `None` if that is unknown.
        validation: Batches to validate on, or `None`.
    """
    known = steps is not None and known_size(validation) is not None
    return STEPS_PER_EXECUTION if batch_size <= SMALL_BATCH and known else 1
