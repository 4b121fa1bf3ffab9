"""Rows in memory, known by the data set of batches that is made of them."""

import dataclasses
import weakref
from typing import Any, NamedTuple

import tensorflow as tf


class Column(NamedTuple):
    """The cells of a column: one a row, or one a distinct value and its number for each row."""

    values: Any  # a tensor or a ragged one, (rows or distinct values, ...)
    numbers: tf.Tensor | None = None  # (rows,)

    def __call__(self, rows: tf.Tensor) -> Any:
        """Gives the cells of rows.

        Args:
            rows: Their numbers, of any shape.
        """
        if self.numbers is not None:
            rows = tf.gather(self.numbers, rows)
        return tf.gather(self.values, rows)


@dataclasses.dataclass(frozen=True, eq=False)
class RowsInMemory:
    """What a data set of batches is made of.

    Attributes:
        columns: Columns of one length, by name.
        num_rows: That length.
        batch_size: Rows a batch.
        steps: Batches a pass.
        seeds: A data set that yields a pair of seeds, another one at each pass; `None` where the
            rows keep their order.
    """

    columns: dict[str, Column]
    num_rows: int
    batch_size: int
    steps: int
    seeds: tf.data.Dataset | None

    def order(self, seed: tf.Tensor | None) -> tf.Tensor:
        """Gives the numbers of all rows in the order of a pass.

        Args:
            seed: What `seeds` yielded for it.
        """
        numbers = tf.range(self.num_rows, dtype=tf.int64)
        if self.seeds is None:
            return numbers
        return tf.random.experimental.stateless_shuffle(numbers, seed)

    def skip_pass(self) -> None:
        """Leaves out the order of a pass."""
        if self.seeds is not None:
            iter(self.seeds)

    def next_order(self) -> tf.Tensor:
        """Gives the order of the pass that comes next, whoever makes the passes."""
        return self.order(None if self.seeds is None else next(iter(self.seeds)))


class Lookups(NamedTuple):
    """What steps over rows in memory read.

    Attributes:
        columns: The raw columns, by name, less those that nothing reads.
        codes: Feature layer to the codes of its raw values.
        unread: Features whose raw values nothing reads.
    """

    columns: dict[str, Column]
    codes: dict[Any, Column]
    unread: dict[str, tf.TensorSpec]


_KNOWN: weakref.WeakKeyDictionary[tf.data.Dataset, RowsInMemory] = weakref.WeakKeyDictionary()


def remember(batches: tf.data.Dataset, rows: RowsInMemory) -> tf.data.Dataset:
    """Keeps what batches are made of as long as there is the data set, and gives it back."""
    _KNOWN[batches] = rows
    return batches


def rows_of(batches: Any) -> RowsInMemory | None:
    """Gives the rows that a data set of batches is made of, if they are in memory."""
    return _KNOWN.get(batches) if isinstance(batches, tf.data.Dataset) else None
