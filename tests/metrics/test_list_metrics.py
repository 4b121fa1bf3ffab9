"""Ranking metrics, compared with scikit-learn, `evaluate_ranking` and all orders of ties."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score, ndcg_score

import rankkit as rk

NAN = float("nan")


def lists(seed=0, count=30, items=6, ties=True):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (count, items)).astype(np.float32)
    scores = rng.integers(0, 3, (count, items)).astype(np.float32)
    if not ties:
        scores = np.argsort(rng.normal(size=(count, items)), axis=1).astype(np.float32)
    lengths = rng.integers(1, items + 1, count)
    labels[np.arange(items) >= lengths[:, None]] = NAN
    return labels, scores


def value(metric, labels, scores, weights=None):
    metric.reset_state()
    metric.update_state(labels, scores, sample_weight=weights)
    return float(metric.result())


def evaluate(labels, scores, **settings):
    """The metrics of `evaluate_ranking` for lists of labels and scores."""
    there = ~np.isnan(labels)
    queries = np.repeat(np.arange(len(labels)), there.sum(axis=1))
    rows = {"user_id": queries, "label": labels[there], "score": scores[there]}
    return rk.evaluate_ranking(
        lambda columns: columns["score"], rows, train=rows, label="label", relevant=1.0, **settings
    ).metrics


def precision(hits, k):
    return sum(hits[:k]) / k


def recall(hits, k):
    return sum(hits[:k]) / sum(hits)


def reciprocal_rank(hits, k):
    rank = hits.index(True) + 1
    return 1 / rank if rank <= k else 0.0


def average_precision(hits, k):
    precisions = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits[:k]) if hit]
    return sum(precisions) / min(sum(hits), k)


MEASURES = {
    "precision": (rk.metrics.PrecisionAtK, precision),
    "recall": (rk.metrics.RecallAtK, recall),
    "mrr": (rk.metrics.MeanReciprocalRank, reciprocal_rank),
    "map": (rk.metrics.MeanAveragePrecision, average_precision),
}


def mean_over_orders(measure, labels, scores, k, relevant):
    """Mean of a measure over all orders of ties; `None` without relevant items."""
    items = [(s, y >= relevant) for y, s in zip(labels, scores, strict=True) if not np.isnan(y)]
    if not any(hit for _, hit in items):
        return None
    values = [
        measure([hit for _, hit in order], k)
        for order in itertools.permutations(items)
        if all(one[0] >= other[0] for one, other in itertools.pairwise(order))
    ]
    return np.mean(values)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("k", [1, 3, 100])
def test_metric_is_the_mean_over_all_orders_of_ties(name, k):
    kind, measure = MEASURES[name]
    labels, scores = lists()
    values = [
        mean_over_orders(measure, y, s, k, relevant=2.0)
        for y, s in zip(labels, scores, strict=True)
    ]
    expected = np.mean([each for each in values if each is not None])
    assert None in values  # lists without relevant items do not count
    assert value(kind(k=k, relevant=2.0), labels, scores) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_ndcg_mrr_and_map_equal_those_of_evaluate_ranking(k):
    labels, scores = lists(count=60)
    expected = evaluate(labels, scores, k=k)
    kinds = (rk.metrics.NDCG, rk.metrics.MeanAveragePrecision)
    for metric in (*(kind(k) for kind in kinds), rk.metrics.MeanReciprocalRank()):
        assert value(metric, labels, scores) == pytest.approx(expected[metric.name], rel=1e-5)


def test_ndcg_equals_that_of_scikit_learn():
    labels, scores = lists(items=5)
    expected = []
    for y, s in zip(labels, scores, strict=True):
        mask = ~np.isnan(y)
        if mask.sum() > 1 and y[mask].any():
            expected.append(ndcg_score([2.0 ** y[mask] - 1], [s[mask]], k=3))
    assert value(rk.metrics.NDCG(3), labels, scores) == pytest.approx(np.mean(expected), rel=1e-5)


def test_average_precision_without_ties_equals_that_of_scikit_learn():
    labels, scores = lists(ties=False)
    expected = []
    for y, s in zip(labels, scores, strict=True):
        mask = ~np.isnan(y)
        if (y[mask] >= 1).any():
            expected.append(average_precision_score(y[mask] >= 1, s[mask]))
    result = value(rk.metrics.MeanAveragePrecision(), labels, scores)
    assert result == pytest.approx(np.mean(expected), rel=1e-5)


ALL = [rk.metrics.NDCG(3), *(kind(k=3) for kind, _ in MEASURES.values())]
metrics = pytest.mark.parametrize("metric", ALL, ids=[metric.name for metric in ALL])


@metrics
def test_batches_accumulate_and_padding_is_ignored(metric):
    labels, scores = lists()
    expected = value(metric, labels, scores)
    wider = np.pad(labels, ((0, 0), (0, 2)), constant_values=NAN)
    padded = np.where(np.isnan(wider), NAN, np.pad(scores, ((0, 0), (0, 2))))
    metric.reset_state()
    for part in (slice(0, 7), slice(7, None)):
        metric.update_state(wider[part], padded[part])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-5)


@metrics
def test_weights_act_like_repeated_lists(metric):
    labels, scores = lists()
    weights = np.arange(len(labels)) % 3
    repeated = np.concatenate(
        [np.repeat(each, weights, axis=0) for each in (labels, scores)]
    ).reshape(2, -1, labels.shape[1])
    expected = value(metric, *repeated)
    assert value(metric, labels, scores, weights) == pytest.approx(expected, rel=1e-5)
    per_item = np.broadcast_to(weights[:, None], labels.shape)
    assert value(metric, labels, scores, per_item) == pytest.approx(expected, rel=1e-5)


@metrics
def test_result_is_nan_without_a_list_that_counts(metric):
    assert np.isnan(value(metric, [[0.0, 0.0], [NAN, NAN]], [[1.0, 2.0], [1.0, 2.0]]))


@metrics
def test_config_rebuilds_the_metric(metric):
    rebuilt = tf.keras.metrics.deserialize(tf.keras.metrics.serialize(metric))
    assert type(rebuilt) is type(metric)
    assert rebuilt.get_config() == metric.get_config()
    labels, scores = lists()
    assert value(rebuilt, labels, scores) == value(metric, labels, scores)


@metrics
def test_invalid_k_is_rejected(metric):
    with pytest.raises(ValueError, match="k must be an integer of at least 1. Got: k=0"):
        type(metric)(k=0)


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (rk.metrics.NDCG(), "ndcg_at_10"),
        (rk.metrics.PrecisionAtK(), "precision_at_10"),
        (rk.metrics.MeanAveragePrecision(), "map"),
        (rk.metrics.MeanReciprocalRank(5), "mrr_at_5"),
        (rk.metrics.MeanReciprocalRank(5, name="mine"), "mine"),
        (rk.metrics.ListMetric(5), "list_metric"),
    ],
)
def test_default_name_has_the_measure_and_k(metric, name):
    assert metric.name == name


@pytest.mark.parametrize("scale", [1, 31, 100, 2000])
def test_ndcg_of_large_labels_is_exact(scale):
    """Python's integers have the gains `2**label - 1` of any label."""
    labels, scores = np.array([[0, 3, 1, 2], [1, 0, 0, 0]]), np.array([[4, 3, 2, 1]] * 2)
    labels[0] *= scale
    expected = []
    for row in labels.tolist():
        gains = [2**label - 1 for label in row]
        best = sorted(gains, reverse=True)
        shares = [[Fraction(gain, best[0]) for gain in each] for each in (gains, best)]
        dcg, ideal = (sum(float(g) / np.log2(i + 2) for i, g in enumerate(each)) for each in shares)
        expected.append(dcg / ideal)
    assert value(rk.metrics.NDCG(), labels, scores) == pytest.approx(np.mean(expected), rel=1e-6)
    found = evaluate(labels, scores)["ndcg_at_10"]
    assert found == pytest.approx(np.mean(expected), rel=1e-6)


