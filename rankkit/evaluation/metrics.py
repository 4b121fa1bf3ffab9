"""Ranking metrics per query, and their bootstrap confidence intervals."""

import numpy as np


def metrics_by_query(
    queries: np.ndarray, labels: np.ndarray, scores: np.ndarray, *, k: int, relevant: float
) -> dict[str, np.ndarray]:
    """Computes the metrics of each query's order.

    Args:
        queries: Number of each row's query, from 0, `(rows,)`.
        labels: Label of each row, `(rows,)`.
        scores: Score of each row, `(rows,)`.
        k: How many places count.
        relevant: Labels from this on are relevant.

    Returns:
        Name of the metric to one value a query, `(queries,)`; NaN for queries that do not have it.
    """
    rows = QueryRows(queries, labels, scores)
    hits = rows.labels >= relevant
    return {
        f"ndcg_at_{k}": rows.ndcg(np.exp2(rows.labels) - 1, k),
        "mrr": rows.reciprocal_rank(hits),
        f"hit_rate_at_{k}": rows.hit(hits, k),
        "auc": rows.auc(),
    }


class QueryRows:
    """Rows of many queries with their scores, each query's best first.

    Rows of one query with equal scores are tied. A metric of tied rows is its mean over all
    orders of the ties, so that no order that rows happen to have is worth anything.

    Args:
        queries: Number of each row's query, from 0, `(rows,)`.
        labels: Label of each row, `(rows,)`.
        scores: Score of each row, `(rows,)`.
    """

    def __init__(self, queries: np.ndarray, labels: np.ndarray, scores: np.ndarray):
        order = np.lexsort((-scores, queries))
        self.queries = queries[order]
        self.labels = labels[order].astype(float)
        self.scores = scores[order]
        self.sizes = np.bincount(self.queries)  # (queries,)
        self._starts = np.cumsum(self.sizes) - self.sizes
        self._places = np.arange(len(order)) - self._starts[self.queries]  # 0 for the best
        another = (np.diff(self.queries) != 0) | (np.diff(self.scores) != 0)
        self._ties = np.concatenate([[0], np.cumsum(another)])  # number of each row's tied rows

    def ndcg(self, gains: np.ndarray, k: int | None) -> np.ndarray:
        """Normalized discounted cumulative gain of the first `k`.

        The gain of the row at place `i`, from 1, is divided by `log2(1 + i)`; the sum is divided
        by that of the best order.

        Args:
            gains: What each label is worth, `(rows,)` in the order of the rows here.
            k: How many places count; None counts all.

        Returns:
            One value a query, from 0 to 1; NaN for those of one row or without any gain, and for
            all if a gain is negative.
        """
        discounts = 1 / np.log2(self._places + 2)
        if k is not None:
            discounts[self._places >= k] = 0.0
        gains = gains if gains.min() >= 0 else np.full(len(gains), np.nan)
        ideal = gains[np.lexsort((-gains, self.queries))]
        dcg = self._sums(discounts * self._tied_means(gains))
        best = self._sums(discounts * ideal)
        return np.where(self.sizes > 1, means_of(dcg, best), np.nan)

    def auc(self) -> np.ndarray:
        """Share of the pairs of rows of different label in which the higher one scores higher.

        A pair of equal scores counts as half. With two labels this is the area under the ROC curve.

        Returns:
            One value a query; NaN for those whose labels are all the same.
        """
        right, pairs = np.zeros(len(self.sizes)), np.zeros(len(self.sizes))
        for query, (start, size) in enumerate(zip(self._starts, self.sizes, strict=True)):
            rows = slice(start, start + size)
            right[query], pairs[query] = _ordered_pairs(self.labels[rows], self.scores[rows])
        return means_of(right, pairs)

    def reciprocal_rank(self, relevant: np.ndarray) -> np.ndarray:
        """One divided by the place of the first relevant row, from 1.

        Args:
            relevant: Whether each row is, `(rows,)` in the order of the rows here.

        Returns:
            One value a query; NaN for those without a relevant row.
        """
        first, tied, hits, found = self._first_relevant_ties(relevant)
        expected, missed = np.zeros(len(first)), found.astype(float)
        for place in range(int(tied.max(initial=0))):
            left = np.maximum(tied - place, 1)
            drawn = np.clip(hits / left, 0, 1)
            expected += missed * drawn / (first + place + 1)
            missed *= 1 - drawn
        return np.where(found, expected, np.nan)

    def hit(self, relevant: np.ndarray, k: int | None) -> np.ndarray:
        """Whether a relevant row is among the first `k`.

        Args:
            relevant: Whether each row is, `(rows,)` in the order of the rows here.
            k: How many places count; None counts all.

        Returns:
            0 or 1 a query, between them where ties decide; NaN without a relevant row.
        """
        first, tied, hits, found = self._first_relevant_ties(relevant)
        counting = tied if k is None else np.clip(k - first, 0, tied)
        missed = np.ones(len(first))
        for place in range(int(counting.max(initial=0))):
            left = np.maximum(tied - place, 1)
            missed *= np.where(place < counting, 1 - np.clip(hits / left, 0, 1), 1.0)
        return np.where(found, 1 - missed, np.nan)

    def _first_relevant_ties(self, relevant: np.ndarray) -> tuple[np.ndarray, ...]:
        """Finds, for each query, the first tied rows with a relevant one among them.

        Returns:
            How many rows come before them, how many they are, how many of them are relevant, and
            whether there are any, each `(queries,)`.
        """
        sizes, hits = np.bincount(self._ties), np.bincount(self._ties, relevant)
        starts = np.cumsum(sizes) - sizes
        with_hit = np.flatnonzero(hits)
        owners, places = np.unique(self.queries[starts[with_hit]], return_index=True)
        chosen = with_hit[places]
        first, tied, number = (np.zeros(len(self.sizes), int) for _ in range(3))
        first[owners] = self._places[starts[chosen]]
        tied[owners], number[owners] = sizes[chosen], hits[chosen]
        return first, tied, number, tied > 0

    def _tied_means(self, values: np.ndarray) -> np.ndarray:
        return (np.bincount(self._ties, values) / np.bincount(self._ties))[self._ties]

    def _sums(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.queries, values, len(self.sizes))


