import itertools

import pyarrow as pa
import pytest

from rankkit.data.readers.table_batches import RowShard, rechunk


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
    for num_rows, batch_size in itertools.product(
        range(count * count, 60), range(2 * count, 12, 2)
    ):
        shards = [list(batches_of(RowShard(n, count), num_rows, batch_size)) for n in range(count)]
        expected = RowShard(0, count).num_batches(num_rows, batch_size, drop_remainder=False)
        assert {len(shard) for shard in shards} == {expected}
        batches = [batch for shard in shards for batch in shard]
        assert min(map(len, batches)) >= min(count, num_rows)
        assert max(map(len, batches)) <= batch_size
        assert [row for batch in batches for row in batch] == list(range(num_rows))


def test_single_shard_keeps_a_short_last_batch():
    assert RowShard(0, 1).last_batch_size(21, 4) == 0
    assert [len(batch) for batch in batches_of(RowShard(0, 1), 21, 4)] == [4, 4, 4, 4, 4, 1]
