"""Metrics of lists, against scikit-learn, `evaluate_ranking` and all orders of the ties."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import average_precision_score, ndcg_score

import rankkit as rk
from rankkit.evaluation.metrics import metrics_by_query

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


def precision(hits, k):
    return sum(hits[:k]) / k


def recall(hits, k):
    return sum(hits[:k]) / sum(hits)


def reciprocal_rank(hits, k):
    place = hits.index(True) + 1
    return 1 / place if place <= k else 0.0


def average_precision(hits, k):
    found = [sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits[:k]) if hit]
    return sum(found) / min(sum(hits), k)


MEASURES = {
    "precision": (rk.metrics.PrecisionAtK, precision),
    "recall": (rk.metrics.RecallAtK, recall),
    "mrr": (rk.metrics.MeanReciprocalRank, reciprocal_rank),
    "map": (rk.metrics.MeanAveragePrecision, average_precision),
}


def mean_over_orders(measure, labels, scores, k, relevant):
    """The measure of a list, its mean over all orders that the scores allow; None without one."""
    items = [(s, y >= relevant) for y, s in zip(labels, scores, strict=True) if not np.isnan(y)]
    if not any(hit for _, hit in items):
        return None
    found = [
        measure([hit for _, hit in order], k)
        for order in itertools.permutations(items)
        if all(one[0] >= other[0] for one, other in itertools.pairwise(order))
    ]
    return np.mean(found)


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("k", [1, 3, 100])
def test_it_is_the_mean_over_all_orders_of_the_ties(name, k):
    kind, measure = MEASURES[name]
    labels, scores = lists()
    found = [
        mean_over_orders(measure, y, s, k, relevant=2.0)
        for y, s in zip(labels, scores, strict=True)
    ]
    wanted = np.mean([each for each in found if each is not None])
    assert None in found  # such lists do not count
    assert value(kind(k=k, relevant=2.0), labels, scores) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_ndcg_and_mrr_are_those_of_evaluate_ranking(k):
    labels, scores = lists(count=60)
    there = ~np.isnan(labels)
    queries = np.repeat(np.arange(len(labels)), there.sum(axis=1))
    wanted = metrics_by_query(queries, labels[there], scores[there], k=k, relevant=1.0)
    for metric, name in (
        (rk.metrics.NDCG(k), f"ndcg_at_{k}"),
        (rk.metrics.MeanReciprocalRank(), "mrr"),
    ):
        assert metric.name == name
        assert value(metric, labels, scores) == pytest.approx(np.nanmean(wanted[name]), rel=1e-5)


def test_ndcg_is_scikit_learns():
    labels, scores = lists(items=5)
    wanted = []
    for y, s in zip(labels, scores, strict=True):
        there = ~np.isnan(y)
        if there.sum() > 1 and y[there].any():
            wanted.append(ndcg_score([2.0 ** y[there] - 1], [s[there]], k=3))
    assert value(rk.metrics.NDCG(3), labels, scores) == pytest.approx(np.mean(wanted), rel=1e-5)


def test_average_precision_without_ties_is_scikit_learns():
    labels, scores = lists(ties=False)
    wanted = []
    for y, s in zip(labels, scores, strict=True):
        there = ~np.isnan(y)
        if (y[there] >= 1).any():
            wanted.append(average_precision_score(y[there] >= 1, s[there]))
    found = value(rk.metrics.MeanAveragePrecision(), labels, scores)
    assert found == pytest.approx(np.mean(wanted), rel=1e-5)


ALL = [rk.metrics.NDCG(3), *(kind(k=3) for kind, _ in MEASURES.values())]
metrics = pytest.mark.parametrize("metric", ALL, ids=[metric.name for metric in ALL])


@metrics
def test_batches_add_up_and_what_fills_up_changes_nothing(metric):
    labels, scores = lists()
    wanted = value(metric, labels, scores)
    wider = np.pad(labels, ((0, 0), (0, 2)), constant_values=NAN)
    odd = np.where(np.isnan(wider), NAN, np.pad(scores, ((0, 0), (0, 2))))
    metric.reset_state()
    for part in (slice(0, 7), slice(7, None)):
        metric.update_state(wider[part], odd[part])
    assert float(metric.result()) == pytest.approx(wanted, rel=1e-5)


@metrics
def test_weights_of_lists_and_of_items(metric):
    labels, scores = lists()
    weights = np.arange(len(labels)) % 3
    repeated = np.concatenate(
        [np.repeat(each, weights, axis=0) for each in (labels, scores)]
    ).reshape(2, -1, labels.shape[1])
    wanted = value(metric, *repeated)
    assert value(metric, labels, scores, weights) == pytest.approx(wanted, rel=1e-5)
    of_items = np.broadcast_to(weights[:, None], labels.shape)
    assert value(metric, labels, scores, of_items) == pytest.approx(wanted, rel=1e-5)


@metrics
def test_without_a_list_that_counts_there_is_no_value(metric):
    assert np.isnan(value(metric, [[0.0, 0.0], [NAN, NAN]], [[1.0, 2.0], [1.0, 2.0]]))


@metrics
def test_its_config_makes_it_again(metric):
    again = tf.keras.metrics.deserialize(tf.keras.metrics.serialize(metric))
    assert type(again) is type(metric)
    assert again.get_config() == metric.get_config()
    labels, scores = lists()
    assert value(again, labels, scores) == value(metric, labels, scores)


@pytest.mark.parametrize("kind", [type(metric) for metric in ALL])
def test_no_place_is_refused(kind):
    with pytest.raises(ValueError, match="k must be"):
        kind(k=0)


def test_ndcg_has_no_value_for_labels_below_0():
    assert np.isnan(value(rk.metrics.NDCG(), [[-1.0, 1.0]], [[0.0, 1.0]]))
    assert value(rk.metrics.NDCG(), [[-1.0, 1.0], [0.0, 1.0]], [[0.0, 1.0]] * 2) == 1.0


@pytest.mark.parametrize(("items", "relevant"), [(2000, 7), (5000, 2500)])
def test_ties_of_thousands_are_as_exact(items, relevant):
    # That the first relevant one comes at place p: all before it are not, and it is.
    place = np.arange(1, items - relevant + 2)
    others = items - relevant
    not_before = np.cumprod((others - place[:-1] + 1) / (items - place[:-1] + 1))
    chances = np.concatenate([[1.0], not_before]) * relevant / (items - place + 1)
    labels = np.zeros((1, items), np.float32)
    labels[0, :relevant] = 1.0
    metric = rk.metrics.MeanReciprocalRank()
    metric.update_state(labels, np.zeros((1, items), np.float32))
    np.testing.assert_allclose(metric.result(), np.sum(chances / place), rtol=1e-5)
