"""Example rankings: what a few users liked before, and what the model ranks highest for them."""

import dataclasses
from typing import Any

import numpy as np

from rankkit.data.columns import factorize
from rankkit.evaluation.scored_rows import ComparedRows, score_rows
from rankkit.ranking.rank import top_k_indices
from rankkit.ranking.scoring import get_feature_specs

_NUM_USERS = 3
_NUM_LIKED = 6
_MAX_CANDIDATES = 10_000

Columns = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Example:
    """The ranking of one query.

    Attributes:
        query: Its id.
        liked: The rows of `train` with its highest labels, `(rows,)`.
        num_known: The number of its training rows.
        ranked: The rows of `Examples.columns` of its highest scores, `(rows,)`.
        scores: Their scores, `(rows,)`.
        labels: Their labels in the evaluated rows, NaN for items that are not in them, `(rows,)`.
        num_candidates: The number of rows that were ranked.
        num_new: The number of rows that these were drawn from.
    """

    query: Any
    liked: np.ndarray
    num_known: int
    ranked: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    num_candidates: int
    num_new: int


@dataclasses.dataclass(frozen=True)
class Examples:
    """Rankings of a few queries.

    Attributes:
        queries: One example per query.
        columns: Columns of the rows that were ranked.
        train: Columns of the training rows.
        num_items: Number of items that candidates were taken from, or `None` if each query ranks
            its own evaluated rows.
        reason: Why there is no ranking, or why only evaluated rows were ranked; may be empty.
    """

    queries: list[Example]
    columns: Columns
    train: Columns
    num_items: int | None
    reason: str


def make_examples(
    rows: ComparedRows,
    train: Columns,
    train_labels: np.ndarray,
    query: str | None,
    item: str | None,
    timestamp: str | None,
    item_columns: list[str],
    k: int,
    relevant: float,
    seed: int,
) -> Examples:
    """Ranks items for a few queries drawn at random from those with a relevant training row."""
    if rows.queries is None or query is None:
        return Examples([], {}, {}, None, "The rows have no query column.")
    rng = np.random.default_rng(seed)
    chosen = _choose(
        rows.columns[query], rows.queries, set(train[query][train_labels >= relevant].tolist()), rng
    )
    catalog, reason = _catalog(rows, train, query, item, timestamp, item_columns)
    columns = rows.columns if catalog is None else catalog.columns
    examples = []
    for value in chosen:
        own = np.flatnonzero(rows.columns[query] == value)  # at least one
        known = np.flatnonzero(train[query] == value)
        liked = known[train_labels[known] >= relevant]
        liked = liked[np.argsort(-train_labels[liked], kind="stable")]
        if item is not None:  # each item once
            liked = liked[np.sort(np.unique(train[item][liked], return_index=True)[1])]
        liked = liked[:_NUM_LIKED]
        if catalog is None:
            best = top_k_indices(rows.scores[own], k)
            ranked, scores, labels = own[best], rows.scores[own][best], rows.labels[own][best]
            size = num_new = len(own)
        else:
            last = own[-1]
            if timestamp is not None:
                last = own[np.argmax(rows.columns[timestamp][own])]
            label_of = dict(
                zip(rows.columns[catalog.item][own].tolist(), rows.labels[own], strict=True)
            )
            candidates, num_new = catalog.candidates(
                set(train[catalog.item][known].tolist()), set(label_of), rng
            )
            scores = catalog.score(rows.scorer, rows.label, candidates, last)
            best = top_k_indices(scores, k)
            ranked, scores, size = candidates[best], scores[best], len(candidates)
            ids = catalog.columns[catalog.item][ranked].tolist()
            labels = np.array([label_of.get(each, np.nan) for each in ids])
        examples.append(Example(value, liked, len(known), ranked, scores, labels, size, num_new))
    num_items = None if catalog is None else len(catalog.firsts)
    return Examples(examples, columns, train, num_items, reason)


def _choose(
    ids: np.ndarray, queries: np.ndarray, with_liked: set, rng: np.random.Generator
) -> np.ndarray:
    """A few distinct queries at random, those with relevant training rows before others."""
    ids = ids[np.unique(queries, return_index=True)[1]]
    has_liked = np.array([each in with_liked for each in ids.tolist()])
    order = rng.permutation(len(ids))
    return ids[order[np.argsort(~has_liked[order], kind="stable")][:_NUM_USERS]]


