"""Examples held in memory, and the batches made from them inside a graph."""

import dataclasses
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Column(NamedTuple):
    """The cells of a column: one a row, or one a distinct value and its number for each row."""

    values: Any  # a tensor or a ragged one, (rows or distinct values, ...)
    numbers: tf.Tensor | None = None  # (rows,)

    @property
    def is_plain(self) -> bool:
        """Whether all cells have one shape, and hold no text."""
        return isinstance(self.values, tf.Tensor) and self.values.dtype != tf.string

    @property
    def num_rows(self) -> int:
        """How many rows have a cell."""
        return int((self.values if self.numbers is None else self.numbers).shape[0])

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
    """What a data set of batches, of rows or of lists of them, is made of.

    Attributes:
        columns: Columns of one length, by name.
        count: How many rows or lists a pass has.
        batch_size: Rows or lists a batch.
        rows_a_step: Rows a batch, at most.
        seeds: A data set that yields a pair of seeds, another one at each pass; `None` where the
            order stays the same.
        order: Makes of that pair what stands for each row or list of a pass, `(count, ...)`.
        lay_out: Makes of that, for a batch, the numbers of its rows, of any shape, and columns
            beside those of the rows.
        of_one_shape: Whether all batches that are full have the same shape.
    """

    columns: dict[str, Column]
    count: int
    batch_size: int
    rows_a_step: int
    seeds: tf.data.Dataset | None
    order: Callable[[tf.Tensor | None], tf.Tensor]
    lay_out: Callable[[tf.Tensor], tuple[tf.Tensor, dict[str, tf.Tensor]]]
    of_one_shape: bool

    @property
    def steps(self) -> int:
        """Batches a pass."""
        return -(-self.count // self.batch_size)

    def batch(self, part: tf.Tensor) -> dict[str, Any]:
        """Gives a batch, by name.

        Args:
            part: What stands for its rows or lists.
        """
        rows, more = self.lay_out(part)
        return {**{name: column(rows) for name, column in self.columns.items()}, **more}

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
        raw: Names of the features whose raw values something reads.
    """

    columns: dict[str, Column]
    codes: dict[Any, Column]
    unread: dict[str, tf.TensorSpec]
    raw: frozenset[str] = frozenset()


_KNOWN: weakref.WeakKeyDictionary[tf.data.Dataset, RowsInMemory] = weakref.WeakKeyDictionary()


def remember(batches: tf.data.Dataset, rows: RowsInMemory) -> tf.data.Dataset:
    """Keeps what batches are made of as long as there is the data set, and gives it back."""
    _KNOWN[batches] = rows
    return batches


def rows_of(batches: Any) -> RowsInMemory | None:
    """Gives the rows that a data set of batches is made of, if they are in memory."""
    return _KNOWN.get(batches) if isinstance(batches, tf.data.Dataset) else None
