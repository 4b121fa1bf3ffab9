"""Examples held in memory, and the batches made from them inside a graph."""

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Column(NamedTuple):
    """A column: one cell per row, or the distinct cells and the index of each row's cell."""

    values: Any  # a tensor or ragged tensor, (rows or distinct cells, ...)
    numbers: tf.Tensor | None = None  # (rows,)

    @property
    def is_plain(self) -> bool:
        """Whether all cells have one shape and none is a string."""
        return isinstance(self.values, tf.Tensor) and self.values.dtype != tf.string

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return int((self.values if self.numbers is None else self.numbers).shape[0])

    def __call__(self, rows: tf.Tensor) -> Any:
        """Returns the cells of rows, whose numbers may have any shape."""
        if self.numbers is not None:
            rows = tf.gather(self.numbers, rows)
        return tf.gather(self.values, rows)


@dataclasses.dataclass(frozen=True, eq=False)
class RowsInMemory:
    """The examples of a data set of batches, rows or lists of rows, and how batches are made."""

    columns: dict[str, Column]  # of equal length, by name
    count: int  # rows or lists in an epoch
    batch_size: int  # rows or lists in a batch
    rows_a_step: int  # rows in a batch, at most
    seeds: tf.data.Dataset | None  # a pair of seeds for each epoch; `None` without shuffling
    # Maps the seeds to one index for each row or list of an epoch, (count, ...).
    order: Callable[[tf.Tensor | None], tf.Tensor]
    # Maps the indices of a batch to row numbers of any shape, and further columns.
    lay_out: Callable[[tf.Tensor], tuple[tf.Tensor, dict[str, tf.Tensor]]]
    of_one_shape: bool  # whether all full batches have the same shape

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-self.count // self.batch_size)

    def batch(self, part: tf.Tensor) -> dict[str, Any]:
        """Makes a batch from the indices of its rows or lists."""
        rows, more = self.lay_out(part)
        return {**{name: column(rows) for name, column in self.columns.items()}, **more}

    def skip_epoch(self) -> None:
        """Skips the shuffle order of one epoch."""
        if self.seeds is not None:
            iter(self.seeds)

    def next_order(self) -> tf.Tensor:
        """Returns the shuffle order of the next epoch."""
        return self.order(None if self.seeds is None else next(iter(self.seeds)))


class Lookups(NamedTuple):
    """What the steps over examples in memory read."""

    columns: dict[str, Column]  # raw columns by name, without those that nothing reads
    indices: dict[Any, Column]  # feature layer to the precomputed indices of its raw values
    unread: dict[str, tf.TensorSpec]  # features whose raw values nothing reads
    raw: frozenset[str] = frozenset()  # names of features whose raw values are read


_KNOWN: weakref.WeakKeyDictionary[tf.data.Dataset, RowsInMemory] = weakref.WeakKeyDictionary()


def remember(batches: tf.data.Dataset, rows: RowsInMemory) -> tf.data.Dataset:
    """Keeps the examples behind a data set of batches as long as it exists; returns it."""
    _KNOWN[batches] = rows
    return batches


def in_memory_rows(batches: Any) -> RowsInMemory | None:
    """Returns the examples behind a data set of batches, if they are in memory."""
    return _KNOWN.get(batches) if isinstance(batches, tf.data.Dataset) else None
