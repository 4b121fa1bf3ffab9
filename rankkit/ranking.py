"""Orders one user's candidates with any scorer."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._cells import to_tensor
from rankkit._errors import invalid, wrong_type
from rankkit._queries import (
    Columns,
    candidate_columns,
    check_names,
    kept_rows,
    query_columns,
)
from rankkit._row_chunks import chunk_rows
from rankkit._scoring import scores_of, specs_of


def rank(
    scorer: Any,
    query: Mapping[str, Any],
    candidates: Any,
    k: int | None = None,
    exclude: Any = None,
) -> Any:
    """Orders candidates by their score for a query, best first.

    The query's features are repeated for each candidate, and `scorer` scores every row.
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
            or a list with one each.
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
            below 1; if a score is not finite.
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
    if num_queries == 0:
        return []
    pools = _pools(candidates, num_queries)
    excludes = [exclude] if single else _per_query("exclude", exclude, num_queries)
    kept = [
        kept_rows(one, pool, len(next(iter(pool.values()))))
        for one, pool in zip(excludes, pools, strict=True)
    ]
    columns = _rows(specs, queries, pools, kept)
    counts = [len(rows) for rows in kept]
    chunks = _chunks(columns, sum(counts), chunk_rows(scorer))
    scores = np.split(scores_of(scorer, chunks, sum(counts)), np.cumsum(counts)[:-1])
    rankings = [
        _ordered(pool, rows, row_scores, k)
        for pool, rows, row_scores in zip(pools, kept, scores, strict=True)
    ]
    return rankings[0] if single else rankings


def _pools(candidates: Any, num_queries: int) -> list[Columns]:
    """The candidate columns of each query."""
    if isinstance(candidates, (list, tuple)):
        pools = [
            candidate_columns(one) for one in _per_query("candidates", candidates, num_queries)
        ]
        if any(list(pool) != list(pools[0]) for pool in pools):
            raise invalid("candidates", [list(pool) for pool in pools], "of the same columns")
        return pools
    return [candidate_columns(candidates)] * num_queries


def _per_query(name: str, values: Any, num_queries: int) -> list:
    if values is None:
        return [None] * num_queries
    if not isinstance(values, (list, tuple)) or len(values) != num_queries:
        raise wrong_type(name, values, f"a list with one entry for each of {num_queries} queries")
    return list(values)


def _rows(
    specs: Mapping[str, tf.TensorSpec] | None,
    queries: Columns,
    pools: list[Columns],
    kept: list[list[int]],
) -> dict[str, tf.Tensor]:
    """One row for each kept candidate of each query, as columns."""
    check_names(queries, pools[0], specs)
    counts = [len(rows) for rows in kept]
    columns = {}
    for name in specs or [*queries, *pools[0]]:
        spec = specs[name] if specs else None
        if name in queries:
            columns[name] = tf.repeat(to_tensor(name, queries[name], spec), counts, axis=0)
        else:
            values = [
                pool[name][row] for pool, rows in zip(pools, kept, strict=True) for row in rows
            ]
            columns[name] = to_tensor(name, values, spec)
    return columns


def _chunks(
    columns: Mapping[str, tf.Tensor], num_rows: int, size: int
) -> Iterator[dict[str, tf.Tensor]]:
    for start in range(0, num_rows, size):
        yield {name: column[start : start + size] for name, column in columns.items()}


def _ordered(pool: Columns, rows: list[int], scores: np.ndarray, k: int | None) -> list:
    best = np.argsort(-scores, kind="stable")[:k]
    if len(pool) == 1:
        (values,) = pool.values()
        return [(values[rows[i]], float(scores[i])) for i in best]
    return [
        ({name: values[rows[i]] for name, values in pool.items()}, float(scores[i])) for i in best
    ]
