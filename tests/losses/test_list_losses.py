"""Losses over lists, each against its definition in NumPy, list by list and item by item."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss, ndcg_score

import rankkit as rk

NAN = float("nan")


def pairs(labels):
    """Places of the items of each pair, the one that is to be above first."""
    indices = range(len(labels))
    return [(i, j) for i, j in itertools.product(indices, indices) if labels[i] > labels[j]]


def logistic(labels, scores, weights):
    terms = [weights[i] * math.log1p(math.exp(scores[j] - scores[i])) for i, j in pairs(labels)]
    return sum(terms) / len(terms)


def hinge(labels, scores, weights):
    terms = [weights[i] * max(0.0, 1.0 - scores[i] + scores[j]) for i, j in pairs(labels)]
    return sum(terms) / len(terms)


def list_net(labels, scores, weights, temperature=2.0):
    return softmax(np.exp(np.array(labels) / temperature), scores, weights)


def softmax(labels, scores, weights):
    wanted = np.array(labels) / np.sum(labels)
    found = np.exp(scores) / np.exp(scores).sum()
    return -sum(w * p * math.log(q) for w, p, q in zip(weights, wanted, found, strict=True))


def list_mle(labels, scores, weights):
    total = 0.0
    for i, score in enumerate(scores):
        left = [s for label, s in zip(labels, scores, strict=True) if label < labels[i]]
        chance = math.exp(score) / (math.exp(score) + sum(map(math.exp, left)))
        total -= weights[i] * math.log(chance)
    return total / len(labels)


def dcg(gains, places):
    return sum(gain / math.log2(1 + place) for gain, place in zip(gains, places, strict=True))


def approx_ndcg(labels, scores, weights, temperature=0.1):
    gains = 2.0 ** np.array(labels) - 1
    places = [
        1 + sum(
            1 / (1 + math.exp((one - other) / temperature))
            for j, other in enumerate(scores) if j != i
        )
        for i, one in enumerate(scores)
    ]  # fmt: skip
    best = dcg(sorted(gains, reverse=True), range(1, len(gains) + 1))
    weight = (weights * gains).sum() / gains.sum()
    return weight * (1 - dcg(gains, places) / best)


def lambda_rank(labels, scores, weights, k=None):
    """By swapping the two items of each pair in earnest."""
    gains = 2.0 ** np.array(labels) - 1
    order = list(np.argsort(-np.array(scores)))
    k = k or len(order)
    best = dcg(sorted(gains, reverse=True)[:k], range(1, min(k, len(gains)) + 1))

    def ndcg(order):
        return dcg(gains[order[:k]], range(1, len(order[:k]) + 1)) / best

    total = 0.0
    for i, j in pairs(labels):
        swapped = [j if each == i else i if each == j else each for each in order]
        change = abs(ndcg(order) - ndcg(swapped))
        total += weights[i] * change * math.log1p(math.exp(scores[j] - scores[i]))
    return total


LOSSES = {
    "logistic": (rk.losses.PairwiseLogisticLoss(), logistic),
    "hinge": (rk.losses.PairwiseHingeLoss(), hinge),
    "softmax": (rk.losses.SoftmaxLoss(), softmax),
    "list_net": (rk.losses.SoftmaxLoss(temperature=2.0), list_net),
    "list_mle": (rk.losses.ListMLELoss(), list_mle),
    "approx_ndcg": (rk.losses.ApproxNDCGLoss(), approx_ndcg),
    "lambda_rank": (rk.losses.LambdaRankLoss(), lambda_rank),
    "lambda_rank_at_2": (
        rk.losses.LambdaRankLoss(k=2),
        lambda labels, scores, weights: lambda_rank(labels, scores, weights, k=2),
    ),
}
losses = pytest.mark.parametrize("loss", [each for each, _ in LOSSES.values()], ids=list(LOSSES))


def lists(seed=0, count=20, items=7):
    """Labels of 0 to 4, scores and weights, `(count, items)`; lists have different lengths."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, (count, items)).astype(np.float32)
    scores = rng.normal(size=(count, items)).astype(np.float32)
    weights = rng.uniform(0.5, 2.0, (count, items)).astype(np.float32)
    lengths = rng.integers(2, items + 1, count)
    labels[np.arange(items) >= lengths[:, None]] = NAN
    labels[:, 0], labels[:, 1] = 0.0, 3.0  # there is an order to learn
    return labels, scores, weights


