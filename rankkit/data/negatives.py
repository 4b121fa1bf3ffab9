"""Negative sampling for clicks and other implicit feedback."""

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.arrays import fill_numbers
from rankkit.core.columns import as_text
from rankkit.core.listwise import MASK
from rankkit.core.precision import check_float32
from rankkit.data.batches import batch_epochs, resolve_seed
from rankkit.data.columns import (
    as_columns,
    check_column_names,
    check_keys,
    encode_column,
    factorize,
    table_names,
)
from rankkit.data.shuffle import seeds_by_epoch
from rankkit.utils.errors import (
    as_names,
    check_boolean,
    check_integer,
    check_known,
    check_number,
    invalid,
    wrong_type,
)


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
    """Batches clicks, each followed by sampled candidates that its query has not clicked.

    Every epoch has a new order and new negatives; `seed` makes them reproducible, as in
    `rankkit.data.batches`. An item that a query has clicked, in any of the rows or in `exclude`,
    is never sampled for it.

    Sampled negatives are for training and early stopping. Ranking metrics over them are biased and
    can order models differently than a ranking of all items (Krichene and Rendle 2020): compare
    models with `rankkit.data.with_candidates` or `rankkit.evaluation.evaluate_all_items`.

    Args:
        rows: The clicks: a dict of arrays or lists, a DataFrame or an Arrow table.
        batch_size: Clicks per batch. With their negatives, a batch has
            `batch_size * (1 + num_negatives)` rows.
        item: The column of the clicked item.
        query: The column of the user or query that clicked. Defaults to `"user_id"`.
        num_negatives: Negatives per click. Defaults to `4`.
        candidates: The items to sample from: column name to values, including `item`, each item
            once. These columns replace those of the click; the others are repeated. Defaults to
            `None`: the items of `rows` and `exclude`.
        exclude: Further clicks, such as the training clicks if `rows` are for validation: their
            items are not sampled for their queries either, and they count towards candidates and
            popularity. Defaults to `None`.
        outcomes: Columns that are known for clicks only, such as a rating. They are NaN for
            negatives, which a head with that label ignores. Defaults to `()`.
        popularity: Candidates are sampled in proportion to their number of clicks to this power:
            0 for a uniform distribution, 1 for their popularity. Defaults to `0.0`.
        label: Name of the added column: 1 for clicks, 0 for negatives. Defaults to `"click"`.
        lists: Whether each click and its negatives form a list, for a listwise loss.
            Defaults to `False`: rows.
        shuffle: Whether every epoch has a new order and new negatives. With `False` both stay the
            same, as validation data should. Defaults to `True`.
        seed: Seed of the orders and the negatives. Defaults to `None`: a seed from Python's
            `random`.
        initial_epoch: Epoch to start from. Defaults to `0`.
        columns: Names of the columns of `rows` to keep. Defaults to `None`: all.

    Returns:
        A data set of batches, with known cardinality.

    Raises:
        TypeError: If `rows` or the values of a column have an unsupported type, or an outcome is
            not numeric.
        ValueError: If there are no rows, a column is unknown, a number is out of range, or a query
            has clicked all candidates.

    References:
        Krichene and Rendle, On sampled metrics for item recommendation, KDD 2020.

    Example:
        >>> import rankkit as rk
        >>> clicks = {"user_id": ["u1", "u2"], "item_id": ["a", "b"]}
        >>> [batch] = rk.data.with_negatives(clicks, 2, item="item_id", num_negatives=1, seed=1)
        >>> batch["click"].numpy().tolist()
        [1.0, 0.0, 1.0, 0.0]
        >>> sorted(zip(batch["user_id"].numpy(), batch["item_id"].numpy()))
        [(b'u1', b'a'), (b'u1', b'b'), (b'u2', b'a'), (b'u2', b'b')]
    """
    check_integer("batch_size", batch_size)
    check_integer("num_negatives", num_negatives)
    lists, shuffle = check_boolean("lists", lists), check_boolean("shuffle", shuffle)
    first_seed = resolve_seed(seed, initial_epoch, shuffle)
    check_number("popularity", popularity, "a finite power of at least 0", least=0)
    if isinstance(rows, tf.data.Dataset):
        fix = "All clicks of a query must be known before negatives can be sampled for it."
        raise wrong_type("rows", rows, "in memory: a dict of columns", fix)
    clicks = as_columns(rows, columns)
    check_column_names(clicks, {"query": query, "item": item}, [label, MASK], "with_negatives")
    clicks = _with_keys(clicks, query, item)
    known = {name: clicks[name] for name in (query, item)}
    if exclude is not None:
        more = _with_keys(as_columns(exclude, known, argument="exclude"), *known, like=clicks)
        known = as_columns({name: [*known[name].tolist(), *more[name].tolist()] for name in known})
    pool = _candidate_columns(candidates, [known], query, item)
    sampler = _NegativeSampler(known[query], known[item], pool[item], query, popularity)
    of_click = {name: encode_column(name, column) for name, column in clicks.items()}
    of_candidate = {name: encode_column(name, pool[name]) for name in pool if name in clicks}
    outcomes = _check_outcomes(outcomes, clicks, (query, *of_candidate))
    num_rows = len(clicks[item])

    def slice_epoch(pair: tf.Tensor) -> tf.data.Dataset:
        order = tf.range(num_rows, dtype=tf.int64)
        if shuffle:
            order = tf.random.experimental.stateless_shuffle(order, pair)
        else:
            pair = tf.constant([first_seed, 0], tf.int64)
        batched = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return batched.enumerate().map(lambda index, rows: (pair + tf.stack([index, 0]), rows))

    def make_batch(pair: tf.Tensor, rows: tf.Tensor) -> dict[str, Any]:
        negatives = sampler.sample(rows, num_negatives, pair)  # (batch, num_negatives)
        repeated = tf.tile(rows[:, tf.newaxis], [1, 1 + num_negatives])
        batch = {name: column(repeated) for name, column in of_click.items()}
        for name, column in of_candidate.items():
            positive = of_click[name](rows[:, tf.newaxis])
            batch[name] = tf.concat([positive, column(negatives)], axis=1)
        is_click = tf.concat([tf.ones_like(repeated)[:, :1], tf.zeros_like(negatives)], axis=1)
        batch[label] = tf.cast(is_click, tf.float32)
        for name in outcomes:
            batch[name] = tf.where(is_click > 0, tf.cast(batch[name], tf.float32), math.nan)
        if lists:
            return {**batch, MASK: tf.ones_like(repeated, tf.bool)}
        return {name: _flatten_lists(column) for name, column in batch.items()}

    seeds = seeds_by_epoch(first_seed, initial_epoch=initial_epoch) if shuffle else None
    return batch_epochs(seeds, slice_epoch, make_batch, -(-num_rows // batch_size))


def _check_outcomes(
    outcomes: Iterable[str], clicks: Mapping[str, np.ndarray], replaced: Iterable[str]
) -> list[str]:
    outcomes = as_names("outcomes", outcomes, "a list of names of columns")
    check_known("column in outcomes", outcomes, clicks)
    for name in outcomes:
        if name in replaced:
            raise invalid("outcomes", name, "columns of neither the query nor the candidates")
        numbers = fill_numbers(f"Outcome {name!r}", clicks[name])
        if numbers.dtype.kind not in "biuf":
            raise TypeError(f"Outcomes must be numeric, but {name!r} holds {clicks[name][0]!r}.")
        check_float32(f"Outcome {name!r}", numbers)
    return outcomes


def _flatten_lists(column: Any) -> Any:
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
    """Pairs each query with every candidate, to evaluate a full ranking.

    `rankkit.evaluate_ranking` of these rows, with `relevant=1.0`, ranks the held-out clicks among
    all candidates. Metrics over sampled negatives can order models differently. To rank all items
    after each of several histories of a user, see `rankkit.evaluation.evaluate_all_items`.

    Args:
        rows: The held-out clicks: a dict of arrays or lists, a DataFrame or an Arrow table.
        item: The column of the clicked item.
        query: The column of the user or query that clicked. Defaults to `"user_id"`.
        exclude: Known clicks, such as the training clicks: these pairs of query and item are left
            out, unless they are also in `rows`. Defaults to `None`.
        candidates: The items to rank: column name to values, including `item`, each item once.
            These columns replace those of the click; the others are those of the query's first
            row. Defaults to `None`: the items of `rows` and `exclude`.
        label: Name of the added column: 1 for held-out clicks, else 0. Defaults to `"click"`.

    Returns:
        A dict of columns, each `(queries * candidates - excluded pairs,)`.

    Raises:
        TypeError: If the rows or candidates are not columns.
        ValueError: If there are no rows, a column is missing or named like the label, a candidate
            is repeated, or a clicked item is not among the candidates.

    References:
        Krichene and Rendle, On sampled metrics for item recommendation, KDD 2020.

    Example:
        >>> import rankkit as rk
        >>> clicks = {"user_id": ["u1", "u2"], "item_id": ["a", "b"]}
        >>> known = {"user_id": ["u1"], "item_id": ["c"]}
        >>> pairs = rk.data.with_candidates(clicks, item="item_id", exclude=known)
        >>> list(zip(pairs["user_id"], pairs["item_id"], pairs["click"].tolist()))
        [('u1', 'a', 1.0), ('u1', 'b', 0.0), ('u2', 'a', 0.0), ('u2', 'b', 1.0), ('u2', 'c', 0.0)]
    """
    clicks = as_columns(rows)
    check_column_names(clicks, {"query": query, "item": item}, [label], "with_candidates")
    clicks, known = _with_keys(clicks, query, item), None
    if exclude is not None:
        known = as_columns(exclude, [query, item], argument="exclude")
        known = _with_keys(known, query, item, like=clicks)
    pool = _candidate_columns(
        candidates, [clicks, *([] if known is None else [known])], query, item
    )
    queries, distinct = factorize(clicks[query].tolist())
    items = _find(clicks[item], pool[item].tolist())
    if (items < 0).any():
        missing = clicks[item][items < 0].tolist()[0]
        fix = "Add it to the candidates, or drop its rows."
        raise invalid(f"each {item} of rows", missing, "among the candidates", fix)
    labels = np.zeros((len(distinct), len(pool[item])), np.float32)
    labels[queries, items] = 1.0
    kept = np.ones(labels.shape, bool)
    if known is not None:
        of_query = _find(known[query], distinct)
        of_item = _find(known[item], pool[item].tolist())
        is_pair = (of_query >= 0) & (of_item >= 0)
        kept[of_query[is_pair], of_item[is_pair]] = False
    kept |= labels > 0
    of_query, of_item = np.nonzero(kept)
    first_row = np.unique(queries, return_index=True)[1]
    pairs = {
        name: pool[name][of_item] if name in pool else column[first_row][of_query]
        for name, column in {**clicks, **pool}.items()
    }
    return {**pairs, label: labels[kept]}


def _with_keys(
    columns: Mapping[str, np.ndarray], *names: str, like: Mapping[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Returns columns whose ids can be compared with those of the clicks, `like`; or raises."""
    check_keys(columns, *names)
    keys = {name: as_text(name, columns[name]) for name in names}
    for name in names:
        cell, other = keys[name][0], (like or keys)[name][0]
        if isinstance(cell, str) != isinstance(other, str):
            fix = "Convert one of them."
            raise wrong_type(f"each {name}", cell, f"of the type of {other!r} in rows", fix)
    return {**columns, **keys}


def _find(column: np.ndarray, values: Iterable[Any]) -> np.ndarray:
    """The position of each cell among distinct values, -1 if it is none of them."""
    index = {each: i for i, each in enumerate(values)}
    return np.array([index.get(each, -1) for each in column.tolist()])


_WEIGHT_BITS = 40  # of the sum of all weights, which are integers so that sums are exact


class _NegativeSampler:
    """Samples candidates that the query of a row has not clicked, without rejection."""

    # Each candidate is an interval on a line, as long as its weight. A point is sampled on the line
    # without the clicked candidates of the query, then shifted past those of them before it.

    def __init__(
        self,
        queries: np.ndarray,  # of each click, those to sample for first
        items: np.ndarray,  # of each click
        candidates: np.ndarray,  # distinct items
        query: str,
        popularity: float,
    ):
        query_of_click, distinct = factorize(queries.tolist())
        size = len(candidates)
        clicked = _find(items, candidates.tolist())
        known = clicked >= 0
        counts = np.bincount(clicked[known], minlength=size)
        bits = min(_WEIGHT_BITS, 62 - len(distinct).bit_length())
        weights = _integer_weights(counts, float(popularity), bits)
        ends = np.cumsum(weights)
        # Distinct pairs of query and clicked candidate, sorted by query.
        pairs = np.unique(query_of_click[known].astype(np.int64) * size + clicked[known])
        of_pair, candidate = pairs // size, pairs % size
        first_pair = np.searchsorted(of_pair, np.arange(len(distinct)))  # of each query
        shifts = np.concatenate([[0], np.cumsum(weights[candidate])])  # by all pairs before
        starts = ends[candidate] - weights[candidate] - (shifts[:-1] - shifts[first_pair[of_pair]])
        free = ends[-1] - (np.append(shifts[first_pair[1:]], shifts[-1]) - shifts[first_pair])
        if (free <= 0).any():
            raise ValueError(
                f"Each {query} must have a candidate without a click to sample as a negative. Got: "
                f"{distinct[free.argmin()]!r}. Drop its rows, or pass more candidates."
            )
        self._stride = int(ends[-1]) + 1
        self._query_of_click = tf.constant(query_of_click, tf.int64)
        self._free = tf.constant(free, tf.int64)
        self._first_pair = tf.constant(first_pair, tf.int64)
        self._starts = tf.constant(of_pair * self._stride + starts, tf.int64)
        self._shifts = tf.constant(shifts, tf.int64)
        self._ends = tf.constant(ends, tf.int64)

    def sample(self, rows: tf.Tensor, count: int, seed: tf.Tensor) -> tf.Tensor:
        """Samples candidate indices with replacement for rows, `(rows, count)`."""
        query = tf.repeat(tf.gather(self._query_of_click, rows), count)
        bits = tf.random.stateless_uniform(
            [tf.size(query)], seed, minval=None, maxval=None, dtype=tf.int64
        )
        point = bits % tf.gather(self._free, query)
        passed = tf.searchsorted(
            self._starts, query * self._stride + point, side="right", out_type=tf.int64
        )
        first = tf.gather(self._first_pair, query)
        point += tf.gather(self._shifts, passed) - tf.gather(self._shifts, first)
        sampled = tf.searchsorted(self._ends, point, side="right", out_type=tf.int64)
        return tf.reshape(sampled, [tf.shape(rows)[0], count])


def _integer_weights(counts: np.ndarray, popularity: float, bits: int) -> np.ndarray:
    """Integers in proportion to `counts**popularity`, at least 1 where that is above 0."""
    if popularity == 0:
        return np.ones(len(counts), np.int64)
    logs = popularity * np.log(np.maximum(counts, 1))
    probabilities = np.where(counts > 0, np.exp(logs - logs.max()), 0.0)
    scaled = np.rint(probabilities / max(probabilities.sum(), 1e-300) * 2.0**bits).astype(np.int64)
    return np.where(counts > 0, np.maximum(scaled, 1), 0)


def _candidate_columns(
    candidates: Any, clicks: Sequence[Mapping[str, np.ndarray]], query: str, item: str
) -> dict[str, np.ndarray]:
    """The columns of the candidates; if `candidates` is `None`, those of the clicked items."""
    if candidates is None:
        clicked = np.concatenate([each[item] for each in clicks])
        return as_columns({item: list(dict.fromkeys(clicked.tolist()))})
    if table_names(candidates) is None and not isinstance(candidates, Mapping):
        is_list = isinstance(candidates, list | tuple)
        fix = f"Write {{{item!r}: {reprlib.repr(list(candidates)) if is_list else '[...]'}}}."
        raise wrong_type("candidates", candidates, "a dict of columns or a DataFrame", fix)
    pool = as_columns(candidates, argument="candidates")
    if item not in pool or query in pool:
        expected = f"columns of candidates, with {item!r} and without {query!r}"
        raise wrong_type("candidates", list(pool), expected)
    pool = _with_keys(pool, item, like=clicks[0])
    if (num_distinct := len(set(pool[item].tolist()))) < len(pool[item]):
        raise ValueError(
            f"candidates must list each {item} once. Got: {len(pool[item])} candidates with "
            f"{num_distinct} different values. Drop the duplicates."
        )
    return pool
