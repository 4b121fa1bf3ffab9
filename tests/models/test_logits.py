"""Whether the layers of a network show that it outputs logits or probabilities."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.models.logits import outputs_logits

K = tf.keras.layers


def logit(x):
    return K.Dense(1)(x)


def probability(x):
    return K.Dense(1, "sigmoid")(x)


class Squash(K.Layer):
    """A custom layer that may declare its range."""

    def __init__(self, rating_range=None):
        super().__init__()
        if rating_range:
            self.rating_range = rating_range

    def call(self, inputs):
        return tf.sigmoid(inputs)


class SquashedHead(rk.layers.DenseRatingHead):
    """A head whose scores the user turns into probabilities."""

    def call(self, inputs):
        return tf.sigmoid(super().call(inputs))


def model_of(make):
    """A network within the network."""
    inputs = K.Input((3,))
    return tf.keras.Model(inputs, make(inputs))


def ordinal(levels):
    return lambda x: rk.layers.OrdinalHead(levels, [2])(x)["score"]


def weighted(weights, *heads):
    def score(x):
        scores = {name: head(x) for name, head in zip(weights, heads, strict=True)}
        return rk.layers.WeightedScore(weights)(scores)

    return score


def several(layer, *makes):
    return lambda x: layer([make(x) for make in makes])


SCORES = {
    "dense": (logit, True),
    "head": (rk.layers.DenseRatingHead([2]), True),
    "head from 1 to 5": (rk.layers.DenseRatingHead([2], rating_range=(1, 5)), True),
    "factorization machine": (lambda x: rk.interactions.FactorizationMachine()([x, x]), True),
    "sum": (several(K.Add(), logit, rk.layers.DenseRatingHead([2])), True),
    "sum of logit and probability": (several(K.Add(), logit, probability), True),
    "sum of a list": (lambda x: tf.add_n([logit(x), probability(x)]), True),
    "product with a constant": (lambda x: probability(x) * tf.constant(2.0), True),
    "sum of probabilities": (several(K.Add(), probability, probability), True),
    "difference": (several(K.Subtract(), probability, probability), True),
    "operator": (lambda x: logit(x) + logit(x), True),
    "product with a logit": (lambda x: probability(x) * logit(x), True),
    "dot product": (lambda x: K.Dot(1)([K.Dense(2)(x), K.Dense(2)(x)]), True),
    "dense with the identity": (lambda x: K.Dense(1, tf.identity)(probability(x)), True),
    "hyperbolic tangent": (K.Dense(1, "tanh"), True),
    "mean of logits": (several(K.Average(), logit, logit), True),
    "ordinal ratings": (ordinal((1, 2, 3)), True),
    "score of logits": (weighted({"a": 1.0, "b": 0.5}, logit, logit), True),
    "score above 1": (weighted({"a": 1.0, "b": 0.5}, probability, probability), True),
    "network of logits": (model_of(logit), True),
    "sequential of logits": (tf.keras.Sequential([K.Dense(2), K.Dense(1)]), True),
    "dense with sigmoid": (probability, False),
    "dense with sigmoid of TensorFlow": (K.Dense(1, tf.nn.sigmoid), False),
    "activation": (lambda x: K.Activation("sigmoid")(logit(x)), False),
    "linear activation": (lambda x: K.Activation("linear")(probability(x)), False),
    "function": (lambda x: tf.nn.sigmoid(logit(x)), False),
    "dropout": (lambda x: K.Dropout(0.1)(probability(x)), False),
    "reshaped": (lambda x: K.Reshape((1,))(K.Flatten()(probability(x))), False),
    "cast and sliced": (lambda x: tf.cast(K.Dense(2, "sigmoid")(x), tf.float32)[:, :1], False),
    "bounded head": (rk.layers.DenseRatingHead([2], rating_range=(0, 1)), False),
    "mean": (several(K.Average(), probability, probability), False),
    "ensemble": (
        lambda x: rk.layers.EnsembleMean()(several(K.Concatenate(), probability, probability)(x)),
        False,
    ),
    "product": (several(K.Multiply(), probability, probability), False),
    "operators": (lambda x: 1.0 - probability(x) * probability(x), False),
    "half of a hyperbolic tangent": (lambda x: 0.5 + 0.5 * tf.tanh(logit(x)), False),
    "ordinal clicks": (ordinal((0, 1)), False),
    "score": (weighted({"a": 0.7, "b": 0.3}, probability, probability), False),
    "network": (model_of(probability), False),
    "sequential": (tf.keras.Sequential([K.Dense(2), K.Dense(1, "sigmoid")]), False),
    "layer that tells": (Squash((0.0, 1.0)), False),
    "part of 0 to 1": (lambda x: tf.minimum(1.0, tf.maximum(0.0, logit(x))), False),
    "mixture": (lambda x: K.Dot(1)([K.Dense(2, "softmax")(x), K.Dense(2, "sigmoid")(x)]), None),
    "weighted sum": (lambda x: tf.reduce_sum(K.Dense(2, "softmax")(x), -1, keepdims=True), None),
    "part of unequal columns": (
        lambda x: tf.concat([logit(x), probability(x)], axis=1)[:, 1:],
        None,
    ),
    "exponential of an unknown value": (lambda x: tf.exp(-tf.nn.softplus(logit(x))), None),
    "head with a call of the user": (SquashedHead([2]), None),
    "layer that does not tell": (Squash(), None),
    "lambda": (K.Lambda(lambda x: x[:, :1]), None),
    "sum with a lambda": (several(K.Add(), probability, K.Lambda(lambda x: x[:, :1])), None),
    "activation of the user": (K.Dense(1, lambda x: x), None),
    "raw feature": (lambda x: x, None),
}  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), SCORES.values(), ids=list(SCORES))
def test_output_is_read_from_the_layers(make, expected):
    assert outputs_logits(make(tf.keras.Input((3,)))) is expected


@pytest.mark.parametrize("name", ["ensemble", "product", "operators", "score", "sum"])
def test_output_of_a_loaded_network_is_that_of_the_saved_one(name, tmp_path):
    make, expected = SCORES[name]
    inputs = tf.keras.Input((3,))
    tf.keras.Model(inputs, make(inputs)).save(tmp_path / "network.keras")
    loaded = tf.keras.models.load_model(tmp_path / "network.keras")
    assert outputs_logits(loaded.output) is expected
    scores = loaded(np.random.default_rng(0).normal(0.0, 5.0, (50, 3)).astype(np.float32)).numpy()
    assert (scores.min() < 0 or scores.max() > 1) == expected


ARCHITECTURES = {
    name: getattr(rk.models, name)
    for name in ("tower", "dcn_v2", "dlrm", "factorization_machine", "svd_plus_plus", "deepfm")
}


@pytest.mark.parametrize("build", ARCHITECTURES.values(), ids=list(ARCHITECTURES))
def test_architectures_and_their_ensembles_output_logits(build):
    names = ("user_id", "item_id")

    def network():
        return build({name: rk.layers.IdEmbedding(["a", "b"], 4) for name in names})

    assert outputs_logits(network().output) is True
    assert outputs_logits(rk.ensemble([network(), network()]).output) is True


def test_ensemble_of_bounded_heads_outputs_probabilities():
    features = {"user_id": rk.layers.IdEmbedding(["a", "b"], 4)}
    members = [rk.models.tower(features, hidden_units=[2], rating_range=(0, 1)) for _ in range(2)]
    assert outputs_logits(rk.ensemble(members).output) is False
