"""Batches of sequences: the events of each user in order."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.features import check_names
from rankkit.core.in_memory import Column, RowsInMemory, Windows
from rankkit.data.batches import batch_in_memory, check_full_shuffle, resolve_seed, slice_batches
from rankkit.data.columns import as_columns, check_keys, encode_events, factorize
from rankkit.data.shuffle import seeds_by_epoch
from rankkit.data.splits import sortable_times
from rankkit.utils.errors import as_names, check_integer, check_text

_SPREAD = 0.15  # relative noise on the lengths before sorting, so that batches differ by epoch


def sequences(
    rows: Any,
    batch_size: int,
    *,
    user: str = "user_id",
    item: str = "item_id",
    timestamp: str | None = "timestamp",
    columns: Iterable[str] = (),
    max_length: int = 50,
    prefix: str = "history_",
    shuffle: bool = True,
    seed: int | None = None,
    initial_epoch: int = 0,
) -> tf.data.Dataset:
    """Batches the events of each user in the order of time, for a `rankkit.losses.NextItemLoss`.

    Each row of a batch is a sequence: the column `item` has its last event, and the history columns
    have the events before it. The events of users with more than `max_length + 1` are split into
    parts, from the most recent event on, so that each event is in exactly one; a part does not have
    the events before it. Sequences of like length are in the same batch, to need little padding.

    Events of a user at the same time are ordered as they come, and the later ones are predicted
    from the earlier ones; histories of `rankkit.data.InteractionLog`, for evaluation and serving,
    leave such events out.

    Args:
        rows: The events in any order: a dict of arrays or lists, a DataFrame or an Arrow table.
        batch_size: Sequences per batch.
        user: The column of the user. Defaults to `"user_id"`.
        item: The column of the item. Defaults to `"item_id"`.
        timestamp: The column of the time, numbers or dates. `None` if all rows are in the order of
            time. Defaults to `"timestamp"`.
        columns: Further columns for the histories, such as the rating. Defaults to `()`.
        max_length: Events of a history, at most. Defaults to `50`.
        prefix: Start of the names of the columns of histories. Defaults to `"history_"`.
        shuffle: Whether to shuffle the sequences, and the batches, in each epoch. Defaults to
            `True`.
        seed: Seed of the shuffle orders. Defaults to `None`: a seed from Python's `random`.
        initial_epoch: Epoch to start from. Defaults to `0`.

    Returns:
        A data set of batches: the column `item`, and a ragged tensor for the item and each of
        `columns`, named `prefix + column`, the oldest event first.

    Raises:
        TypeError: If an id is missing, an id or a time has an unsupported type, or a column has
            several values in a row.
        ValueError: If there are no rows, a column is unknown, a time is missing, a value of a
            history is `""` or -1, or a number is out of range.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": [*"abab"], "item_id": [*"wxyz"], "timestamp": [1, 2, 3, 4]}
        >>> batch = next(iter(rk.data.sequences(rows, 2, shuffle=False)))
        >>> batch["history_item_id"].to_list(), batch["item_id"].numpy().tolist()
        ([[b'w'], [b'x']], [b'y', b'z'])
    """
    check_integer("batch_size", batch_size)
    max_length = check_integer("max_length", max_length)
    shuffle, prefix = check_full_shuffle(shuffle), check_text("prefix", prefix)
    seed = resolve_seed(seed, initial_epoch, shuffle)
    further = [name for name in as_names("columns", columns) if name != item]
    names = [user, item, *further] + ([] if timestamp is None else [timestamp])
    table = as_columns(rows, names)
    check_keys(table, user, item)
    added = [prefix + name for name in (item, *further)]
    check_names([item, *added], "column")
    users, _ = factorize(table[user].tolist())
    keys = [users] if timestamp is None else [sortable_times(timestamp, table[timestamp]), users]
    order = np.lexsort(keys)
    starts, lengths = _parts(np.bincount(users), max_length)
    events = {name: encode_events(name, table[name][order]) for name in (item, *further)}
    last = tf.constant(starts + lengths)
    made: dict[str, Column | Windows] = {
        prefix + name: Windows(each, starts, lengths, max_length) for name, each in events.items()
    }
    made[item] = _at(events[item], last)
    count = len(starts)

    def in_order(pair: tf.Tensor | None) -> tf.Tensor:
        if pair is None:
            return tf.range(count, dtype=tf.int64)
        return _shuffled(lengths, batch_size, pair)

    seeds = seeds_by_epoch(seed, initial_epoch=initial_epoch) if shuffle else None
    batch = RowsInMemory(
        made, count, batch_size, batch_size * (max_length + 1), seeds, in_order,
        lambda indices: (indices, {}), of_one_shape=False,
    )  # fmt: skip
    return batch_in_memory(batch, lambda indices: slice_batches(indices, count, batch_size))


def _parts(counts: np.ndarray, max_length: int) -> tuple[np.ndarray, np.ndarray]:
    """First event, and number of events before the last one, of each part of the users' events."""
    ends = np.cumsum(counts)
    parts = -(-counts // (max_length + 1))  # of each user
    user = np.repeat(np.arange(len(counts)), parts)
    number = np.arange(len(user)) - np.repeat(np.cumsum(parts) - parts, parts)
    end = ends[user] - number * (max_length + 1)  # from the most recent events on
    start = np.maximum(end - max_length - 1, (ends - counts)[user])
    return start, (end - start - 1).astype(np.int32)


def _at(events: Column, positions: tf.Tensor) -> Column:
    """The column of some events."""
    if events.numbers is None:
        return Column(tf.gather(events.values, positions))
    return Column(events.values, tf.gather(events.numbers, positions))


def _shuffled(lengths: np.ndarray, batch_size: int, seeds: tf.Tensor) -> tf.Tensor:
    """A random order of sequences in which those of a batch have about the same length."""
    noise = tf.random.stateless_uniform([len(lengths)], seeds, 1 - _SPREAD, 1 + _SPREAD)
    order = tf.argsort(tf.constant(lengths + 1, tf.float32) * noise)
    rest = len(lengths) % batch_size  # in the last batch: the shortest ones
    full = tf.reshape(order[rest:], [-1, batch_size])
    mixed = tf.random.experimental.stateless_shuffle(full, seeds)
    return tf.cast(tf.concat([tf.reshape(mixed, [-1]), order[:rest]], axis=0), tf.int64)
