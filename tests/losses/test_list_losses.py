"""Listwise and pairwise losses, compared with their definitions in plain Python."""

import itertools
import math

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss, ndcg_score

import rankkit as rk

NAN = float("nan")


def pairs(labels):
    """Indices of the items of each pair, the one with the higher label first."""
    indices = range(len(labels))
    return [(i, j) for i, j in itertools.product(indices, indices) if labels[i] > labels[j]]


def logistic(labels, scores, weights):
    terms = [weights[i] * math.log1p(math.exp(scores[j] - scores[i])) for i, j in pairs(labels)]
    return sum(terms) / len(terms)


def hinge(labels, scores, weights):
    terms = [weights[i] * max(0.0, 1.0 - scores[i] + scores[j]) for i, j in pairs(labels)]
    return sum(terms) / len(terms)


def list_net(labels, scores, weights):
    return softmax(np.exp(np.array(labels) / 2.0), scores, weights)


def softmax(labels, scores, weights):
    targets = np.array(labels) / np.sum(labels)
    predicted = np.exp(scores) / np.exp(scores).sum()
    return -sum(w * p * math.log(q) for w, p, q in zip(weights, targets, predicted, strict=True))


def list_mle(labels, scores, weights):
    total = 0.0
    for i, score in enumerate(scores):
        rest = [s for label, s in zip(labels, scores, strict=True) if label < labels[i]]
        probability = math.exp(score) / (math.exp(score) + sum(map(math.exp, rest)))
        total -= weights[i] * math.log(probability)
    return total / len(labels)


def dcg(gains, ranks):
    return sum(gain / math.log2(1 + rank) for gain, rank in zip(gains, ranks, strict=True))


def approx_ndcg(labels, scores, weights):
    gains = 2.0 ** np.array(labels) - 1
    ranks = [
        1 + sum(
            1 / (1 + math.exp((one - other) / 0.1))
            for j, other in enumerate(scores) if j != i
        )
        for i, one in enumerate(scores)
    ]  # fmt: skip
    best = dcg(sorted(gains, reverse=True), range(1, len(gains) + 1))
    weight = (weights * gains).sum() / gains.sum()
    return weight * (1 - dcg(gains, ranks) / best)


def lambda_rank(labels, scores, weights, k=None):
    """Swaps the two items of each pair and recomputes the NDCG."""
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
    """Labels from 0 to 4, scores and weights, `(count, items)`, of lists of different lengths."""
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
def test_loss_equals_its_definition(loss, reference, weighted):
    labels, scores, weights = lists()
    weights = weights if weighted else np.ones_like(weights)
    expected = [
        reference(list(y[~np.isnan(y)]), list(s[~np.isnan(y)].astype(float)), w[~np.isnan(y)])
        for y, s, w in zip(labels, scores, weights, strict=True)
    ]
    losses = loss(labels, scores, sample_weight=weights if weighted else None)
    np.testing.assert_allclose(losses, expected, rtol=2e-5, atol=1e-6)


@losses
def test_weight_of_a_list_multiplies_its_loss(loss):
    labels, scores, weights = lists()
    found = loss(labels, scores, sample_weight=weights[:, 0])
    np.testing.assert_allclose(found, weights[:, 0] * loss(labels, scores), rtol=1e-5)


@losses
def test_padding_changes_neither_losses_nor_gradients(loss):
    labels, scores, _ = lists()
    wider = np.pad(labels, ((0, 0), (0, 3)), constant_values=NAN)
    padded = np.pad(scores, ((0, 0), (0, 3)))
    padded[np.isnan(wider)] = NAN
    with tf.GradientTape() as tape:
        variable = tf.Variable(padded)
        losses = loss(wider, variable)
    np.testing.assert_allclose(losses, loss(labels, scores), rtol=1e-5)
    gradient = tape.gradient(losses, variable).numpy()
    assert (gradient[np.isnan(wider)] == 0).all()
    assert np.isfinite(gradient).all()


