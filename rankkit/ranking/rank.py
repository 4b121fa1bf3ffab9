"""`rank`: orders the candidates of a query."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.core.columns import to_tensor
from rankkit.ranking.candidates import Registered
from rankkit.ranking.queries import (
    Columns,
    candidate_columns,
    check_names,
    kept_rows,
    query_columns,
)
from rankkit.ranking.scoring import scorer_of_one_query, scores_of, specs_of
from rankkit.utils.errors import invalid, wrong_type


def rank(
    scorer: Any,
    query: Mapping[str, Any],
    candidates: Any,
    k: int | None = None,
    exclude: Any = None,
) -> Any:
    """Orders candidates by their score for a query, best first.

    `scorer` scores a row for each candidate. A network, and a SavedModel of `rankkit.export.save`,
    computes what depends on the query alone once; others have its features repeated.
    Candidates of equal score keep their order. Unknown ids are scored by the out-of-vocabulary
    row of their layer.

    Args:
        scorer: What maps a dict of columns to a score a row: a `RankingModel`, a network, a
            scorer of `rankkit.export.load`, a SavedModel of `tf.saved_model.load`, or any
            function.
        query: Raw features of the user, feature name to value. With columns of equal length for
            values, several queries are ranked in one call.
        candidates: Column name to values, one a candidate, or a pandas DataFrame. Columns that
            are no features are carried along. For several queries, one of these for all of them
            or a list with one each. Registered ones are a `rankkit.CandidateIndex`, or the
            `candidates` of a loaded SavedModel. More than memory holds come as an iterator or a
            `tf.data.Dataset` of such dicts: with `k`, no more is held than one of them.
        k: At most this many candidates are given, at least 1. Defaults to `None`, all of them.
        exclude: Candidates to leave out, such as what the user has seen: values of the candidate
            column, or column name to values. For several queries, a list with one such collection
            each. Defaults to `None`.

    Returns:
        A list of `(candidate, score)`, best first. The candidate is its value where there is one
        candidate column, and a dict of its values where there are several. For several queries,
        a list with one such list each.

    Raises:
        ValueError: If a feature is missing, given twice or unknown; if lengths differ; if `k` is
            below 1; if a score is not finite; if candidates were registered for another scorer.
        TypeError: If a value is of the wrong kind for its feature.

    Example:
        >>> import rankkit as rk
        >>> def newest(columns):
        ...     return columns["year"]
        >>> rk.rank(newest, {}, {"year": [1970, 1994, 1990]}, k=2)
        [(1994, 1994.0), (1990, 1990.0)]
    """
    if k is not None and (isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 1):
        raise invalid("k", k, "an integer of at least 1, or None for all candidates")
    specs = specs_of(scorer)
    queries, single = query_columns(query, specs)
    num_queries = max((len(column) for column in queries.values()), default=1)
    excludes = [exclude] if single else _per_query("exclude", exclude, num_queries)
    best = [Best(k) for _ in range(num_queries)]
    for pools in _parts_of(candidates, num_queries) if num_queries else ():
        kept = [
            kept_rows(one, pool, len(next(iter(pool.values()))))
            for one, pool in zip(excludes, pools, strict=True)
        ]
        if isinstance(candidates, Registered):
            scores = _of_registered(scorer, specs, queries, candidates, kept, k)
        else:
            scores = _of_rows(scorer, specs, queries, pools, kept)
        for each, pool, rows, row_scores in zip(best, pools, kept, scores, strict=True):
            each.add(pool, rows, row_scores)
    rankings = [each.ranking() for each in best]
    return rankings[0] if single else rankings


def _parts_of(candidates: Any, num_queries: int) -> Iterator[list[Columns]]:
    """The candidate columns of each query, part by part where they come so."""
    if isinstance(candidates, Registered):
        yield [candidates.columns] * num_queries
    elif isinstance(candidates, (Iterator, tf.data.Dataset)):
        names = None
        for part in candidates:
            columns = candidate_columns(part)
            if list(columns) != (names := names or list(columns)):
                raise invalid("columns of a part", list(columns), f"those of the first, {names}")
            yield [columns] * num_queries
    elif isinstance(candidates, (list, tuple)):
        pools = [
            candidate_columns(one) for one in _per_query("candidates", candidates, num_queries)
        ]
        if any(list(pool) != list(pools[0]) for pool in pools):
            raise invalid("candidates", [list(pool) for pool in pools], "of the same columns")
        yield pools
    else:
        yield [candidate_columns(candidates)] * num_queries


def _per_query(name: str, values: Any, num_queries: int) -> list:
    if values is None:
        return [None] * num_queries
    if not isinstance(values, (list, tuple)) or len(values) != num_queries:
        raise wrong_type(name, values, f"a list with one entry for each of {num_queries} queries")
    return list(values)


def _of_registered(
    scorer: Any,
    specs: Mapping[str, tf.TensorSpec] | None,
    queries: Columns,
    pool: Registered,
    kept: list[Sequence[int]],
    k: int | None,
) -> list[np.ndarray]:
    """The scores of the kept candidates of each query."""
    pool.check(scorer)
    check_names(queries, pool.columns, specs)
    scores = []
    for place, rows in enumerate(kept):
        row = {
            name: to_tensor(name, values[place : place + 1], (specs or {}).get(name))
            for name, values in queries.items()
        }
        # What is left out may be among the best.
        enough = len(pool) if k is None else min(len(pool), k + len(pool) - len(rows))
        of_all = pool.scores(row, enough)
        scores.append(of_all if len(rows) == len(of_all) else of_all[rows])
    return scores


def _of_rows(
    scorer: Any,
    specs: Mapping[str, tf.TensorSpec] | None,
    queries: Columns,
    pools: list[Columns],
    kept: list[Sequence[int]],
) -> list[np.ndarray]:
    """The scores of the kept candidates of each query, a row each."""
    check_names(queries, pools[0], specs)
    counts = [len(rows) for rows in kept]
    ask = scorer_of_one_query(scorer, queries) if len(kept) == 1 else None
    of_query, of_rows = {}, {}
    for name in specs or [*queries, *pools[0]]:
        spec = specs[name] if specs else None
        if name not in queries:
            of_rows[name] = to_tensor(name, _values_of(name, pools, kept), spec)
        elif ask is not None:
            of_query[name] = to_tensor(name, queries[name], spec)
        else:
            of_rows[name] = tf.repeat(to_tensor(name, queries[name], spec), counts, axis=0)
    total = sum(counts)
    chunks = (of_query | part for part in _chunks(of_rows, total, chunk_rows(scorer)))
    return np.split(scores_of(ask or scorer, chunks, total), np.cumsum(counts)[:-1])


def _chunks(
    columns: dict[str, tf.Tensor], num_rows: int, size: int
) -> Iterator[dict[str, tf.Tensor]]:
    if 0 < num_rows <= size:  # a slice of it all would still be an operation
        yield columns
        return
    for start in range(0, num_rows, size):
        yield {name: column[start : start + size] for name, column in columns.items()}


def _values_of(name: str, pools: list[Columns], kept: list[Sequence[int]]) -> list:
    if len(pools) == 1 and len(kept[0]) == len(pools[0][name]):
        return pools[0][name]
    return [pool[name][row] for pool, rows in zip(pools, kept, strict=True) for row in rows]


class Best:
    """Keeps the best candidates of those that it is shown, part by part.

    Args:
        k: At most so many, or `None` for all.
    """

    def __init__(self, k: int | None):
        self._k = k
        self._scores = np.zeros(0)
        self._candidates: list[Any] = []

    def add(self, columns: Columns, rows: Sequence[int], scores: np.ndarray) -> None:
        """Shows it further candidates, which come after those before them.

        Args:
            columns: Columns of candidates.
            rows: Which of them were scored.
            scores: Their scores, `(rows,)`.
        """
        places = best_places(scores, self._k)
        chosen = [rows[place] for place in places]
        if len(columns) == 1:
            (values,) = columns.values()
            self._candidates += [values[row] for row in chosen]
        else:
            self._candidates += [
                {name: values[row] for name, values in columns.items()} for row in chosen
            ]
        self._scores = np.concatenate([self._scores, scores[places]])
        if len(self._scores) > len(places):
            places = best_places(self._scores, self._k)
            self._scores = self._scores[places]
            self._candidates = [self._candidates[place] for place in places]

    def ranking(self) -> list[tuple[Any, float]]:
        """Gives `(candidate, score)`, best first."""
        return list(zip(self._candidates, self._scores.tolist(), strict=True))


def best_places(scores: np.ndarray, k: int | None) -> np.ndarray:
    """Gives the places of the best scores, best first; of equal ones, the first comes first.

    Args:
        scores: Finite scores, `(rows,)`.
        k: At most so many, or `None` for all.
    """
    if k is None or 2 * k > len(scores):
        return np.argsort(-scores, kind="stable")[:k]
    # Sorting all of them would take longer than scoring them.
    least = -np.partition(-scores, k - 1)[k - 1]
    among = np.flatnonzero(scores >= least)
    return among[np.argsort(-scores[among], kind="stable")[:k]]
