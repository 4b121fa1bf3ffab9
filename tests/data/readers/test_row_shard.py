import itertools

import pyarrow as pa
import pytest

from rankkit.data.readers.table_batches import RowShard
from rankkit.data.readers.arrow import table_blocks


def batches_of(shard, num_rows, batch_size):
    """The batches of a shard, of row groups of three rows."""
    start, stop = shard.bounds(num_rows)
    rows = pa.table({"number": range(start, stop)})
    groups = (rows.slice(first, 3) for first in range(0, stop - start, 3))
    last_rows = shard.last_rows(num_rows, batch_size)
    for block in table_blocks(groups, batch_size, 0, None, last_rows=last_rows):
        numbers = block["number"].to_pylist()
        yield from (numbers[at : at + batch_size] for at in range(0, len(numbers), batch_size))


@pytest.mark.parametrize("of", [1, 2, 3, 4])
def test_workers_step_together_and_none_goes_without_rows(of):
    for num_rows, batch_size in itertools.product(range(of * of, 90), range(2 * of, 12)):
        shards = [list(batches_of(RowShard(n, of), num_rows, batch_size)) for n in range(of)]
        told = RowShard(0, of).num_batches(num_rows, batch_size, drop_remainder=False)
        assert {len(shard) for shard in shards} == {told}
        assert min(len(batch) for shard in shards for batch in shard) >= min(of, num_rows)
        assert max(len(batch) for shard in shards for batch in shard) <= batch_size
        rows = [row for shard in shards for batch in shard for row in batch]
        assert rows == list(range(num_rows))


def test_one_part_of_one_is_cut_as_ever():
    assert RowShard(0, 1).last_rows(21, 4) == 0
    assert [len(batch) for batch in batches_of(RowShard(0, 1), 21, 4)] == [4, 4, 4, 4, 4, 1]