class _Catalog:
    """The items of all rows, each with the features of its first row."""

    def __init__(
        self, columns: Columns, firsts: np.ndarray, item: str, of_query: list[str], offset: int
    ):
        self.columns, self.firsts, self.item = columns, firsts, item
        self._of_query, self._offset = of_query, offset

    def candidates(
        self, known: set, evaluated: set, rng: np.random.Generator
    ) -> tuple[np.ndarray, int]:
        """Rows of items that are not known; a sample of them, with all evaluated ones, if many."""
        ids = self.columns[self.item][self.firsts].tolist()
        is_new = np.array([each not in known for each in ids])
        num_new = int(is_new.sum())
        if num_new > _MAX_CANDIDATES:
            drawn = rng.choice(np.flatnonzero(is_new), _MAX_CANDIDATES, replace=False)
            is_chosen = np.array([each in evaluated for each in ids])
            is_chosen[drawn] = True
            is_new &= is_chosen
        return self.firsts[is_new], num_new

    def score(self, scorer: Any, label: str, candidates: np.ndarray, row: int) -> np.ndarray:
        """Scores of candidates with the features of the query from an evaluated row."""
        if not len(candidates):
            return np.zeros(0)
        specs = get_feature_specs(scorer)
        names = [name for name in self.columns if specs is None or name in specs]
        columns = {
            name: values[
                np.full(len(candidates), row + self._offset)
                if name in self._of_query
                else candidates
            ]
            for name, values in self.columns.items()
            if name in names
        }
        of_one_query = np.zeros(len(candidates), int)
        return score_rows(scorer, columns, label, of_one_query).astype(float)


def _catalog(
    rows: ComparedRows,
    train: Columns,
    query: str,
    item: str | None,
    timestamp: str | None,
    item_columns: list[str],
) -> tuple[_Catalog | None, str]:
    """The items to rank, or `None` and why not: features must belong to the item or the query."""
    if item is None:
        return None, "The rows have no item column."
    if not (callable(rows.scorer) or hasattr(rows.scorer, "signatures")):
        return None, "Scores were given as an array."
    specs = get_feature_specs(rows.scorer)
    features = [each for each in rows.columns if each != rows.label] if specs is None else [*specs]
    needed = dict.fromkeys([*features, item, *item_columns])
    if set(needed) <= set(train):
        columns = {each: _concatenate(train[each], rows.columns[each]) for each in needed}
        offset = len(train[item])
    else:
        columns, offset = {each: rows.columns[each] for each in needed}, 0
    of_query, of_neither = [], []
    groups = {item: _groups(columns[item])}
    for name in features:
        if not _is_constant_within(columns[name], groups[item]):
            if query not in groups:
                ids = rows.columns[query]
                ids = _concatenate(train[query], ids) if offset else ids
                groups[query] = _groups(ids)
            is_of_query = _is_constant_within(columns[name], groups[query])
            (of_query if is_of_query or name == timestamp else of_neither).append(name)
    if of_neither:
        return None, f"Values of {', '.join(of_neither)} belong to neither {item} nor {query}."
    return _Catalog(columns, np.unique(groups[item]), item, of_query, offset), ""


def _concatenate(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    if first.dtype.kind in "US" or second.dtype.kind in "US":
        first, second = first.astype(object), second.astype(object)
    return np.concatenate([first, second])


def _groups(ids: np.ndarray) -> np.ndarray:
    """The first row with the id of each row, `(rows,)`."""
    indices, distinct = factorize(ids.tolist())
    firsts = np.empty(len(distinct), int)
    firsts[indices[::-1]] = np.arange(len(indices))[::-1]
    return firsts[indices]


def _is_constant_within(column: np.ndarray, firsts: np.ndarray) -> bool:
    """Whether each row has the same cell as the first row of its group."""
    others = column[firsts]
    if column.dtype.kind == "O":
        return all(map(_are_equal, column, others))
    is_equal = column == others
    if column.dtype.kind in "fc":
        is_equal |= np.isnan(column) & np.isnan(others)
    return bool(np.all(is_equal))


def _are_equal(cell: Any, other: Any) -> bool:
    if isinstance(cell, str | bytes):
        return cell == other
    return np.array_equal(cell, other)
