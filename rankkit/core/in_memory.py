"""Examples held in memory, and the batches made from them inside a graph."""

import dataclasses
import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rankkit.core.features import NUMBER_PADDING, TEXT_PADDING


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

    def __call__(self, rows: tf.Tensor, *, static: bool = False) -> Any:
        """Returns the cells of rows, whose numbers may have any shape."""
        del static  # the shape of a cell is that of all cells
        if self.numbers is not None:
            rows = tf.gather(self.numbers, rows)
        return tf.gather(self.values, rows)


class Windows:
    """A column of lists, each a range of the cells of one table, which is not copied.

    It takes the place of an object array of lists: rows are selected by indices, and `tolist`
    returns the lists. Like a `Column`, it returns the cells of rows inside a graph.

    Args:
        table: The cells, one value in each.
        starts: First cell of each row, `(rows,)` of integers.
        lengths: Number of cells of each row, `(rows,)` of `int32`.
        width: The largest length that is allowed.
        origins: The cells are subtracted from these numbers, `(rows,)`, and rounded down. Defaults
            to `None`: the cells are returned as they are.
    """

    ndim, dtype = 1, np.dtype(object)  # as of an array of lists

    def __init__(self, table: Column, starts: Any, lengths: Any, width: int, origins: Any = None):
        self._table, self._width = table, width
        self._starts, self._lengths = map(tf.convert_to_tensor, (starts, lengths))
        self._origins = None if origins is None else tf.convert_to_tensor(origins)

    @property
    def is_plain(self) -> bool:
        """Whether the lists, padded to one length, are not of strings."""
        return self._table.is_plain

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return len(self)

    @property
    def shape(self) -> tuple[int]:
        """The shape of an array of lists."""
        return (len(self),)

    def __len__(self) -> int:
        return int(self._starts.shape[0])

    def __call__(self, rows: tf.Tensor, *, static: bool = False) -> Any:
        """Returns the lists of rows, ragged, or padded to the largest length for a static shape."""
        starts = tf.cast(tf.gather(self._starts, rows), tf.int64)
        lengths = tf.gather(self._lengths, rows)
        origins = None if self._origins is None else tf.gather(self._origins, rows)
        if static:
            steps = tf.range(self._width)
            is_member = steps < lengths[..., tf.newaxis]
            positions = starts[..., tf.newaxis] + tf.cast(steps, tf.int64)
            origins = None if origins is None else origins[..., tf.newaxis]
            cells = self._cells(tf.where(is_member, positions, 0), origins)
            is_text = cells.dtype == tf.string
            return tf.where(
                is_member, cells, TEXT_PADDING if is_text else tf.cast(NUMBER_PADDING, cells.dtype)
            )
        starts = tf.reshape(starts, [-1])
        ends = starts + tf.cast(tf.reshape(lengths, [-1]), tf.int64)
        positions = tf.ragged.range(starts, ends)
        if origins is not None:
            origins = tf.gather(tf.reshape(origins, [-1]), positions.value_rowids())
        lists = positions.with_flat_values(self._cells(positions.flat_values, origins))
        shape = tf.shape(rows, tf.int64)
        for axis in range(rows.shape.rank - 1, 0, -1):
            lists = tf.RaggedTensor.from_uniform_row_length(
                lists, shape[axis], tf.reduce_prod(shape[:axis])
            )
        return lists

    def _cells(self, positions: tf.Tensor, origins: tf.Tensor | None) -> tf.Tensor:
        cells = self._table(positions)
        if origins is None:
            return cells
        gaps = origins - cells
        return tf.cast(tf.floor(gaps), tf.int64) if gaps.dtype.is_floating else gaps

    def with_cells(self, encode: Callable[[Column], Column | None]) -> "Windows | None":
        """Returns lists of encoded cells; `None` if they are not encoded, or depend on the row."""
        cells = encode(self._table) if self._origins is None else None
        return cells and Windows(cells, self._starts, self._lengths, self._width)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, int | np.integer):
            return self[np.array([rows])].tolist()[0]
        starts, lengths = np.asarray(self._starts)[rows], np.asarray(self._lengths)[rows]
        origins = None if self._origins is None else np.asarray(self._origins)[rows]
        return Windows(self._table, starts, lengths, self._width, origins)

    def __iter__(self) -> Iterator[list]:
        return iter(self.tolist())

    def tolist(self) -> list[list]:
        """Returns the list of each row, text as `str`."""
        lists = self(tf.range(len(self)))
        members, ends = lists.flat_values.numpy().tolist(), lists.row_splits.numpy().tolist()
        if lists.dtype == tf.string:
            members = [member.decode() for member in members]
        return [members[start:end] for start, end in itertools.pairwise(ends)]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.fromiter(self.tolist(), object, len(self))


@dataclasses.dataclass(frozen=True, eq=False)
class RowsInMemory:
    """The examples of a data set of batches, rows or lists of rows, and how batches are made."""

    columns: dict[str, Column | Windows]  # of equal length, by name
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

    columns: dict[str, Column | Windows]  # raw columns by name, without those that nothing reads
    indices: dict[
        Any, Column | Windows
    ]  # feature layer to the precomputed indices of its raw values
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
