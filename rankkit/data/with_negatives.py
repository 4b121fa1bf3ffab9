"""Clicks beside candidates that were not clicked, as a `tf.data.Dataset` of labelled rows."""

import random
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid
from rankkit._lists import MASK
from rankkit.data.array_batches import made_of_numbers
from rankkit.data.batches import check_number
from rankkit.data.candidate_pool import candidate_pool, check_clicks
from rankkit.data.columns import as_columns
from rankkit.data.encoded import encoded
from rankkit.data.negative_draws import NegativeDraws
from rankkit.data.order import seeds_by_epoch


def with_negatives(
    rows: Any,
    batch_size: int,
    *,
    item: str,
    query: str = "user_id",
    num_negatives: int = 4,
    candidates: Any = None,
    popularity: float = 0.0,
    label: str = "click",
    lists: bool = False,
    seed: int | None = None,
    initial_epoch: int = 0,
    columns: Iterable[str] | None = None,
) -> tf.data.Dataset:
    """Batches of clicks, each followed by candidates that its query has not clicked.

    At each pass the clicks come in a new order, with other candidates. With a `seed`, those of
    each epoch are fixed, as in `rankkit.data.batches`. What a query has clicked in any of the
    rows is never drawn for it.

    Args:
        rows: The clicks: a dict of arrays or lists, or a pandas DataFrame.
        batch_size: Clicks a batch; with their negatives it has `batch_size * (1 + num_negatives)`
            rows.
        item: The column of the item.
        query: The column of who clicked. Defaults to `"user_id"`.
        num_negatives: Candidates drawn for each click. Defaults to `4`.
        candidates: What is drawn from: column name to values, `item` among them, each item once.
            Its columns replace those of the click; the others are repeated. Defaults to `None`,
            the items of the rows.
        popularity: Candidates are drawn in proportion to their number of clicks to this power: 0
            for all alike, 1 for their popularity. Defaults to `0.0`.
        label: The column to add: 1 for clicks, 0 for the others. Defaults to `"click"`.
        lists: Whether each click and its negatives are a list, for a loss over lists.
            Defaults to `False`, rows.
        seed: Chooses the orders and the candidates. Defaults to `None`: one is drawn from Python's
            `random`.
        initial_epoch: The epoch that the first pass stands for. Defaults to `0`.
        columns: The columns of the rows to take. Defaults to `None`: all.

    Returns:
        The batches, with their number known.

    Raises:
        TypeError: If the rows, or the values of a column, are of a kind that cannot be batched.
        ValueError: If there is no row, a column is not known, a number is out of its range, or a
            query has clicked all that can be drawn.

    Example:
        >>> import rankkit as rk
        >>> clicks = {"user_id": ["u1", "u2"], "item_id": ["a", "b"]}
        >>> [batch] = rk.data.with_negatives(clicks, 2, item="item_id", num_negatives=1, seed=1)
        >>> batch["click"].numpy().tolist()
        [1.0, 0.0, 1.0, 0.0]
        >>> sorted(zip(batch["user_id"].numpy(), batch["item_id"].numpy()))
        [(b'u1', b'a'), (b'u1', b'b'), (b'u2', b'a'), (b'u2', b'b')]
    """
    for name, number, least in (
        ("batch_size", batch_size, 1),
        ("num_negatives", num_negatives, 1),
        ("initial_epoch", initial_epoch, 0),
        ("seed", 0 if seed is None else seed, 0),
    ):
        check_number(name, number, least)
    if isinstance(popularity, bool) or not isinstance(popularity, int | float) or popularity < 0:
        raise invalid("popularity", popularity, "a power of at least 0")
    clicks = as_columns(rows, columns)
    check_clicks(clicks, query, item, [label, MASK])
    pool = candidate_pool(candidates, [clicks[item]], query, item)
    draws = NegativeDraws(clicks[query], clicks[item], pool[item], query, popularity)
    taken = {name: encoded(name, column) for name, column in clicks.items()}
    drawn = {name: encoded(name, pool[name]) for name in pool if name in clicks}
    num_rows = len(clicks[item])
    first = random.randrange(2**31) if seed is None else seed

    def numbered(pair: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(num_rows, dtype=tf.int64)
        order = tf.random.experimental.stateless_shuffle(order, pair)
        batched = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return batched.enumerate().map(lambda number, rows: (pair + tf.stack([number, 0]), rows))

    def batch(pair: tf.Tensor, rows: tf.Tensor) -> dict[str, Any]:
        negatives = draws.draw(rows, num_negatives, pair)  # (batch, num_negatives)
        repeated = tf.tile(rows[:, tf.newaxis], [1, 1 + num_negatives])
        made = {name: take(repeated) for name, take in taken.items()}
        for name, take in drawn.items():
            made[name] = tf.concat([taken[name](rows[:, tf.newaxis]), take(negatives)], axis=1)
        made[label] = tf.concat([tf.ones_like(repeated)[:, :1], tf.zeros_like(negatives)], axis=1)
        made[label] = tf.cast(made[label], tf.float32)
        if lists:
            return {**made, MASK: tf.ones_like(repeated, tf.bool)}
        return {name: _as_rows(column) for name, column in made.items()}

    seeds = seeds_by_epoch(first, initial_epoch=initial_epoch)
    return made_of_numbers(seeds, numbered, batch, -(-num_rows // batch_size))


def _as_rows(column: Any) -> Any:
    if isinstance(column, tf.RaggedTensor):
        return column.merge_dims(0, 1)
    return tf.reshape(column, tf.concat([[-1], tf.shape(column)[2:]], axis=0))
