"""Ranking metrics per query, their bootstrap samples and confidence intervals."""

import dataclasses
import math
import numbers
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from rankkit.evaluation.row_metrics import divide, finished, row_blocks, row_terms
from rankkit.utils.errors import (
    check_choice,
    check_integer,
    check_number,
    check_range,
    check_sequence,
    invalid,
    is_integer,
)

_MAX_BOOTSTRAP_WEIGHTS = 1 << 23  # held in memory at a time
_GAINS = ("exponential", "linear")
_WITHOUT_RELEVANT = {"skip": math.nan, "one": 1.0, "zero": 0.0}


@dataclasses.dataclass(frozen=True)
class MetricSettings:
    """Checked arguments shared by `evaluate_ranking`, `compare_rankings` and `RankingMetrics`."""

    cutoffs: Sequence[int]
    relevant: float
    rating_range: tuple[float, float] | None = None
    num_bootstrap: int = 1000
    confidence: float = 0.95
    seed: int = 42
    gain: str = "exponential"
    no_relevant: str = "skip"

    def __post_init__(self):
        for name, least in (("num_bootstrap", 1), ("seed", 0)):
            check_integer(name, getattr(self, name), least)
        check_choice("gain", self.gain, _GAINS)
        check_choice("no_relevant", self.no_relevant, _WITHOUT_RELEVANT)
        check_number("relevant", self.relevant, fix="Pass one, such as 4.0.")
        expected, fix = "a number between 0 and 1", "Pass a level such as 0.95."
        check_number("confidence", self.confidence, expected, fix, above=0, below=1)
        if self.rating_range is not None:
            check_range("rating_range", self.rating_range)

    def by_query(
        self,
        queries: np.ndarray,
        labels: np.ndarray,
        scores: np.ndarray,
        only: str | None = None,
    ) -> dict[str, np.ndarray]:
        """Metric to its value per query; `queries` has the index of each row's query, from 0.

        A value is NaN if the query does not count. If `only` is given, other metrics are not
        computed.
        """
        rows = RankedRows(queries, labels, scores)
        is_relevant = rows.labels >= self.relevant
        gains = rows.gains(self.gain)
        values: dict[str, np.ndarray] = {}

        def add(name: str, compute: Callable[..., np.ndarray], *arguments: Any) -> None:
            if only in (None, name):
                values[name] = compute(*arguments)

        for k in self.cutoffs:
            add(f"ndcg_at_{k}", rows.ndcg, gains, k)
        add("mrr", rows.reciprocal_rank, is_relevant)
        for k in self.cutoffs:
            add(f"map_at_{k}", rows.average_precision, is_relevant, k)
        for k in self.cutoffs:
            add(f"hit_rate_at_{k}", rows.hit_rate, is_relevant, k)
        for name, each in values.items():
            is_ndcg = name.startswith("ndcg")
            if is_ndcg and self.no_relevant == "skip":  # and any order of one row is ideal
                values[name] = np.where(rows.sizes > 1, each, np.nan)
            elif not (is_ndcg and labels.min() < 0):
                values[name] = np.nan_to_num(each, nan=_WITHOUT_RELEVANT[self.no_relevant])
        add("auc", rows.auc)
        return values

    def num_without_relevant(self, queries: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
        """Number of queries to which `no_relevant` applies: in NDCG, and in the binary metrics."""
        rows = RankedRows(queries, labels, labels)
        has_gain = rows.have(rows.gains(self.gain) > 0)
        if self.no_relevant == "skip":
            has_gain &= rows.sizes > 1
        return int((~has_gain).sum()), int((~rows.have(rows.labels >= self.relevant)).sum())

    def bootstrap(
        self,
        queries: np.ndarray | None,
        labels: np.ndarray,
        scores: np.ndarray,
        predictions: np.ndarray | None,
        row_metrics: Sequence[str],
        only: str | None = None,
    ) -> dict[str, tuple[float, np.ndarray]]:
        """Metric to its value on all rows and on each bootstrap sample, `(num_bootstrap,)`.

        Queries are resampled, or rows if `queries` is `None`: then there are no metrics by query.
        `predictions` are the scores on the scale of the labels, for `row_metrics`. If `only` is
        given, other metrics by query are not computed.
        """
        if queries is None:
            units = row_blocks(len(labels), self.seed)
        else:
            _, units = np.unique(queries, return_inverse=True)
        terms = row_terms(row_metrics, labels, scores, predictions, units)
        if queries is not None:
            for name, values in self.by_query(units, labels, scores, only).items():
                terms[name] = np.nan_to_num(values), np.isfinite(values)
        sums, counts = (
            np.column_stack(each).astype(float) for each in zip(*terms.values(), strict=True)
        )
        means = divide(sums.sum(0), counts.sum(0))
        samples = bootstrap_means(sums, counts, num_samples=self.num_bootstrap, seed=self.seed)
        samples[:, (counts != 0).sum(0) < 2] = np.nan  # one unit does not vary
        return finished({name: (means[i], samples[:, i]) for i, name in enumerate(terms)})

    def line(
        self, rows: str, scorer: str, num_rows: int, queries: Any, metrics: dict[str, Any]
    ) -> dict[str, Any]:
        """A line of a `Report`: metrics with the bounds of their intervals, `None` for NaN."""
        line: dict[str, Any] = {"rows": rows, "scorer": scorer, "num_rows": num_rows}
        line["num_queries"] = None if queries is None else len(np.unique(queries))
        tail = (1 - self.confidence) / 2
        for name, (value, samples) in metrics.items():
            finite = samples[np.isfinite(samples)]
            bounds = np.quantile(finite, [tail, 1 - tail]) if len(finite) else (math.nan, math.nan)
            keys = (name, f"{name}_low", f"{name}_high")
            for key, number in zip(keys, (value, *bounds), strict=True):
                line[key] = float(number) if math.isfinite(number) else None
        return line


def check_cutoffs(k: Any) -> list[int]:
    """Returns one or several rank cutoffs, the argument `k`, as a list."""
    expected = "an integer of at least 1, or a sequence of different ones"
    is_single = isinstance(k, numbers.Number | np.bool_)
    values: list[Any] = [k] if is_single else check_sequence("k", k, expected)
    is_valid = all(is_integer(each) and each >= 1 for each in values)
    if not (is_valid and 0 < len(values) == len(set(values))):
        raise invalid("k", k, expected)
    return [int(each) for each in values]


def clip_scores(scores: np.ndarray, rating_range: tuple[float, float] | None) -> np.ndarray:
    """Clips scores to a range; without a range they are returned unchanged."""
    return scores if rating_range is None else np.clip(scores, *rating_range)


class RankedRows:
    """Rows sorted by query, then by descending score; arguments of methods are in this order.

    Rows of a query with equal scores are tied. A metric is its expected value over all orders of
    the ties, so that the order of the input does not matter.
    """

    def __init__(self, queries: np.ndarray, labels: np.ndarray, scores: np.ndarray):
        order = np.lexsort((-scores, queries))
        self.queries = queries[order]
        self.labels = labels[order].astype(float)
        self.scores = scores[order]
        self.sizes = np.bincount(self.queries)  # (queries,)
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._ranks = np.arange(len(order)) - self._starts[self.queries]  # from 0
        is_new = (np.diff(self.queries) != 0) | (np.diff(self.scores) != 0)
        self._ties = np.concatenate([[0], np.cumsum(is_new)])  # index of each row's group of ties

    def have(self, condition: np.ndarray) -> np.ndarray:
        """Whether each query has a row for which a condition is true."""
        return np.logical_or.reduceat(condition, self._starts)

    def gains(self, kind: str = "exponential") -> np.ndarray:
        """Gains `2**label - 1` or `label`, those of a query divided by the same power of 2."""
        largest = np.maximum.reduceat(self.labels, self._starts)
        if kind == "linear":
            return np.ldexp(self.labels, -np.frexp(largest)[1][self.queries])
        excess = np.maximum(largest - 1000, 0)[self.queries]
        return np.exp2(self.labels - excess) - np.exp2(-excess)

    def ndcg(self, gains: np.ndarray, k: int) -> np.ndarray:
        """NDCG at `k`; NaN without a gain, and for all queries if a gain is negative."""
        discounts = np.where(self._ranks < k, 1 / np.log2(self._ranks + 2), 0.0)
        gains = gains if gains.min() >= 0 else np.full(len(gains), np.nan)
        ideal = gains[self._by_label]
        tied_gains = (np.bincount(self._ties, gains) / np.bincount(self._ties))[self._ties]
        dcg, ideal_dcg = (
            np.bincount(self.queries, discounts * each, len(self.sizes))
            for each in (tied_gains, ideal)
        )
        return divide(dcg, ideal_dcg)

    @cached_property
    def _by_label(self) -> np.ndarray:
        """The rows in the ideal order of each query."""
        return np.lexsort((-self.labels, self.queries))

    def auc(self) -> np.ndarray:
        """Share of correctly ordered pairs of different label; NaN if all labels are equal."""
        correct, pairs = np.zeros(len(self.sizes)), np.zeros(len(self.sizes))
        for query, (start, size) in enumerate(zip(self._starts, self.sizes, strict=True)):
            rows = slice(start, start + size)
            correct[query], pairs[query] = _count_pairs(self.labels[rows], self.scores[rows])
        return divide(correct, pairs)

    def reciprocal_rank(self, relevant: np.ndarray) -> np.ndarray:
        """Reciprocal rank of the first relevant row; NaN without one."""
        first, tied, hits = self._first_relevant_ties(relevant)
        found = tied > 0
        expected, missed = np.zeros(len(first)), found.astype(float)
        for offset in range(int(tied.max(initial=0))):
            probability = np.clip(hits / np.maximum(tied - offset, 1), 0, 1)
            expected += missed * probability / (first + offset + 1)
            missed *= 1 - probability
        return np.where(found, expected, np.nan)

    def average_precision(self, relevant: np.ndarray, k: int) -> np.ndarray:
        """Average precision of the first `k`; NaN without a relevant row."""
        sizes, hits = np.bincount(self._ties), np.bincount(self._ties, relevant)
        starts = np.cumsum(sizes) - sizes
        num_relevant = np.bincount(self.queries, relevant)
        queries = self.queries[starts]  # of each group of ties
        above = np.cumsum(hits) - hits - (np.cumsum(num_relevant) - num_relevant)[queries]
        # At place p of t ties, r of them relevant, is a relevant row with probability r / t. Of the
        # p ties before it, p (r - 1) / (t - 1) are expected to be relevant.
        p = self._ranks - self._ranks[starts][self._ties]
        t, r, above = (each[self._ties] for each in (sizes, hits, above))
        precision = (above + 1 + p * (r - 1) / np.maximum(t - 1, 1)) / (self._ranks + 1)
        found = np.where(self._ranks < k, r / t * precision, 0.0)
        return divide(np.bincount(self.queries, found), np.minimum(num_relevant, k))

    def hit_rate(self, relevant: np.ndarray, k: int) -> np.ndarray:
        """Probability that a relevant row is among the first `k`; NaN without a relevant row."""
        first, tied, hits = self._first_relevant_ties(relevant)
        within_k = np.clip(k - first, 0, tied)
        missed = np.ones(len(first))
        for offset in range(int(within_k.max(initial=0))):
            probability = np.clip(hits / np.maximum(tied - offset, 1), 0, 1)
            missed *= np.where(offset < within_k, 1 - probability, 1.0)
        return np.where(tied > 0, 1 - missed, np.nan)

    def _first_relevant_ties(self, relevant: np.ndarray) -> tuple[np.ndarray, ...]:
        """Rank, size and number of relevant rows of each query's first ties with a relevant row."""
        sizes, hits = np.bincount(self._ties), np.bincount(self._ties, relevant)
        starts = np.cumsum(sizes) - sizes
        with_hit = np.flatnonzero(hits)
        queries, indices = np.unique(self.queries[starts[with_hit]], return_index=True)
        chosen = with_hit[indices]
        first, tied, num_relevant = (np.zeros(len(self.sizes), int) for _ in range(3))
        first[queries] = self._ranks[starts[chosen]]
        tied[queries], num_relevant[queries] = sizes[chosen], hits[chosen]
        return first, tied, num_relevant


def _count_pairs(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Number of correctly ordered pairs, ties by half, and of all; scores are descending."""
    labels, scores = labels[::-1], scores[::-1]
    correct, pairs = 0.0, 0.0
    for label in np.unique(labels)[1:]:
        lower, own = scores[labels < label], scores[labels == label]
        below = np.searchsorted(lower, own, "left"), np.searchsorted(lower, own, "right")
        correct += sum(map(np.sum, below)) / 2
        pairs += len(lower) * len(own)
    return correct, pairs


def bootstrap_means(
    sums: np.ndarray, counts: np.ndarray, *, num_samples: int, seed: int
) -> np.ndarray:
    """Means over queries resampled with replacement, `(num_samples, values)`; NaN for no row."""
    rng = np.random.default_rng(seed)
    queries = len(sums)  # sums and counts over the rows of a query are (queries, values)
    at_once = max(1, _MAX_BOOTSTRAP_WEIGHTS // queries)
    means = []
    for start in range(0, num_samples, at_once):
        samples = min(at_once, num_samples - start)
        sampled = rng.integers(queries, size=(samples, queries))
        sampled += queries * np.arange(samples)[:, None]
        weights = np.bincount(sampled.ravel(), minlength=samples * queries)
        weights = weights.reshape(samples, queries).astype(float)
        means.append(divide(weights @ sums, weights @ counts))
    return np.concatenate(means)
