"""The AUC of rare positives, against the share of pairs in the right order."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf
from rankkit.training.auc import AUC

COUNT = 400_000


def exact_auc(labels, scores):
    """The share of the pairs of a positive and a negative in which the positive is ahead."""
    ranks = np.argsort(np.argsort(scores)) + 1.0
    positives = labels.sum()
    below = ranks[labels == 1].sum() - positives * (positives + 1) / 2
    return below / positives / (len(labels) - positives)


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("bias", [0.0, -2.0, -4.6, -7.0])  # half the rows to one in 700
def test_auc_is_exact_to_a_thousandth(bias, from_logits):
    generator = np.random.default_rng(1)
    logits = bias + generator.normal(size=COUNT)
    probabilities = 1.0 / (1.0 + np.exp(-logits))
    labels = (generator.random(COUNT) < probabilities).astype(np.float32)
    metric = AUC(from_logits=from_logits)
    metric.update_state(labels, logits if from_logits else probabilities)
    assert float(metric.result()) == pytest.approx(exact_auc(labels, logits), abs=1e-3)


@pytest.mark.parametrize("from_logits", [True, False])
def test_weights_and_extreme_scores_count(from_logits):
    labels, weights = np.array([1.0, 0.0, 1.0, 0.0]), np.array([2.0, 1.0, 0.0, 3.0])
    probabilities = np.array([1.0, 0.0, 0.0, 1.0])
    logits = np.array([200.0, -200.0, -200.0, 200.0])
    metric = AUC(from_logits=from_logits)
    metric.update_state(labels, logits if from_logits else probabilities, weights)
    # The positive of weight 2 beats a negative of weight 1 and ties with one of weight 3.
    assert float(metric.result()) == pytest.approx((1.0 + 3.0 / 2) / 4.0, abs=1e-6)


def test_probabilities_that_are_rounded_above_1_or_below_0_count_as_these():
    metric = AUC()
    metric.update_state([1.0, 0.0, 0.0], tf.constant([1.0 + 1e-6, 0.5, -1e-6]))
    assert float(metric.result()) == pytest.approx(1.0)


@pytest.mark.parametrize("metrics", [None, ["auc"], ["AUC"]], ids=str)
@pytest.mark.parametrize(
    ("head", "is_logit"),
    [
        (rk.layers.DenseRatingHead([]), True),
        (rk.layers.DenseRatingHead([], rating_range=(0.0, 1.0)), False),
        (tf.keras.layers.Dense(1, "sigmoid"), False),
    ],
    ids=["logit", "bounded head", "layer of Keras"],
)
def test_auc_by_name_is_this_class(metrics, head, is_logit):
    features = {"user_id": rk.layers.IdEmbedding(["a"], 2)}
    model = rk.RankingModel(rk.ranking_network(features, head=head), label="click")
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=is_logit)
    model.compile(loss=loss, metrics=metrics)
    [metric] = [each for each in model.metrics if each.name == "auc"]
    assert type(metric) is AUC
    assert metric.get_config()["from_logits"] is is_logit
