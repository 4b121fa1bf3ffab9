"""Negative sampling for clicks and other implicit feedback."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import NUMBER
from rankkit.core.listwise import MASK
from rankkit.data.batches import check_number, drawn_seed, made_of_numbers
from rankkit.data.columns import as_columns, encoded, numbered
from rankkit.data.shuffle import seeds_by_epoch
from rankkit.utils.errors import invalid, unknown, wrong_type


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


def with_candidates(
    rows: Any,
    *,
    item: str,
    query: str = "user_id",
    exclude: Any = None,
    candidates: Any = None,
    label: str = "click",
) -> dict[str, np.ndarray]:
    """Makes rows of each query with every candidate, to evaluate a ranking of all of them.

    `rankkit.evaluate_ranking` of them, with `relevant=1.0`, tells where the clicks held out come
    among all that could have been shown, which metrics over drawn negatives do not.

    Args:
        rows: The clicks held out: a dict of arrays or lists, or a pandas DataFrame.
        item: The column of the item.
        query: The column of who clicked. Defaults to `"user_id"`.
        exclude: Clicks that are known, such as those trained on: the same pair of query and item
            is left out, unless it is among the rows too. Defaults to `None`.
        candidates: What is ranked: column name to values, `item` among them, each item once. Its
            columns replace those of the click; the others are those of the query's first row.
            Defaults to `None`, the items of the rows and of `exclude`.
        label: The column to add: 1 for clicks, 0 for the others. Defaults to `"click"`.

    Returns:
        The rows, `(queries * candidates - left out,)` each column.

    Raises:
        TypeError: If the rows or candidates are of a kind that has no columns.
        ValueError: If there is no row, a column is missing or named as the label, a candidate
            comes twice, or a click is of none of the candidates.

    References:
        Krichene and Rendle, On sampled metrics for item recommendation, KDD 2020.

    Example:
        >>> import rankkit as rk
        >>> clicks = {"user_id": ["u1", "u2"], "item_id": ["a", "b"]}
        >>> known = {"user_id": ["u1"], "item_id": ["c"]}
        >>> found = rk.data.with_candidates(clicks, item="item_id", exclude=known)
        >>> list(zip(found["user_id"], found["item_id"], found["click"].tolist()))
        [('u1', 'a', 1.0), ('u1', 'b', 0.0), ('u2', 'a', 0.0), ('u2', 'b', 1.0), ('u2', 'c', 0.0)]
    """
    clicks = as_columns(rows)
    check_clicks(clicks, query, item, [label])
    known = None if exclude is None else as_columns(exclude, [query, item])
    clicked = [clicks[item], *([] if known is None else [known[item]])]
    pool = candidate_pool(candidates, clicked, query, item)
    queries = {each: code for code, each in enumerate(dict.fromkeys(clicks[query].tolist()))}
    items = {each: code for code, each in enumerate(pool[item].tolist())}

    def pairs(columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        both = (columns[query], queries), (columns[item], items)
        found = [[codes.get(each, -1) for each in column.tolist()] for column, codes in both]
        return np.array(found[0]), np.array(found[1])

    labels = np.zeros((len(queries), len(items)), np.float32)
    query_codes, item_codes = pairs(clicks)
    if (missing := clicks[item][item_codes < 0]).size:
        fix = "Add it, or drop the row."
        raise invalid(f"{item} of a row", missing.tolist()[0], "among the candidates", fix)
    labels[query_codes, item_codes] = 1.0
    kept = np.ones(labels.shape, bool)
    if known is not None:
        known_queries, known_items = pairs(known)
        both = (known_queries >= 0) & (known_items >= 0)
        kept[known_queries[both], known_items[both]] = False
    kept |= labels > 0
    of_query, of_item = np.nonzero(kept)
    first = np.unique(query_codes, return_index=True)[1]
    made = {
        name: pool[name][of_item] if name in pool else column[first][of_query]
        for name, column in {**clicks, **pool}.items()
    }
    return {**made, label: labels[kept]}


_BITS = 40  # of the sum of all candidates' weights, whole numbers so that no sum is rounded


class NegativeDraws:
    """Draws candidates for rows, none of which the query of the row has chosen.

    Candidates lie one behind the other on a line, each as long as its weight. A place is drawn on
    the line without what the query has chosen, and moved on past that of it which lies before.

    Args:
        queries: The query of each choice; the first rows are those to draw for.
        items: The item that it has chosen, `(rows,)`.
        candidates: What is drawn from, each item once, `(candidates,)`.
        query: Name of the query's column, for errors.
        popularity: Power of the number of choices that candidates are drawn in proportion to.

    Raises:
        ValueError: If a query has chosen all that can be drawn.
    """

    def __init__(
        self,
        queries: np.ndarray,
        items: np.ndarray,
        candidates: np.ndarray,
        query: str,
        popularity: float,
    ):
        codes, distinct = numbered(queries.tolist())
        of_candidate = {each: code for code, each in enumerate(candidates.tolist())}
        size = len(candidates)
        chosen = np.array([of_candidate.get(each, -1) for each in items.tolist()])
        known = chosen >= 0
        counts = np.bincount(chosen[known], minlength=size)
        bits = min(_BITS, 62 - len(distinct).bit_length())
        weights = _whole_weights(counts, float(popularity), bits)
        until = np.cumsum(weights)
        pairs = np.unique(codes[known].astype(np.int64) * size + chosen[known])
        of_pair, item = pairs // size, pairs % size
        first = np.searchsorted(of_pair, np.arange(len(distinct)))  # of a query's pairs
        taken = np.concatenate([[0], np.cumsum(weights[item])])  # by all pairs before
        before = until[item] - weights[item] - (taken[:-1] - taken[first[of_pair]])
        left = until[-1] - (np.append(taken[first[1:]], taken[-1]) - taken[first])
        if (left <= 0).any():
            name = f"candidates that {query} {distinct[left.argmin()]!r} has not chosen"
            raise invalid(name, 0, "at least 1", "Leave such rows out, or give more candidates.")
        self._stride = int(until[-1]) + 1
        self._codes = tf.constant(codes, tf.int64)
        self._left = tf.constant(left, tf.int64)
        self._first = tf.constant(first, tf.int64)
        self._before = tf.constant(of_pair * self._stride + before, tf.int64)
        self._taken = tf.constant(taken, tf.int64)
        self._until = tf.constant(until, tf.int64)

    def draw(self, rows: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        """Draws candidates for rows.

        Args:
            rows: Numbers of rows, `(batch,)`.
            count: How many to draw for each; the same may come twice.
            seed: A pair that chooses them.

        Returns:
            Numbers of candidates, `(batch, count)`.
        """
        query = tf.repeat(tf.gather(self._codes, rows), count)
        numbers = tf.random.stateless_uniform(
            [tf.size(query)], seed, minval=None, maxval=None, dtype=tf.int64
        )
        place = numbers % tf.gather(self._left, query)
        passed = tf.searchsorted(
            self._before, query * self._stride + place, side="right", out_type=tf.int64
        )
        begin = tf.gather(self._first, query)
        place += tf.gather(self._taken, passed) - tf.gather(self._taken, begin)
        drawn = tf.searchsorted(self._until, place, side="right", out_type=tf.int64)
        return tf.reshape(drawn, [tf.shape(rows)[0], count])


def _whole_weights(counts: np.ndarray, popularity: float, bits: int) -> np.ndarray:
    """Gives whole weights in proportion to `counts**popularity`, at least 1 where that is not 0."""
    if popularity == 0:
        return np.ones(len(counts), np.int64)
    logs = popularity * np.log(np.maximum(counts, 1))
    chances = np.where(counts > 0, np.exp(logs - logs.max()), 0.0)
    scaled = np.rint(chances / max(chances.sum(), 1e-300) * 2.0**bits).astype(np.int64)
    return np.where(counts > 0, np.maximum(scaled, 1), 0)


def check_clicks(clicks: Mapping[str, Any], query: str, item: str, added: Iterable[str]) -> None:
    """Refuses clicks that lack the query or the item, or have a column of a name to be added.

    Raises:
        ValueError: If so.
    """
    for kind, name in (("query", query), ("item", item)):
        if name not in clicks:
            raise unknown(kind, name, clicks)
    for name in added:
        if name in clicks:
            raise invalid("columns", list(clicks), f"none named {name!r}", "Rename that column.")


def joined(
    clicks: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray], names: Iterable[str]
) -> dict[str, np.ndarray]:
    """Puts the rows of others behind those of clicks, in such columns alone.

    Raises:
        ValueError: If the others lack one.
    """
    names = list(names)
    more = as_columns(others, names)
    return as_columns({name: [*clicks[name].tolist(), *more[name].tolist()] for name in names})


def candidate_pool(
    candidates: Any, clicked: Iterable[np.ndarray], query: str, item: str
) -> dict[str, np.ndarray]:
    """Gives the columns of the candidates.

    Args:
        candidates: Column name to values, or `None` for the items that were clicked.
        clicked: Columns of items.
        query: Name of the query's column, which must not be among them.
        item: Name of the item's column, which must.

    Raises:
        TypeError: If they are other columns.
        ValueError: If there is none, or one comes twice.
    """
    if candidates is None:
        return as_columns({item: list(dict.fromkeys(np.concatenate([*clicked]).tolist()))})
    pool = as_columns(candidates)
    if item not in pool or query in pool:
        expected = f"columns of candidates, {item!r} among them and not {query!r}"
        raise wrong_type("candidates", list(pool), expected)
    if (different := len(set(pool[item].tolist()))) < len(pool[item]):
        raise invalid("candidates", len(pool[item]), f"{different} different items")
    return pool