def _ordered_pairs(labels: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Counts the pairs of different label that are in order, ties by half, and all such pairs.

    Scores come highest first.
    """
    labels, scores = labels[::-1], scores[::-1]
    right, pairs = 0.0, 0.0
    for label in np.unique(labels)[1:]:
        lower, own = scores[labels < label], scores[labels == label]
        below = np.searchsorted(lower, own, "left"), np.searchsorted(lower, own, "right")
        right += sum(map(np.sum, below)) / 2
        pairs += len(lower) * len(own)
    return right, pairs


_WEIGHTS_AT_ONCE = 1 << 23


def bootstrap_means(
    sums: np.ndarray, counts: np.ndarray, *, num_samples: int, seed: int
) -> np.ndarray:
    """Draws as many queries as there are, with replacement, and takes the means over them.

    Args:
        sums: Sum of each value over a query's rows, `(queries, values)`.
        counts: How many rows it has for each value, `(queries, values)`; 0 leaves it out.
        num_samples: How often to draw.
        seed: Chooses the draws.

    Returns:
        The means, `(num_samples, values)`; NaN where no row was drawn.
    """
    rng = np.random.default_rng(seed)
    queries = len(sums)
    at_once = max(1, _WEIGHTS_AT_ONCE // queries)
    means = []
    for start in range(0, num_samples, at_once):
        samples = min(at_once, num_samples - start)
        drawn = rng.integers(queries, size=(samples, queries))
        drawn += queries * np.arange(samples)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=samples * queries)
        weights = weights.reshape(samples, queries).astype(float)
        means.append(means_of(weights @ sums, weights @ counts))
    return np.concatenate(means)


def means_of(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Divides sums by counts, both of one shape; NaN where there is nothing to count."""
    return np.where(counts > 0, sums / np.where(counts > 0, counts, 1), np.nan)
