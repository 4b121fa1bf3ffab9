import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from rankkit.evaluation import metrics
from rankkit.evaluation.metrics import RankedRows, bootstrap_means, check_cutoffs

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
        if not true.any():
            assert np.isnan(value)
        elif len(true) == 1:
            assert value == 1.0
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
def test_mrr_map_and_hit_rate_are_means_over_all_orders_of_ties(rows, k):
    queries, labels, scores = columns(rows)
    ranked = RankedRows(queries, labels, scores)
    relevant = ranked.labels >= 3
    values = (
        ranked.reciprocal_rank(relevant),
        ranked.average_precision(relevant, k),
        ranked.hit_rate(relevant, k),
    )

    def average_precision(row):
        precisions = np.cumsum(row) / np.arange(1, len(row) + 1)
        return precisions[:k][row[:k]].sum() / min(row.sum(), k)

    for rank, precision, hit, (true, predicted) in zip(
        *values, by_query(queries, labels >= 3, scores), strict=True
    ):
        if not true.any():
            assert np.isnan([rank, precision, hit]).all()
            continue
        expected = mean_over_orders(true, predicted, average_precision)
        assert precision == pytest.approx(expected)
        expected = mean_over_orders(true, predicted, lambda row: 1 / (1 + np.argmax(row)))
        assert rank == pytest.approx(expected)
        expected = mean_over_orders(true, predicted, lambda row: row[:k].any())
        assert hit == pytest.approx(expected)


@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_the_rows_does_not_matter(rows, random):
    values = []
    for each in (rows, random.sample(rows, len(rows))):
        values.append(list(metrics.MetricSettings([1, 3], 2).by_query(*columns(each)).values()))
    np.testing.assert_allclose(*values)


@pytest.mark.parametrize("no_relevant", ["skip", "one", "zero"])
@pytest.mark.parametrize("gain", ["exponential", "linear"])
def test_negative_labels_have_no_ndcg(gain, no_relevant):
    labels = np.array([2, 0, 1, -1, 4, 3])
    settings = metrics.MetricSettings([10], 1, gain=gain, no_relevant=no_relevant)
    values = settings.by_query(np.array([0, 0, 0, 0, 1, 1]), labels, labels)
    assert np.isnan(values["ndcg_at_10"]).all()
    assert values["mrr"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("largest", [3.0, 2000.0, 1.7e308, 5e-324])
def test_linear_gains_of_any_size_have_an_ndcg(largest):
    labels = np.array([0.0, largest, largest])
    settings = metrics.MetricSettings([10], 1, gain="linear")
    [value] = settings.by_query(np.zeros(3, int), labels, np.array([3, 2, 1]))["ndcg_at_10"]
    # (1 / log2(3) + 1 / 2) / (1 + 1 / log2(3))
    assert value == pytest.approx((1 / np.log2(3) + 0.5) / (1 + 1 / np.log2(3)))


@pytest.mark.parametrize("k", [5, np.int64(5), [5, 1], (5, 1), np.array([5, 1]), range(5, 0, -4)])
def test_cutoffs_are_one_integer_or_several(k):
    assert check_cutoffs(k) == ([5] if np.ndim(k) == 0 else [5, 1])


@pytest.mark.parametrize("k", [0, True, 2.0, "5", None, [], [0], [1, 1], [1, True], {1, 5}, [[1]]])
def test_other_cutoffs_are_refused(k):
    message = "k must be an integer of at least 1, or a sequence of different ones. Got: k="
    with pytest.raises((TypeError, ValueError), match=message):
        check_cutoffs(k)


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
