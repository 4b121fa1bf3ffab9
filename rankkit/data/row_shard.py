"""One of several equal parts of rows."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from rankkit._errors import invalid


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
