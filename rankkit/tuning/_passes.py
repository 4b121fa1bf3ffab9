"""Rows as `fit` takes them, to train on for many epochs and to validate on, and the mean of one."""

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit.data import batches, lists
from rankkit.weight_averaging import WeightAveraging

BATCH_SIZE, VALIDATION_BATCH_SIZE = 1024, 8192
LISTS_A_BATCH, VALIDATION_LISTS = 32, 256
SMALL_BATCH = 2048
# Where a step is small, one call of the graph runs this many: its own cost would be most of it.
STEPS_PER_EXECUTION = 16


def made_batches(
    rows: Any, batch_size: int, columns: Iterable[str], grouping: Mapping | None, **order: Any
) -> tf.data.Dataset:
    """Gives batches of rows, or of lists of them.

    Args:
        rows: Rows as for `rankkit.data.batches`.
        batch_size: Rows a batch, or lists.
        columns: The columns to batch.
        grouping: Arguments of `rankkit.data.lists`, or `None` for rows.
        **order: The arguments of the order.
    """
    if grouping is None:
        return batches(rows, batch_size, columns=columns, **order)
    return lists(rows, batch_size, columns=columns, **grouping, **order)


def fit_batches(
    rows: Any,
    batch_size: int,
    columns: Iterable[str],
    grouping: Mapping | None,
    seed: int | None,
    initial_epoch: int,
) -> tuple[tf.data.Dataset, int | None]:
    """Gives the batches that `fit` trains on, in one pass without an end.

    Setting up a pass takes as long as several steps of a small network, and the next epoch's rows
    can be made ready while the model is validated.

    Args:
        rows: Rows as for `rankkit.data.batches`, or batches, which are left as they are.
        batch_size: Rows a batch, or lists.
        columns: The columns to batch.
        grouping: Arguments of `rankkit.data.lists`, or `None` for rows.
        seed: Chooses the order of each epoch; `None` draws one.
        initial_epoch: The epoch that `fit` begins with.

    Returns:
        The batches, and how many an epoch has, `None` if that is unknown.
    """
    if isinstance(rows, tf.data.Dataset):
        return rows, known_size(rows)
    # Where each epoch is a pass of its own, Keras begins one more ahead of the first.
    order = {"seed": seed, "initial_epoch": 0 if seed is None else initial_epoch + 1}
    batched = made_batches(rows, batch_size, columns, grouping, shuffle=True, **order)
    return batched.repeat(), len(batched)


def validation_batches(
    rows: Any, columns: Iterable[str], grouping: Mapping | None
) -> tf.data.Dataset | None:
    """Gives rows in large batches, as no gradients are kept of them; batches as they are."""
    if isinstance(rows, tf.data.Dataset | None):
        return rows
    size = VALIDATION_BATCH_SIZE if grouping is None else VALIDATION_LISTS
    return made_batches(rows, size, columns, grouping)


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
        batch_size: Rows a batch, or lists.
        steps: Steps of an epoch, or `None` if that is unknown.
        validation: Batches to validate on, or `None`.
    """
    known = steps is not None and known_size(validation) is not None
    return STEPS_PER_EXECUTION if batch_size <= SMALL_BATCH and known else 1