@pytest.mark.parametrize(("loss", "reference"), LOSSES.values(), ids=list(LOSSES))
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_what_its_definition_says(loss, reference, weighted):
    labels, scores, weights = lists()
    weights = weights if weighted else np.ones_like(weights)
    wanted = [
        reference(list(y[~np.isnan(y)]), list(s[~np.isnan(y)].astype(float)), w[~np.isnan(y)])
        for y, s, w in zip(labels, scores, weights, strict=True)
    ]
    found = loss(labels, scores, sample_weight=weights if weighted else None)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)


@losses
def test_a_weight_of_a_list_multiplies_its_loss(loss):
    labels, scores, weights = lists()
    list_weights = weights[:, 0]
    np.testing.assert_allclose(
        loss(labels, scores, sample_weight=list_weights),
        list_weights * loss(labels, scores),
        rtol=1e-5,
    )


@losses
def test_what_fills_up_changes_nothing(loss):
    labels, scores, _ = lists()
    wider = np.pad(labels, ((0, 0), (0, 3)), constant_values=NAN)
    # Not even what no score should be.
    odd = np.pad(scores, ((0, 0), (0, 3)), constant_values=NAN)
    odd[np.isnan(wider)] = NAN
    np.testing.assert_allclose(loss(wider, odd), loss(labels, scores), rtol=1e-5)
    with tf.GradientTape() as tape:
        variable = tf.Variable(odd)
        total = tf.reduce_sum(loss(wider, variable))
    gradient = tape.gradient(total, variable).numpy()
    assert (gradient[np.isnan(wider)] == 0).all()
    assert np.isfinite(gradient).all()


@losses
def test_a_constant_added_to_all_scores_changes_nothing(loss):
    labels, scores, _ = lists()
    shifts = np.linspace(-50, 50, len(scores), dtype=np.float32)[:, None]
    np.testing.assert_allclose(loss(labels, scores + shifts), loss(labels, scores), rtol=1e-3)


@losses
def test_the_order_in_which_items_come_changes_nothing(loss):
    labels, scores, weights = lists()
    order = np.random.default_rng(1).permutation(labels.shape[1])
    np.testing.assert_allclose(
        loss(labels[:, order], scores[:, order], sample_weight=weights[:, order]),
        loss(labels, scores, sample_weight=weights),
        rtol=1e-5,
    )


@losses
def test_lists_without_an_order_teach_nothing(loss):
    labels = [[2.0, NAN, NAN], [3.0, 3.0, 3.0], [0.0, 0.0, NAN], [NAN, NAN, NAN]]
    with tf.GradientTape() as tape:
        scores = tf.Variable([[1.0, 2.0, 3.0]] * 4)
        values = loss(labels, scores)
    assert values.numpy().tolist() == [0, 0, 0, 0]
    assert not np.any(tape.gradient(values, scores))


@losses
def test_scores_far_apart_stay_finite(loss):
    with tf.GradientTape() as tape:
        scores = tf.Variable([[1e4, -1e4, 0.0]])
        values = loss([[0.0, 1.0, 2.0]], scores)
    assert np.isfinite(values).all()
    assert np.isfinite(tape.gradient(values, scores)).all()


