"""Clicks beside candidates that were not clicked, as a `tf.data.Dataset` of labelled rows."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._columns import NUMBER
from rankkit._errors import invalid, unknown, wrong_type
from rankkit._lists import MASK
from rankkit.data.array_batches import made_of_numbers
from rankkit.data.batches import check_number, drawn_seed
from rankkit.data.candidate_pool import candidate_pool, check_clicks, joined
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
    exclude: Any = None,
    outcomes: Iterable[str] = (),
    popularity: float = 0.0,
    label: str = "click",
    lists: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    initial_epoch: int = 0,
    columns: Iterable[str] | None = None,
) -> tf.data.Dataset:
    """Batches of clicks, each followed by candidates that its query has not clicked.

    At each pass the clicks come in a new order, with other candidates. With a `seed`, those of
    each epoch are fixed, as in `rankkit.data.batches`. What a query has clicked in any of the
    rows, or of those to exclude, is never drawn for it.

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
        exclude: Clicks beside the rows, such as those trained on where the rows are to validate
            on: their items are not drawn for their queries either, and count as candidates and
            for the popularity. Defaults to `None`.
        outcomes: Columns of what came of the click, such as a rating: NaN for the others, which
            for a head of that label is no label. Defaults to `()`.
        popularity: Candidates are drawn in proportion to their number of clicks to this power: 0
            for all alike, 1 for their popularity. Defaults to `0.0`.
        label: The column to add: 1 for clicks, 0 for the others. Defaults to `"click"`.
        lists: Whether each click and its negatives are a list, for a loss over lists.
            Defaults to `False`, rows.
        shuffle: Whether order and candidates are new at each pass. Without, both stay the same,
            as rows to validate on are to. Defaults to `True`.
        seed: Chooses the orders and the candidates. Defaults to `None`: one is drawn from Python's
            `random`.
        initial_epoch: The epoch that the first pass stands for. Defaults to `0`.
        columns: The columns of the rows to take. Defaults to `None`: all.

    Returns:
        The batches, with their number known.

    Raises:
        TypeError: If the rows, or the values of a column, are of a kind that cannot be batched,
            or an outcome is no number.
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
    check_number("batch_size", batch_size, 1)
    check_number("num_negatives", num_negatives, 1)
    first = drawn_seed(seed, initial_epoch, shuffle)
    if isinstance(popularity, bool) or not isinstance(popularity, NUMBER):
        raise wrong_type("popularity", popularity, "a number")
    if not 0 <= popularity < math.inf:
        raise invalid("popularity", popularity, "a power of at least 0")
    if isinstance(rows, tf.data.Dataset):
        fix = "All clicks of a query have to be known before one can be drawn that is none."
        raise wrong_type("rows", rows, "in memory: a dict of columns", fix)
    clicks = as_columns(rows, columns)
    check_clicks(clicks, query, item, [label, MASK])
    known = clicks if exclude is None else joined(clicks, as_columns(exclude), [query, item])
    pool = candidate_pool(candidates, [known[item]], query, item)
    draws = NegativeDraws(known[query], known[item], pool[item], query, popularity)
    taken = {name: encoded(name, column) for name, column in clicks.items()}
    drawn = {name: encoded(name, pool[name]) for name in pool if name in clicks}
    of_click = _checked_outcomes(outcomes, clicks, (query, *drawn))
    num_rows = len(clicks[item])

    def numbered(pair: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(num_rows, dtype=tf.int64)
        if shuffle:
            order = tf.random.experimental.stateless_shuffle(order, pair)
        else:
            pair = tf.constant([first, 0], tf.int64)
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
        for name in of_click:
            made[name] = tf.where(made[label] > 0.0, tf.cast(made[name], tf.float32), math.nan)
        if lists:
            return {**made, MASK: tf.ones_like(repeated, tf.bool)}
        return {name: _as_rows(column) for name, column in made.items()}

    seeds = seeds_by_epoch(first, initial_epoch=initial_epoch) if shuffle else None
    return made_of_numbers(seeds, numbered, batch, -(-num_rows // batch_size))


def _checked_outcomes(
    outcomes: Iterable[str], clicks: Mapping[str, np.ndarray], others: Iterable[str]
) -> list[str]:
    outcomes = [outcomes] if isinstance(outcomes, str) else list(outcomes)
    for name in outcomes:
        if name not in clicks:
            raise unknown("column in outcomes", name, clicks)
        if name in others:
            raise invalid("outcomes", name, "columns of neither query nor candidate")
        if clicks[name].dtype.kind not in "biuf":
            raise wrong_type(f"outcome {name!r}", clicks[name][0], "a number")
    return outcomes


def _as_rows(column: Any) -> Any:
    if isinstance(column, tf.RaggedTensor):
        return column.merge_dims(0, 1)
    return tf.reshape(column, tf.concat([[-1], tf.shape(column)[2:]], axis=0))