@losses
def test_loss_is_invariant_to_a_constant_added_to_all_scores(loss):
    labels, scores, _ = lists()
    shifts = np.linspace(-50, 50, len(scores), dtype=np.float32)[:, None]
    np.testing.assert_allclose(loss(labels, scores + shifts), loss(labels, scores), rtol=1e-3)


@losses
def test_loss_is_invariant_to_the_order_of_items(loss):
    labels, scores, weights = lists()
    order = np.random.default_rng(1).permutation(labels.shape[1])
    found = loss(labels[:, order], scores[:, order], sample_weight=weights[:, order])
    np.testing.assert_allclose(found, loss(labels, scores, sample_weight=weights), rtol=1e-5)


@losses
def test_lists_of_equal_labels_have_zero_loss_and_gradient(loss):
    labels = [[2.0, NAN, NAN], [3.0, 3.0, 3.0], [0.0, 0.0, NAN], [NAN, NAN, NAN]]
    with tf.GradientTape() as tape:
        scores = tf.Variable([[1.0, 2.0, 3.0]] * 4)
        values = loss(labels, scores)
    assert values.numpy().tolist() == [0, 0, 0, 0]
    assert not np.any(tape.gradient(values, scores))


@losses
def test_loss_and_gradient_of_extreme_scores_are_finite(loss):
    with tf.GradientTape() as tape:
        scores = tf.Variable([[1e4, -1e4, 0.0]])
        values = loss([[0.0, 1.0, 2.0]], scores)
    assert np.isfinite(values).all()
    assert np.isfinite(tape.gradient(values, scores)).all()


@losses
def test_gradient_descent_orders_the_list(loss):
    labels = [[0.0, 1.0, 2.0, 3.0]]
    scores = tf.Variable([[0.3, 0.2, 0.1, 0.0]])
    before = float(loss(labels, scores)[0])
    for _ in range(20):
        with tf.GradientTape() as tape:
            value = loss(labels, scores)
        scores.assign_sub(0.5 * tape.gradient(value, scores))
    assert float(loss(labels, scores)[0]) < before
    assert np.argsort(scores.numpy()[0]).tolist() == [0, 1, 2, 3]


@losses
def test_config_rebuilds_the_loss(loss):
    rebuilt = tf.keras.losses.deserialize(tf.keras.losses.serialize(loss))
    assert type(rebuilt) is type(loss)
    assert rebuilt.get_config() == loss.get_config()
    labels, scores, _ = lists()
    np.testing.assert_array_equal(rebuilt(labels, scores), loss(labels, scores))


def test_pairwise_logistic_loss_of_two_items_equals_log_loss_of_scikit_learn():
    labels, scores, _ = lists()
    labels, scores = labels[:, :2], scores[:, :2]
    probabilities = 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))
    expected = [log_loss([1], [each], labels=[0, 1]) for each in probabilities]
    losses = rk.losses.PairwiseLogisticLoss()(labels, scores)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_softmax_loss_of_one_click_equals_log_loss_of_scikit_learn():
    scores = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = log_loss([2, 0, 3], probabilities, labels=range(4))
    for loss in (rk.losses.SoftmaxLoss(), rk.losses.SoftmaxLoss(temperature=0.01)):
        losses = loss(np.eye(4, dtype=np.float32)[[2, 0, 3]], scores)
        assert np.mean(losses) == pytest.approx(expected, rel=1e-5)


def test_softmax_loss_accepts_negative_labels_only_with_a_temperature():
    labels = [[-1.0, 1.0]]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="Labels must be at least 0 for a softmax"
    ):
        rk.losses.SoftmaxLoss()(labels, [[0.0, 1.0]])
    assert rk.losses.SoftmaxLoss(1.0)(labels, [[0.0, 1.0]]) > 0