@losses
def test_a_step_down_its_gradient_orders_the_list(loss):
    labels = [[0.0, 1.0, 2.0, 3.0]]
    scores = tf.Variable([[0.3, 0.2, 0.1, 0.0]])
    before = float(loss(labels, scores)[0])
    for _ in range(200):
        with tf.GradientTape() as tape:
            value = loss(labels, scores)
        scores.assign_sub(0.05 * tape.gradient(value, scores))
    assert float(loss(labels, scores)[0]) < before
    assert np.argsort(scores.numpy()[0]).tolist() == [0, 1, 2, 3]


@losses
def test_its_config_makes_it_again(loss):
    config = tf.keras.losses.serialize(loss)
    again = tf.keras.losses.deserialize(config)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    labels, scores, _ = lists()
    np.testing.assert_array_equal(again(labels, scores), loss(labels, scores))


def test_two_items_are_scikit_learns_log_loss():
    labels, scores, _ = lists()
    labels, scores = labels[:, :2], scores[:, :2]
    chances = 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))
    wanted = [log_loss([1], [chance], labels=[0, 1]) for chance in chances]
    np.testing.assert_allclose(rk.losses.PairwiseLogisticLoss()(labels, scores), wanted, rtol=1e-5)


def test_softmax_of_a_click_is_scikit_learns_log_loss():
    scores = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    for loss in (rk.losses.SoftmaxLoss(), rk.losses.SoftmaxLoss(temperature=0.01)):
        values = loss(np.eye(4, dtype=np.float32)[[2, 0, 3]], scores)
        wanted = log_loss([2, 0, 3], chances, labels=range(4))
        assert np.mean(values) == pytest.approx(wanted, rel=1e-5)


def test_shares_of_labels_below_0_are_refused():
    labels = [[-1.0, 1.0]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least 0 for shares of them"):
        rk.losses.SoftmaxLoss()(labels, [[0.0, 1.0]])
    assert rk.losses.SoftmaxLoss(1.0)(labels, [[0.0, 1.0]]) > 0


def test_approx_ndcg_of_scores_far_apart_is_scikit_learns():
    labels, scores, _ = lists()
    scores = np.argsort(scores, axis=1).astype(np.float32)
    loss = rk.losses.ApproxNDCGLoss(temperature=1e-2)
    for y, s, value in zip(labels, scores, loss(labels, scores), strict=True):
        there = ~np.isnan(y)
        if there.sum() > 1:
            wanted = 1 - ndcg_score([2.0 ** y[there] - 1], [s[there]])
            assert float(value) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("name", ["approx_ndcg", "lambda_rank"])
@pytest.mark.parametrize("label", [-1.0, 31.0])
def test_labels_that_make_no_gains_are_refused(name, label):
    loss, _ = LOSSES[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Labels must be from 0 to 30"):
        loss([[label, 1.0]], [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: rk.losses.PairwiseHingeLoss(margin=0.0), "margin must be above 0"),
        (lambda: rk.losses.ApproxNDCGLoss(temperature=-1.0), "temperature must be above 0"),
        (lambda: rk.losses.SoftmaxLoss(temperature=0), "temperature must be above 0, or None"),
        (lambda: rk.losses.LambdaRankLoss(k=0), "k must be"),
    ],
)
def test_impossible_settings_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(
    ("labels", "scores", "weights", "words"),
    [
        ([1.0, 0.0], [0.1, 0.2], None, "y_true must be of lists.*For single rows take another"),
        ([[1.0, 0.0]], [0.1, 0.2], None, "y_pred must be of lists"),
        ([[1.0, 0.0]], [[0.1]], None, r"y_pred must be of the shape of y_true, \(1, 2\)"),
        ([[1.0, 0.0]], [[0.1, 0.2]], 2.0, "sample_weight must be one a list, .*or one an item"),
        ([[1.0, 0.0]], [[0.1, 0.2]], [1.0, 2.0], "sample_weight must be one a list"),
    ],
)
def test_what_are_no_lists_is_named(labels, scores, weights, words):
    for measure in (rk.losses.SoftmaxLoss(), rk.metrics.NDCG()):
        with pytest.raises(TypeError, match=words):
            measure(labels, scores, sample_weight=weights)
