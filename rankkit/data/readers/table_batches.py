"""Batches of rows that are read from files as Arrow tables, and shards for workers."""

import functools
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import tensorflow as tf

from rankkit.data.batches import buffer_size, prefetch, resolve_seed
from rankkit.data.readers.arrow import slice_rows, tensor_specs, to_arrays
from rankkit.data.shuffle import seeds_by_epoch
from rankkit.utils.errors import check_boolean, check_integer, invalid, is_integer
from rankkit.utils.graph_errors import marked, plain_errors

Slice = tuple[int, int, int]  # chunk of rows, start and stop within it


class RowShard(NamedTuple):
    """A contiguous part of the rows, one of `num_shards` that differ by at most one row.

    All shards have equally many batches, for workers in lockstep. Each batch is split among them
    again, and TensorFlow crashes at a step without rows: the last has at least one per worker.
    """

    shard_id: int
    num_shards: int

    def bounds(self, num_rows: int) -> tuple[int, int]:
        """Start and stop of the shard among all rows."""
        start, stop = self.shard_id, self.shard_id + 1
        return num_rows * start // self.num_shards, num_rows * stop // self.num_shards

    def slices(self, order: Iterable[int], sizes: list[int]) -> Iterator[Slice]:
        """Slices of the shard, for chunks of the given sizes in this order."""
        bounds = self.bounds(sum(sizes))
        end = 0
        for chunk in order:
            first, end = end, end + sizes[chunk]
            start, stop = (min(max(bound, first), end) - first for bound in bounds)
            if start < stop:
                yield chunk, start, stop

    def num_batches(self, num_rows: int, batch_size: int, *, drop_remainder: bool) -> int:
        """Number of batches of this shard, and of every other one."""
        if drop_remainder:
            return num_rows // self.num_shards // batch_size
        return -(-num_rows // (self.num_shards * batch_size))

    def last_batch_size(self, num_rows: int, batch_size: int) -> int:
        """Rows to set aside for the last batch, 0 if the remainder is enough."""
        start, stop = self.bounds(num_rows)
        num_full = self.num_batches(num_rows, batch_size, drop_remainder=False) - 1
        remainder = stop - start - num_full * batch_size
        return min(self.num_shards, stop - start) if remainder < self.num_shards else 0


ALL_ROWS = RowShard(0, 1)


class TableFiles(ABC):
    """Files of rows with the same columns, read as Arrow tables chunk by chunk."""

    types: dict[str, pa.DataType]  # of each column, after casting
    num_rows: int | None = None  # None if unknown
    num_chunks: int
    chunk_sizes: list[int]  # rows per chunk, known after `count_rows`

    def count_rows(self) -> int:
        """Number of rows; reads the files if needed."""
        return sum(self.chunk_sizes)

    @abstractmethod
    def read(self, slices: Iterable[Slice], names: list[str]) -> Iterator[pa.Table]:
        """Reads columns of slices of chunks, cast to their types."""

    def tables(
        self, rng: np.random.Generator | None, names: Iterable[str], shard: RowShard = ALL_ROWS
    ) -> Iterator[pa.Table]:
        """Reads columns of all rows or of a shard, with the chunks shuffled by `rng`."""
        order = np.arange(self.num_chunks)
        if rng is not None:
            order = rng.permutation(order)
        slices = ((chunk, 0, sys.maxsize) for chunk in order.tolist())
        if shard != ALL_ROWS:
            slices = shard.slices(order.tolist(), self.chunk_sizes)
        return self.read(slices, list(names))


# Files of the data sets made here, whose ids can be counted without making tensors.
_FILES: WeakKeyDictionary[tf.data.Dataset, TableFiles] = WeakKeyDictionary()


def files_of(dataset: tf.data.Dataset) -> TableFiles | None:
    """The files behind a data set made by `table_batches`, None for other data sets."""
    return _FILES.get(dataset)


def table_batches(
    files: TableFiles,
    batch_size: int,
    shuffle: bool | int,
    seed: int | None,
    initial_epoch: int,
    shard: tuple[int, int] | None,
    drop_remainder: bool,
) -> tf.data.Dataset:
    """Batches of the rows of files; the arguments are those of `read_parquet`."""
    check_integer("batch_size", batch_size)
    drop_remainder = check_boolean("drop_remainder", drop_remainder)
    buffer = buffer_size(shuffle)
    seed = resolve_seed(seed, initial_epoch, bool(buffer))
    part = ALL_ROWS if shard is None else _checked_shard(shard, files)
    num_rows = files.num_rows
    last_rows = 0
    if num_rows is not None and not drop_remainder:
        last_rows = part.last_batch_size(num_rows, batch_size)

    def read(seeds: np.ndarray) -> Iterator[dict[str, Any]]:
        # All shards share one order of files or row groups; each has its own order of rows.
        chunk_rng, row_rng = (
            np.random.default_rng([*seeds.view(np.uint64), stream]) if buffer else None
            for stream in (0, 1 + part.shard_id)
        )
        tables = files.tables(chunk_rng, files.types, part)
        try:
            for block in rechunk(tables, batch_size, buffer, row_rng, last_rows=last_rows):
                yield {name: to_arrays(block[name]) for name in files.types}
        except (ValueError, TypeError, OSError) as error:
            raise marked(error) from None

    signature = {name: tensor_specs(kind) for name, kind in files.types.items()}
    epochs = tf.data.Dataset.from_tensors(tf.zeros(2, tf.int64))
    if buffer:
        epochs = seeds_by_epoch(seed, initial_epoch=initial_epoch)
    blocks = epochs.flat_map(
        lambda pair: tf.data.Dataset.from_generator(read, output_signature=signature, args=[pair])
    ).prefetch(1)
    batched = blocks.flat_map(lambda block: _cut(block, batch_size, drop_remainder=drop_remainder))
    if num_rows is not None:
        count = part.num_batches(num_rows, batch_size, drop_remainder=drop_remainder)
        known = tf.data.experimental.assert_cardinality(count)
        # Keras would take the cardinality of a shard for the number of batches of all workers.
        batched = batched.apply(known) if shard is None else batched.take(count)
    batched = prefetch(batched, auto_shard=shard is None)
    batched.__class__ = _with_plain_errors(type(batched))
    _FILES[batched] = files
    return batched


@functools.cache
def _with_plain_errors(kind: Any) -> type:
    """A subclass of a data set of TensorFlow, or of its iterator.

    Iterating it raises errors of a reader as they were written, without TensorFlow's text. Only
    Python code sees the difference: transformations, strategies and Keras treat it as the original.
    """

    def iterate(data: Any) -> Any:
        iterator = kind.__iter__(data)
        iterator.__class__ = _with_plain_errors(type(iterator))
        return iterator

    def advance(iterator: Any) -> Any:
        with plain_errors():
            return kind.__next__(iterator)

    changed = {"__next__": advance} if hasattr(kind, "__next__") else {"__iter__": iterate}
    return type(kind.__name__, (kind,), {"__module__": kind.__module__, "__slots__": (), **changed})


def _checked_shard(shard: Any, files: TableFiles) -> RowShard:
    numbers = tuple(shard) if isinstance(shard, tuple | list | np.ndarray) else ()
    if len(numbers) != 2 or not all(map(is_integer, numbers)) or not 0 <= numbers[0] < numbers[1]:
        expected = "(number, count), with 0 <= number < count"
        raise invalid("shard", shard, expected, "The second of four workers takes (1, 4).")
    if numbers[1] > (num_rows := files.count_rows()):
        expected = f"one of at most {num_rows} parts, the number of rows"
        raise invalid("shard", shard, expected, "Use fewer workers.")
    return RowShard(*map(int, numbers))


def rechunk(
    tables: Iterable[pa.Table],
    batch_size: int,
    buffer_size: int,
    rng: np.random.Generator | None,
    *,
    last_rows: int = 0,
) -> Iterator[pa.Table]:
    """Shuffles tables in a buffer and cuts them into blocks of whole batches, except the last.

    Half of the buffer is kept for the next block, so that rows of distant tables mix too. The last
    `last_rows` rows are a block of their own.
    """
    held: list[pa.Table] = []
    num_held = 0
    for table in tables:
        held.append(table)
        num_held += table.num_rows
        if num_held < max(buffer_size, batch_size):
            continue
        num_ready = (num_held - max(last_rows, buffer_size // 2)) // batch_size * batch_size
        if num_ready > 0:
            merged = _merge(held, rng)
            yield merged.slice(0, num_ready)
            held, num_held = [merged.slice(num_ready)], num_held - num_ready
    if not num_held:
        return
    rest = _merge(held, rng)
    for part in (rest.slice(0, num_held - last_rows), rest.slice(num_held - last_rows)):
        if part.num_rows:
            yield part


def _merge(tables: list[pa.Table], rng: np.random.Generator | None) -> pa.Table:
    merged = pa.concat_tables(tables)
    return merged if rng is None else merged.take(pa.array(rng.permutation(merged.num_rows)))


def _cut(block: Mapping[str, Any], batch_size: int, *, drop_remainder: bool) -> tf.data.Dataset:
    first = next(iter(block.values()))
    num_rows = tf.shape(first[0], tf.int64)[0] - (len(first) - 1)  # lists have one split more
    last = num_rows - batch_size + 1 if drop_remainder else num_rows
    starts = tf.data.Dataset.range(0, last, batch_size)

    def make_batch(start: tf.Tensor) -> dict[str, Any]:
        stop = tf.minimum(start + batch_size, num_rows)
        batch = {name: slice_rows(arrays, start, stop) for name, arrays in block.items()}
        if drop_remainder:
            for column in batch.values():
                if isinstance(column, tf.Tensor):
                    column.set_shape([batch_size, *column.shape[1:]])
        return batch

    return starts.map(make_batch)
