"""Batches of tables that are read in blocks, sharded between workers."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import tensorflow as tf

from rankkit.data.batches import WINDOW, check_number, drawn_seed
from rankkit.data.readers.arrow import cells_of, column_parts, part_specs, table_blocks
from rankkit.data.shuffle import seeds_by_epoch
from rankkit.utils.errors import invalid


class RowShard(NamedTuple):
    """A part of rows, such that all parts have as many, or one more.

    Workers that train together take their steps together, so all parts have as many batches.
    Each divides its own anew among as many steps as there are workers; TensorFlow crashes at a
    step without any row, so that the last batch has one for each.

    Attributes:
        number: Which part, from 0.
        of: How many parts there are.
    """

    number: int
    of: int

    def bounds(self, num_rows: int) -> tuple[int, int]:
        """Gives the first of its rows, and the one behind the last, of all rows."""
        return num_rows * self.number // self.of, num_rows * (self.number + 1) // self.of

    def pieces(self, order: Iterable[int], sizes: list[int]) -> Iterator[tuple[int, int, int]]:
        """Gives the runs of rows that hold some of its own, and where these start and stop there.

        Args:
            order: The runs, as they come.
            sizes: The rows of each run.
        """
        bounds = self.bounds(sum(sizes))
        end = 0
        for place in order:
            first, end = end, end + sizes[place]
            start, stop = (min(max(bound, first), end) - first for bound in bounds)
            if start < stop:
                yield place, start, stop

    def num_batches(self, num_rows: int, batch_size: int, *, drop_remainder: bool) -> int:
        """Gives the number of its batches, which is that of every part."""
        if drop_remainder:
            return num_rows // self.of // batch_size
        return -(-num_rows // (self.of * batch_size))

    def last_rows(self, num_rows: int, batch_size: int) -> int:
        """Gives how many of its rows are a last batch apart, 0 if that comes of itself."""
        start, stop = self.bounds(num_rows)
        others = self.num_batches(num_rows, batch_size, drop_remainder=False) - 1
        rest = stop - start - others * batch_size
        return min(self.of, stop - start) if rest < self.of else 0


def checked_shard(shard: Any, num_rows: int) -> RowShard:
    """Gives a pair of numbers as a part of rows.

    Raises:
        ValueError: If it is none, or there are more parts than rows.
    """
    try:
        number, count = map(int, shard)
    except (TypeError, ValueError):
        number, count = -1, 0
    if not 0 <= number < count:
        fix = "The second of four workers takes (1, 4)."
        raise invalid("shard", shard, "a pair, of a number from 0 and how many there are", fix)
    if count > num_rows:
        raise invalid("number of shards", count, f"at most the {num_rows} rows")
    return RowShard(number, count)


class Tables(Protocol):
    """Rows of files.

    Attributes:
        kinds: Column to its plain type.
    """

    kinds: dict[str, pa.DataType]

    @property
    def tables(self) -> Callable[..., Iterator[pa.Table]]:
        """Reads the rows once, given what draws their order and the columns, and maybe a shard."""
        ...

    @property
    def num_rows(self) -> int | None:
        """How many rows there are, `None` if that is not known ahead."""
        ...


# What was made here can be counted without making tensors of it.
_SOURCES: WeakKeyDictionary[tf.data.Dataset, Tables] = WeakKeyDictionary()


def source_of(batched: tf.data.Dataset) -> Tables | None:
    """The files that a data set, as `table_batches` gave it, is read from."""
    return _SOURCES.get(batched)


def table_batches(
    files: Tables,
    batch_size: int,
    *,
    shuffle: bool | int,
    seed: int | None,
    initial_epoch: int,
    drop_remainder: bool,
    shard: RowShard | None = None,
) -> tf.data.Dataset:
    """Makes batches of rows of files, as they are read.

    Args:
        files: The rows.
        batch_size: Rows a batch.
        shuffle: Whether to shuffle, or how many rows to mix at a time.
        seed: Chooses the orders of the epochs.
        initial_epoch: The epoch that the first pass stands for.
        drop_remainder: Whether to leave out a last batch that is not full.
        shard: The part of the rows. Defaults to `None`, all.

    Raises:
        ValueError: If a number is out of its range.
    """
    check_number("batch_size", batch_size, 1)
    window = _window(shuffle)
    first = drawn_seed(seed, initial_epoch, bool(shuffle))
    part = shard or RowShard(0, 1)
    num_rows = files.num_rows
    last_rows = 0
    if num_rows is not None and not drop_remainder:
        last_rows = part.last_rows(num_rows, batch_size)

    blocks = partial(_blocks, files, batch_size, window, shard, last_rows)
    signature = {name: part_specs(kind) for name, kind in files.kinds.items()}
    passes = tf.data.Dataset.from_tensors(tf.zeros(2, tf.int64))
    if window:
        passes = seeds_by_epoch(first, initial_epoch=initial_epoch)
    made = passes.flat_map(
        lambda pair: tf.data.Dataset.from_generator(blocks, output_signature=signature, args=[pair])
    ).prefetch(1)
    made = made.flat_map(lambda block: _cut(block, batch_size, drop_remainder=drop_remainder))
    if num_rows is not None:
        count = part.num_batches(num_rows, batch_size, drop_remainder=drop_remainder)
        known = tf.data.experimental.assert_cardinality(count)
        # Of a shard it stays unknown: Keras takes it for that of the batches of all workers.
        made = made.apply(known) if shard is None else made.take(count)
    made = made.prefetch(tf.data.AUTOTUNE).with_options(_options(sharded=shard is not None))
    _SOURCES[made] = files
    return made


def _blocks(
    files: Tables,
    batch_size: int,
    window: int,
    shard: RowShard | None,
    last_rows: int,
    pair: np.ndarray,
) -> Iterator[dict[str, Any]]:
    # Row groups come in one order for all shards, and the rows of each in one of its own.
    order, draws = (
        np.random.default_rng([*pair.view(np.uint64), stream]) if window else None
        for stream in (0, 1 if shard is None else 1 + shard.number)
    )
    tables = files.tables(order, files.kinds, *([] if shard is None else [shard]))
    for block in table_blocks(tables, batch_size, window, draws, last_rows=last_rows):
        yield {name: column_parts(block[name]) for name in files.kinds}


def _window(shuffle: bool | int) -> int:
    if shuffle is True:
        return WINDOW
    if not isinstance(shuffle, int) or shuffle < 0:
        expected = "True, False or a window of at least 1 row"
        raise invalid("shuffle", shuffle, expected, "Give True if unsure.")
    return int(shuffle)


def _cut(block: Mapping[str, Any], batch_size: int, *, drop_remainder: bool) -> tf.data.Dataset:
    first = next(iter(block.values()))
    num_rows = tf.size(first[0], tf.int64) - (len(first) - 1)  # lists have one split more
    last = num_rows - batch_size + 1 if drop_remainder else num_rows
    starts = tf.data.Dataset.range(0, last, batch_size)

    def batch(start: tf.Tensor) -> dict[str, Any]:
        stop = tf.minimum(start + batch_size, num_rows)
        cells = {name: cells_of(parts, start, stop) for name, parts in block.items()}
        if drop_remainder:
            for column in cells.values():
                if isinstance(column, tf.Tensor):
                    column.set_shape([batch_size])
        return cells

    return starts.map(batch)


def _options(*, sharded: bool) -> tf.data.Options:
    options = tf.data.Options()
    policies = tf.data.experimental.AutoShardPolicy
    # Without shards each of several workers reads all, and takes its part of each batch.
    options.experimental_distribute.auto_shard_policy = policies.OFF if sharded else policies.DATA
    return options
