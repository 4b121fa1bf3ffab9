"""Tables that follow each other, mixed and cut into blocks of whole batches."""

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa


def table_blocks(
    tables: Iterable[pa.Table],
    batch_size: int,
    window: int,
    draws: np.random.Generator | None,
    *,
    last_rows: int = 0,
) -> Iterator[pa.Table]:
    """Cuts tables anew, so that only the last batch is not full.

    Args:
        tables: Of the same columns.
        batch_size: Rows a batch.
        window: How many rows are held, at least, when some are drawn from them. Half of them stay
            for the next draw: rows of tables that are far apart meet as well.
        draws: Chooses the order of the rows; `None` leaves it.
        last_rows: How many rows at the end are a batch of their own. Defaults to `0`.
    """
    held: list[pa.Table] = []
    num_held = 0
    for table in tables:
        held.append(table)
        num_held += table.num_rows
        if num_held < max(window, batch_size):
            continue
        ready = (num_held - max(last_rows, window // 2)) // batch_size * batch_size
        if ready > 0:
            mixed = _mixed(held, draws)
            yield mixed.slice(0, ready)
            held, num_held = [mixed.slice(ready)], num_held - ready
    if not num_held:
        return
    rest = _mixed(held, draws)
    for part in (rest.slice(0, num_held - last_rows), rest.slice(num_held - last_rows)):
        if part.num_rows:
            yield part


def _mixed(tables: list[pa.Table], draws: np.random.Generator | None) -> pa.Table:
    whole = pa.concat_tables(tables)
    return whole if draws is None else whole.take(pa.array(draws.permutation(whole.num_rows)))