def test_approx_ndcg_of_distant_scores_equals_ndcg_of_scikit_learn():
    labels, scores, _ = lists()
    scores = np.argsort(scores, axis=1).astype(np.float32)
    loss = rk.losses.ApproxNDCGLoss(temperature=1e-2)
    for y, s, value in zip(labels, scores, loss(labels, scores), strict=True):
        mask = ~np.isnan(y)
        expected = 1 - ndcg_score([2.0 ** y[mask] - 1], [s[mask]])
        assert float(value) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", ["approx_ndcg", "lambda_rank", "lambda_rank_at_2"])
@pytest.mark.parametrize("largest", [0.5, 30.5, 31.0, 100.0, 1000.0])
def test_gains_of_any_label_agree_with_the_definition(name, largest):
    loss, definition = LOSSES[name]
    labels = largest * np.array([[0.0, 1.0, 0.5, 0.9], [0.1, 0.0, NAN, NAN]])
    scores = np.array([[0.4, 0.1, 0.2, 0.3]] * 2)
    for y, s, found in zip(labels, scores, loss(labels, scores).numpy(), strict=True):
        there = ~np.isnan(y)
        expected = definition(y[there], s[there], np.ones(there.sum()))
        assert found == pytest.approx(expected, rel=2e-4)


@losses
@pytest.mark.parametrize("other", [31.0, 100.0, 2000.0, 0.5, 1e-9, 1e30])
def test_losses_and_gradients_are_finite_for_all_labels(loss, other):
    scores = tf.constant([[0.2, 0.1, 0.3]] * 3 + [[0.0, 0.0, 0.0]])
    labels = [[0.0, other, 1.0], [NAN, NAN, NAN], [other, NAN, NAN], [1.0, 1.0, 1.0]]
    with tf.GradientTape() as tape:
        tape.watch(scores)
        values = loss(labels, scores)
    assert np.isfinite(values).all()
    assert np.isfinite(tape.gradient(values, scores)).all()
    assert values[0] > 0.0
    np.testing.assert_array_equal(values[1:], 0.0)


@losses
def test_no_lists_and_no_items_have_no_loss(loss):
    assert loss(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0,)
    np.testing.assert_array_equal(loss(np.zeros((2, 0)), np.zeros((2, 0))), 0.0)


@pytest.mark.parametrize("name", ["approx_ndcg", "lambda_rank"])
@pytest.mark.parametrize("label", [-1.0, float("inf")])
def test_labels_without_valid_gains_are_rejected(name, label):
    loss, _ = LOSSES[name]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="Labels must be finite and at least 0"
    ):
        loss([[label, 1.0]], [[0.0, 1.0]])


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (rk.losses.PairwiseHingeLoss, {"margin": 0.0}, "margin must be a number above 0"),
        (rk.losses.ApproxNDCGLoss, {"temperature": -1.0}, "temperature must be above 0"),
        (rk.losses.SoftmaxLoss, {"temperature": 0}, "temperature must be finite and above 0, or N"),
        (rk.losses.LambdaRankLoss, {"k": 0}, "k must be an integer of at least 1"),
    ],
)
def test_invalid_arguments_are_named(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(**arguments)


@pytest.mark.parametrize(
    ("labels", "scores", "weights", "message"),
    [
        ([1.0, 0.0], [0.1, 0.2], None, r"y_true.* must be .*shape \(lists, items\).* single rows"),
        ([[1.0, 0.0]], [0.1, 0.2], None, r"y_pred.* must be .*shape \(lists, items\)"),
        ([[1.0, 0.0]], [[0.1]], None, r"y_pred.* must be .*the shape of y_true, \(1, 2\)"),
        ([[1.0, 0.0]], [[0.1, 0.2]], 2.0, "sample_weight.* must be .*per list, or .* per item"),
        ([[1.0, 0.0]], [[0.1, 0.2]], [1.0, 2.0], "sample_weight.* must be .* per list"),
    ],
)
def test_wrong_shapes_are_named(labels, scores, weights, message):
    for measure in (rk.losses.SoftmaxLoss(), rk.metrics.NDCG()):
        with pytest.raises(TypeError, match=message):
            measure(labels, scores, sample_weight=weights)