@pytest.mark.parametrize("other", [-1.0, NAN, float("inf"), -float("inf"), 1e-9, 0.5, 3e38])
@metrics
def test_a_list_with_an_unusual_label_leaves_the_result_finite(metric, other):
    assert 0.0 <= value(metric, [[1.0, 0.0], [other, other]], [[0.3, 0.1]] * 2) <= 1.0


@metrics
def test_lists_without_items_or_without_lists_do_not_count(metric):
    expected = value(metric, [[0.0, 1.0]], [[0.3, 0.1]])
    for labels in (np.zeros((0, 3)), np.zeros((2, 0)), np.full((2, 3), NAN)):
        metric.update_state(labels, np.zeros(labels.shape))
    assert float(metric.result()) == expected


def test_ndcg_ignores_lists_with_labels_below_0():
    assert np.isnan(value(rk.metrics.NDCG(), [[-1.0, 1.0]], [[0.0, 1.0]]))
    assert value(rk.metrics.NDCG(), [[-1.0, 1.0], [0.0, 1.0]], [[0.0, 1.0]] * 2) == 1.0


@pytest.mark.parametrize(("items", "relevant"), [(2000, 7), (5000, 2500)])
def test_mrr_of_thousands_of_ties_is_exact(items, relevant):
    # The first relevant item has rank p if those before it are irrelevant and it is relevant.
    rank = np.arange(1, items - relevant + 2)
    others = items - relevant
    none_before = np.cumprod((others - rank[:-1] + 1) / (items - rank[:-1] + 1))
    probabilities = np.concatenate([[1.0], none_before]) * relevant / (items - rank + 1)
    labels = np.zeros((1, items), np.float32)
    labels[0, :relevant] = 1.0
    metric = rk.metrics.MeanReciprocalRank()
    metric.update_state(labels, np.zeros((1, items), np.float32))
    np.testing.assert_allclose(metric.result(), np.sum(probabilities / rank), rtol=1e-5)
