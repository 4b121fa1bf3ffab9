import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from rankkit.evaluation import metrics
from rankkit.evaluation.metrics import RankedRows, bootstrap_means

# Query, label and score. Few distinct values, so that ties are frequent.
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    min_size=1,
    max_size=30,
)


def columns(rows):
    queries, labels, scores = map(np.array, zip(*rows, strict=True))
    return np.unique(queries, return_inverse=True)[1], labels, scores


def by_query(queries, labels, scores):
    for query in range(queries.max() + 1):
        rows = queries == query
        yield labels[rows], scores[rows]


def mean_over_orders(labels, scores, value):
    """The mean of a metric over all orders in which no lower score precedes a higher one."""
    orders = [
        order
        for order in itertools.permutations(range(len(labels)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    return np.mean([value(labels[list(order)]) for order in orders])


@given(ROWS, st.sampled_from([1, 2, 5, 99]))
def test_ndcg_equals_that_of_scikit_learn(rows, k):
    ranked = RankedRows(*columns(rows))
    ndcg = ranked.ndcg(np.exp2(ranked.labels) - 1, k)
    for value, (true, predicted) in zip(ndcg, by_query(*columns(rows)), strict=True):
        if len(true) < 2 or not true.any():
            assert np.isnan(value)
        else:
            expected = ndcg_score([np.exp2(true) - 1], [predicted], k=k)
            assert value == pytest.approx(expected, abs=1e-9)


@given(ROWS)
def test_auc_of_two_labels_equals_that_of_scikit_learn(rows):
    queries, labels, scores = columns(rows)
    auc = RankedRows(queries, labels > 1, scores).auc()
    for value, (true, predicted) in zip(auc, by_query(queries, labels > 1, scores), strict=True):
        if len(set(true)) < 2:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(roc_auc_score(true, predicted), abs=1e-9)


def test_auc_of_graded_labels_is_the_share_of_correctly_ordered_pairs():
    rng = np.random.default_rng(0)
    for labels in (rng.integers(0, 3, 50), rng.normal(size=50).round(1)):
        scores = rng.integers(0, 9, 50)
        pairs = [(a, b) for a in range(50) for b in range(50) if labels[a] > labels[b]]
        correct = [(scores[a] > scores[b]) + (scores[a] == scores[b]) / 2 for a, b in pairs]
        [value] = RankedRows(np.zeros(50, int), labels, scores).auc()
        assert value == pytest.approx(np.mean(correct), abs=1e-12)


@given(ROWS.filter(lambda rows: len(rows) <= 6), st.sampled_from([1, 2, 3, 99]))
def test_mrr_and_hit_rate_are_means_over_all_orders_of_ties(rows, k):
    queries, labels, scores = columns(rows)
    ranked = RankedRows(queries, labels, scores)
    values = ranked.reciprocal_rank(ranked.labels >= 3), ranked.hit_rate(ranked.labels >= 3, k)
    for rank, hit, (true, predicted) in zip(
        *values, by_query(queries, labels >= 3, scores), strict=True
    ):
        if not true.any():
            assert np.isnan([rank, hit]).all()
            continue
        expected = mean_over_orders(true, predicted, lambda row: 1 / (1 + np.argmax(row)))
        assert rank == pytest.approx(expected)
        expected = mean_over_orders(true, predicted, lambda row: row[:k].any())
        assert hit == pytest.approx(expected)


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(rows, random):
    values = []
    for each in (rows, random.sample(rows, len(rows))):
        values.append(list(metrics.MetricSettings(3, 2).by_query(*columns(each)).values()))
    np.testing.assert_allclose(*values)


def test_negative_gains_have_no_ndcg():
    labels = np.array([3, 1, 2, 0, 5, 4])
    ranked = RankedRows(np.array([0, 0, 0, 0, 1, 1]), labels, labels)
    assert np.isnan(ranked.ndcg(ranked.labels - 1, 10)).all()


# --- Bootstrap ---


def test_intervals_cover_the_true_mean_as_often_as_their_confidence():
    rng = np.random.default_rng(0)
    num_covered = 0
    for trial in range(200):
        sizes = rng.integers(1, 6, size=60)
        means = rng.normal(size=60)  # rows of a query are correlated
        sums = np.array([[rng.normal(m, 1, n).sum()] for m, n in zip(means, sizes, strict=True)])
        samples = bootstrap_means(sums, sizes[:, None].astype(float), num_samples=300, seed=trial)
        low, high = np.quantile(samples, [0.05, 0.95])
        num_covered += low <= 0 <= high
    assert 0.82 <= num_covered / 200 <= 0.96


def test_samples_in_chunks_have_the_same_distribution(monkeypatch):
    sums, counts = np.arange(10.0)[:, None], np.ones((10, 1))
    whole = bootstrap_means(sums, counts, num_samples=500, seed=1)
    monkeypatch.setattr(metrics, "_MAX_BOOTSTRAP_WEIGHTS", 100)
    chunks = bootstrap_means(sums, counts, num_samples=500, seed=1)
    assert chunks.shape == whole.shape
    assert chunks.std() == pytest.approx(whole.std(), rel=0.2)
    assert np.isnan(bootstrap_means(sums, counts * 0, num_samples=2, seed=1)).all()
