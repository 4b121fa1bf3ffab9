"""Orders and shards of rows in files, for all readers."""

import functools
import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from rankkit.data import read_csv, read_parquet
from rankkit.data.readers import csv as csv_module
from rankkit.data.readers.table_batches import RowShard, rechunk


@pytest.fixture(params=["csv", "parquet"])
def read(request, tmp_path, monkeypatch):
    """Reads the numbers from 0 to 19, in three files of several blocks or row groups."""
    monkeypatch.setattr(csv_module, "_BLOCK_BYTES", 16)
    for file, (start, stop) in enumerate(((0, 7), (7, 8), (8, 20))):
        path = tmp_path / f"{file}.{request.param}"
        if request.param == "csv":
            path.write_text("\n".join(["number", *map(str, range(start, stop)), ""]))
        else:
            pq.write_table(pa.table({"number": range(start, stop)}), path, row_group_size=5)
    reader = {"csv": read_csv, "parquet": read_parquet}[request.param]
    return functools.partial(reader, tmp_path)


def numbers_of(batched):
    return [batch["number"].numpy().tolist() for batch in batched]


def all_of(batched):
    return list(itertools.chain(*numbers_of(batched)))


def test_each_epoch_is_shuffled_differently_and_resumable(read):
    settings = {"batch_size": 6, "shuffle": 8, "seed": 3}
    whole = read(**settings)
    epochs = [numbers_of(whole) for _ in range(3)]
    assert all(sorted(itertools.chain(*epoch)) == list(range(20)) for epoch in epochs)
    assert len({str(epoch) for epoch in epochs}) == 3
    tf.random.set_seed(99)  # has no effect
    resumed = read(**settings, initial_epoch=1)
    assert [numbers_of(resumed) for _ in range(2)] == epochs[1:]
    assert numbers_of(read(**{**settings, "seed": 4})) != epochs[0]


def test_shards_are_equal_ranges_of_the_rows(read):
    shards = [all_of(read(batch_size=4, shard=(number, 3))) for number in range(3)]
    assert shards == [list(range(6)), list(range(6, 13)), list(range(13, 20))]


@pytest.mark.parametrize("count", [2, 6])
def test_shards_partition_the_rows_of_each_epoch(read, count):
    settings = {"batch_size": 4, "shuffle": 8, "seed": 1}
    shards = [read(**settings, shard=(number, count)) for number in range(count)]
    epochs = [[all_of(shard) for shard in shards] for _ in range(2)]
    for epoch in epochs:
        assert sorted(itertools.chain(*epoch)) == list(range(20))
        assert {len(shard) for shard in epoch} <= {20 // count, -(-20 // count)}
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize(
    ("count", "batch_size", "drop_remainder", "sizes"),
    [
        # The shards have 6, 7 and 7 rows. A last batch needs a row for each of the three workers.
        (3, 4, False, {(3, 3), (4, 3)}),
        (3, 6, False, {(3, 3), (4, 3)}),
        (3, 7, True, {()}),
        (2, 4, True, {(4, 4)}),
    ],
)
def test_shards_have_equally_many_batches(read, count, batch_size, drop_remainder, sizes):
    settings = {"shuffle": 8, "seed": 1, "drop_remainder": drop_remainder}
    shards = [read(batch_size=batch_size, **settings, shard=(i, count)) for i in range(count)]
    assert {tuple(map(len, numbers_of(shard))) for shard in shards} == sizes


def test_auto_sharding_is_off_for_shards_only(read):
    policies = tf.data.experimental.AutoShardPolicy
    whole, shard = read(), read(shard=(0, 2))
    assert whole.options().experimental_distribute.auto_shard_policy == policies.DATA
    assert shard.options().experimental_distribute.auto_shard_policy == policies.OFF
    # Keras would end an epoch at this number of batches, before they are split among workers.
    assert shard.cardinality() == tf.data.UNKNOWN_CARDINALITY


SHARD = r"shard must be \(number, count\), with 0 <= number < count\. Got: shard="


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"batch_size": 0}, r"batch_size must be an integer of at least 1\. Got: batch_size=0"),
        ({"shuffle": -1}, r"shuffle must be True, False or a buffer size of at least 1 row\. Got"),
        ({"shuffle": True, "initial_epoch": 2}, r"seed must be a number when initial_epoch is not"),
        ({"shard": (2, 2)}, SHARD + r"\(2, 2\)\. The second of four workers takes \(1, 4\)\."),
        ({"shard": (0.5, 2)}, SHARD),
        ({"shard": (0, 21)}, r"one of at most 20 parts.* Got: shard=\(0, 21\)"),
    ],
)
def test_number_out_of_range(read, settings, text):
    with pytest.raises(ValueError, match=text):
        read(**settings)


def batches_of(shard, num_rows, batch_size):
    """Batches of the rows of a shard, read in row groups of three."""
    start, stop = shard.bounds(num_rows)
    rows = pa.table({"number": range(start, stop)})
    groups = (rows.slice(first, 3) for first in range(0, stop - start, 3))
    last_rows = shard.last_batch_size(num_rows, batch_size)
    for block in rechunk(groups, batch_size, 0, None, last_rows=last_rows):
        numbers = block["number"].to_pylist()
        yield from (numbers[at : at + batch_size] for at in range(0, len(numbers), batch_size))


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_shards_have_equally_many_batches_with_a_row_per_worker(count):
    sizes = itertools.product(range(count * count, 60), range(2 * count, 12, 2))
    for num_rows, batch_size in sizes:
        shards = [list(batches_of(RowShard(n, count), num_rows, batch_size)) for n in range(count)]
        expected = RowShard(0, count).num_batches(num_rows, batch_size, drop_remainder=False)
        assert {len(shard) for shard in shards} == {expected}
        batches = [batch for shard in shards for batch in shard]
        assert min(map(len, batches)) >= min(count, num_rows)
        assert max(map(len, batches)) <= batch_size
        assert [row for batch in batches for row in batch] == list(range(num_rows))
