"""`rank`: orders the candidates of a query by their scores."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.core.columns import as_list, take, to_tensor
from rankkit.core.list_context import check_independent_rows, compares_rows
from rankkit.ranking.candidates import PrecomputedCandidates
from rankkit.ranking.queries import (
    Columns,
    candidate_columns,
    check_feature_names,
    query_columns,
    remaining_indices,
)
from rankkit.ranking.scoring import compute_scores, get_feature_specs, make_single_query_scorer
from rankkit.utils.errors import check_integer, invalid, wrong_type


def rank(
    scorer: Any,
    query: Mapping[str, Any],
    candidates: Any,
    k: int | None = None,
    exclude: Any = None,
) -> Any:
    """Orders candidates by their score for a query, best first.

    For one query, a network or a SavedModel of `rankkit.export.save` computes the query side once
    for all candidates; other scorers get the query's features repeated in each row. Candidates
    with equal scores keep their order. Out-of-vocabulary ids are scored with the
    out-of-vocabulary embedding of their layer.

    Args:
        scorer: Maps a dict of columns to one score per row: a `RankingModel`, a network, a scorer
            from `rankkit.export.load`, a SavedModel from `tf.saved_model.load`, or any function.
        query: Raw features of the query, such as the user: feature name to value. To rank for
            several queries in one call, feature name to a column with one value per query. Columns
            that are not features are ignored.
        candidates: Column name to values, one per candidate, or a DataFrame. A feature that is a
            vector may be a matrix, `(candidates, size)`, which takes less time than lists.
            Columns that are not features are returned with the candidates. With several queries,
            the same candidates for all of them or a list with one entry per query. If the same
            candidates are ranked again and again, a `rankkit.CandidateIndex`, or the `candidates`
            of a loaded SavedModel. If they do not fit in memory, an iterator or a `tf.data.Dataset`
            of such dicts: with `k`, a single chunk is in memory at a time. A model with
            `rankkit.layers.CandidateAttention` scores the candidates of a query that are not
            excluded together, and takes neither an index nor an iterator.
        k: Maximum number of candidates to return, at least 1. Defaults to `None`, all of them.
        exclude: Candidates to leave out, such as the items that the user has seen: values of the
            candidate column, or column name to values. With several queries, a list with one such
            collection, or `None`, per query. Defaults to `None`.

    Returns:
        A list of `(candidate, score)`, best first. A candidate is its value if there is one
        candidate column, and a dict of its values if there are several: Python values, the rows of
        a matrix as arrays, and dates and times as they were given. With several queries, a list
        with one such list per query.

    Raises:
        ValueError: If a feature is missing, given twice or has the wrong shape; if column lengths
            differ; if `k` is below 1; if a score is not finite; if an index was built for another
            scorer.
        TypeError: If a value has the wrong type for its feature.

    Example:
        >>> import rankkit as rk
        >>> def newest(columns):
        ...     return columns["year"]
        >>> rk.rank(newest, {}, {"year": [1970, 1994, 1990]}, k=2)
        [(1994, 1994.0), (1990, 1990.0)]
    """
    if k is not None:
        check_integer("k", k, fix="Pass None for all candidates.")
    if not callable(scorer):
        fix = "Candidates that have scores already need no model: sort them by the scores."
        if hasattr(scorer, "predict"):
            fix = "Wrap it: rankkit.models.TreeScorer(scorer, features)."
        raise wrong_type("scorer", scorer, "a model, a loaded export or a function", fix)
    specs = get_feature_specs(scorer)
    queries, is_single = query_columns(query, specs)
    num_queries = max((len(column) for column in queries.values()), default=1)
    exclusions = [exclude] if is_single else _one_per_query("exclude", exclude, num_queries)
    if num_queries == 0:
        return []
    together = compares_rows(scorer)  # the candidates of a query in one call
    if together and isinstance(candidates, (Iterator, tf.data.Dataset)):
        fix = "Pass the candidates of a query as columns."
        check_independent_rows(scorer, "rank with an iterator of candidates", fix)
    best = [TopCandidates(k) for _ in range(num_queries)]
    # All candidates are one chunk, unless they come from an iterator.
    for chunk in _candidate_chunks(candidates, num_queries):
        check_feature_names(query, chunk[0], specs)
        remaining = list(map(remaining_indices, exclusions, chunk))
        if isinstance(candidates, PrecomputedCandidates):
            scores = _score_precomputed(scorer, specs, queries, candidates, remaining, k)
        elif together:
            scores = [
                score_columns(
                    scorer,
                    specs,
                    {name: column[i : i + 1] for name, column in queries.items()},
                    chunk[i : i + 1],
                    remaining[i : i + 1],
                )[0]
                for i in range(num_queries)
            ]
        else:
            scores = score_columns(scorer, specs, queries, chunk, remaining)
        for top, columns, indices, query_scores in zip(best, chunk, remaining, scores, strict=True):
            top.add(columns, indices, query_scores)
    rankings = [top.ranking() for top in best]
    return rankings[0] if is_single else rankings


def _one_per_query(name: str, values: Any, num_queries: int) -> list:
    if values is None:
        return [None] * num_queries
    expected = f"a list of {num_queries} entries, one for each query"
    if not isinstance(values, (list, tuple)):
        raise wrong_type(name, values, expected)
    if len(values) != num_queries:
        raise ValueError(f"{name} must be {expected}. Got: {len(values)} entries.")
    return list(values)


def _candidate_chunks(candidates: Any, num_queries: int) -> Iterator[list[Columns]]:
    """Yields chunks of candidates, each as a list with the candidate columns of each query."""
    if isinstance(candidates, PrecomputedCandidates):
        chunks = iter([[candidates.columns] * num_queries])
    elif isinstance(candidates, (Iterator, tf.data.Dataset)):
        chunks = ([candidate_columns(chunk)] * num_queries for chunk in candidates)
    elif isinstance(candidates, (list, tuple)):
        per_query = list(map(candidate_columns, candidates))
        chunks = iter([_one_per_query("candidates", per_query, num_queries)])
    else:
        chunks = iter([[candidate_columns(candidates)] * num_queries])
    names = None
    for chunk in chunks:
        for columns in chunk:
            if list(columns) != (names := names or list(columns)):
                expected, fix = f"{names}, as before", "Select the same columns in the same order."
                raise invalid("columns of candidates", list(columns), expected, fix)
        yield chunk


def _score_precomputed(
    scorer: Any,
    specs: Mapping[str, tf.TensorSpec] | None,
    queries: Columns,
    candidates: PrecomputedCandidates,
    remaining: list[range | np.ndarray],
    k: int | None,
) -> list[np.ndarray]:
    """Returns the scores of the remaining candidates of each query."""
    candidates.check(scorer)
    total = len(candidates)
    scores = []
    for i, indices in enumerate(remaining):
        features = {
            name: to_tensor(name, queries[name][i : i + 1], spec)
            for name, spec in (specs or {}).items()
            if name in queries
        }
        # Excluded candidates may be among the best: as many more scores are needed.
        num_needed = total if k is None else min(total, k + total - len(indices))
        of_all = candidates.scores(features, num_needed)
        scores.append(of_all if len(indices) == total else of_all[indices])
    return scores


def score_columns(
    scorer: Any,
    specs: Mapping[str, tf.TensorSpec] | None,
    queries: Columns,
    candidates: list[Columns],
    remaining: list[range | np.ndarray],
) -> list[np.ndarray]:
    """Returns the scores of the remaining candidates of each query."""
    counts = [len(indices) for indices in remaining]
    single_query_scorer = make_single_query_scorer(scorer, queries) if len(counts) == 1 else None
    query_features: dict[str, Any] = {}  # of one row
    row_features: dict[str, Any] = {}  # of one row per candidate; arrays become tensors by chunk
    for name in specs or [*queries, *candidates[0]]:
        spec = specs[name] if specs else None
        if name not in queries:
            cells = _select(name, candidates, remaining)
            is_chunked = spec is not None and isinstance(cells, np.ndarray)
            row_features[name] = cells if is_chunked else to_tensor(name, cells, spec)
        elif single_query_scorer is not None:
            query_features[name] = to_tensor(name, queries[name], spec)
        else:
            row_features[name] = tf.repeat(to_tensor(name, queries[name], spec), counts, axis=0)
    total = sum(counts)
    size = max(1, total) if compares_rows(scorer) else chunk_rows(scorer)
    chunks = _split_rows(row_features, specs or {}, total, size)
    scores = compute_scores(
        single_query_scorer or scorer, (query_features | chunk for chunk in chunks), total
    )
    return np.split(scores, np.cumsum(counts)[:-1])


def _select(
    name: str, candidates: list[Columns], remaining: list[range | np.ndarray]
) -> list | np.ndarray:
    """Returns one column of the remaining candidates of all queries, one query after another."""
    pairs = zip(candidates, remaining, strict=True)
    cells = [take(columns[name], indices) for columns, indices in pairs]
    if len({isinstance(each, np.ndarray) and (each.dtype, *each.shape[1:]) for each in cells}) > 1:
        cells = list(map(as_list, cells))
    if isinstance(cells[0], np.ndarray):
        return cells[0] if len(cells) == 1 else np.concatenate(cells)
    return list(chain.from_iterable(cells))


def _split_rows(
    columns: Mapping[str, Any], specs: Mapping[str, tf.TensorSpec], num_rows: int, size: int
) -> Iterator[dict[str, tf.Tensor]]:
    for start in range(0, num_rows, size):
        chunk = dict(columns)
        for name, column in columns.items():
            if num_rows > size:  # otherwise slicing would take time for nothing
                chunk[name] = column[start : start + size]
            if isinstance(column, np.ndarray):
                chunk[name] = to_tensor(name, chunk[name], specs[name])
        yield chunk


class TopCandidates:
    """The best `k` of the candidates added so far, or all of them if `k` is `None`."""

    def __init__(self, k: int | None):
        self._k = k
        self._scores = np.zeros(0)
        self._candidates: list[Any] = []

    def add(self, columns: Columns, indices: range | np.ndarray, scores: np.ndarray) -> None:
        """Adds the candidates at `indices` of the columns; they follow earlier ones of equal score.

        Their scores have shape `(len(indices),)`.
        """
        order = top_k_indices(scores, self._k)
        rows = order if isinstance(indices, range) else indices[order]
        cells = [self._values(take(column, rows)) for column in columns.values()]
        if len(cells) == 1:
            self._candidates += cells[0]
        else:
            self._candidates += [
                dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)
            ]
        self._scores = np.concatenate([self._scores, scores[order]])
        if len(self._scores) > len(order):  # there were earlier ones
            order = top_k_indices(self._scores, self._k)
            self._scores = self._scores[order]
            self._candidates = [self._candidates[i] for i in order]

    def _values(self, cells: list | np.ndarray) -> list:
        """Returns cells as Python values, vectors and times as those of NumPy."""
        if not isinstance(cells, np.ndarray):
            return cells
        if cells.ndim == 1 and cells.dtype.kind not in "mM":
            return cells.tolist()
        # With `k`, the best of a chunk must not keep the others in memory.
        return list(cells) if self._k is None else [cell.copy() for cell in cells]

    def ranking(self) -> list[tuple[Any, float]]:
        """Returns `(candidate, score)`, best first."""
        return list(zip(self._candidates, self._scores.tolist(), strict=True))


def top_k_indices(scores: np.ndarray, k: int | None) -> np.ndarray:
    """Returns the indices of the `k` highest scores, or of all, in a stable descending order."""
    if k is None or 2 * k > len(scores):
        return np.argsort(-scores, kind="stable")[:k]
    # Sorting all of them would take longer than scoring them.
    threshold = -np.partition(-scores, k - 1)[k - 1]
    above = np.flatnonzero(scores >= threshold)
    return above[np.argsort(-scores[above], kind="stable")[:k]]
