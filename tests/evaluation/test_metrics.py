import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from rankkit.evaluation.metrics import QueryRows

# Few distinct values, so that ties are the rule.
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from([-1.0, 0.0, 0.5, 2.0])),
    min_size=1,
    max_size=30,
)


def columns(rows):
    queries, labels, scores = map(np.array, zip(*rows, strict=True))
    return np.unique(queries, return_inverse=True)[1], labels, scores


def of_query(query, queries, labels, scores):
    rows = queries == query
    return labels[rows], scores[rows]


def mean_over_orders(labels, scores, value):
    """The mean of a metric over all orders in which no lower score comes before a higher one."""
    orders = [
        order
        for order in itertools.permutations(range(len(labels)))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    return np.mean([value(labels[list(order)]) for order in orders])


@given(ROWS, st.sampled_from([1, 2, 5, None]))
@settings(max_examples=60, deadline=None)
def test_ndcg_is_scikit_learns(rows, k):
    queries, labels, scores = columns(rows)
    ordered = QueryRows(queries, labels, scores)
    found = ordered.ndcg(np.exp2(ordered.labels) - 1, k)
    for query, value in enumerate(found):
        true, predicted = of_query(query, queries, labels, scores)
        if len(true) < 2 or not true.any():
            assert np.isnan(value)
        else:
            expected = ndcg_score([np.exp2(true) - 1], [predicted], k=k)
            assert value == pytest.approx(expected, abs=1e-9)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_auc_is_scikit_learns(rows):
    queries, labels, scores = columns(rows)
    found = QueryRows(queries, labels > 1, scores).auc()
    for query, value in enumerate(found):
        true, predicted = of_query(query, queries, labels > 1, scores)
        if len(set(true)) < 2:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(roc_auc_score(true, predicted), abs=1e-9)


def test_auc_of_graded_labels_counts_pairs():
    # Pairs of different label: (5, 3) right, (5, 1) tied, (3, 1) wrong twice: 1 + 0.5 * 2 of 5.
    labels, scores = np.array([5, 3, 1, 1]), np.array([2.0, 1.0, 2.0, 2.0])
    [value] = QueryRows(np.zeros(4, int), labels, scores).auc()
    assert value == pytest.approx((1 + 0.5 * 2) / 5)


def test_auc_counts_each_pair_of_different_label():
    rng = np.random.default_rng(0)
    for labels in (rng.integers(0, 3, 50), rng.normal(size=50).round(1)):
        scores = rng.integers(0, 9, 50)
        pairs = [(a, b) for a in range(50) for b in range(50) if labels[a] > labels[b]]
        right = [(scores[a] > scores[b]) + (scores[a] == scores[b]) / 2 for a, b in pairs]
        [found] = QueryRows(np.zeros(50, int), labels, scores).auc()
        assert found == pytest.approx(np.mean(right), abs=1e-12)


@given(ROWS.filter(lambda rows: len(rows) <= 6), st.sampled_from([1, 2, 3, None]))
@settings(max_examples=60, deadline=None)
def test_mrr_and_hits_are_the_mean_over_all_orders_of_ties(rows, k):
    queries, labels, scores = columns(rows)
    ordered = QueryRows(queries, labels, scores)
    relevant = ordered.labels >= 3
    ranks, hits = ordered.reciprocal_rank(relevant), ordered.hit(relevant, k)
    for query in range(queries.max() + 1):
        true, predicted = of_query(query, queries, labels >= 3, scores)
        if not true.any():
            assert np.isnan(ranks[query])
            assert np.isnan(hits[query])
            continue
        expected = mean_over_orders(true, predicted, lambda row: 1 / (1 + np.argmax(row)))
        assert ranks[query] == pytest.approx(expected)
        expected = mean_over_orders(true, predicted, lambda row: row[:k].any())
        assert hits[query] == pytest.approx(expected)


@given(ROWS, st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_rows_does_not_matter(rows, random):
    mixed = random.sample(rows, len(rows))
    for name in ("auc", "ndcg", "reciprocal_rank", "hit"):
        values = []
        for each in (rows, mixed):
            ordered = QueryRows(*columns(each))
            relevant = ordered.labels > 1
            arguments = {
                "auc": (),
                "ndcg": (ordered.labels, 3),
                "reciprocal_rank": (relevant,),
                "hit": (relevant, 3),
            }
            values.append(getattr(ordered, name)(*arguments[name]))
        np.testing.assert_allclose(*values)


def test_a_perfect_order_is_worth_1_and_negative_gains_nothing():
    labels = np.array([3, 1, 2, 0, 5, 4])
    queries = np.array([0, 0, 0, 0, 1, 1])
    ordered = QueryRows(queries, labels, labels)
    np.testing.assert_array_equal(ordered.ndcg(ordered.labels, 10), [1, 1])
    np.testing.assert_array_equal(ordered.auc(), [1, 1])
    assert np.isnan(ordered.ndcg(ordered.labels - 1, 10)).all()
