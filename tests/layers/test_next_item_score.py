"""The score of the next item, its softmax over all items, and what a state depends on."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf
from rankkit.layers._softmax import Residual, log_sampled_softmax_of, log_softmax_of

ITEMS = [f"i{i}" for i in range(20)]


@pytest.fixture(scope="module")
def layer():
    tf.keras.utils.set_random_seed(1)
    layer = rk.layers.NextItemScore(rk.layers.IdEmbedding(ITEMS, 8), max_length=4, num_blocks=2)
    layer([tf.constant([["i1"]]), tf.constant(["i2"])])
    for weight in layer.trainable_variables:  # larger scores than after initialization
        weight.assign(tf.random.stateless_normal(weight.shape, [1, len(weight.shape)], stddev=0.5))
    return layer


def score(layer, *histories, item="i3"):
    width = max(map(len, histories))
    padded = [[*each, *[""] * (width - len(each))] for each in histories]
    return layer([tf.constant(padded, tf.string), tf.constant([item] * len(padded))]).numpy()[:, 0]


@pytest.mark.parametrize("rows", [1, 255, 256, 700])
def test_softmax_and_its_gradients_equal_those_of_keras(rows):
    rng = np.random.default_rng(rows)
    vectors, table = (tf.Variable(rng.normal(size=(n, 6)), dtype="float32") for n in (rows, 40))
    scale, added = tf.Variable(0.7), tf.constant(rng.random((rows, 40)), tf.float32)
    targets = tf.constant(rng.integers(0, 40, rows))
    weights = tf.constant(rng.random(rows), tf.float32)
    variables, results = [vectors, table, scale], []
    for by_parts in (True, False):
        with tf.GradientTape() as tape:
            if by_parts:
                residual = Residual(scale, lambda start, end: added[start:end])
                found = log_softmax_of(vectors, table, targets, weights, residual)
            else:
                logits = tf.matmul(vectors, table, transpose_b=True) + scale * added
                found = tf.gather(tf.nn.log_softmax(logits), targets, batch_dims=1)
            loss = 3.0 * tf.reduce_sum(weights * found)
        results.append([found, *map(tf.convert_to_tensor, tape.gradient(loss, variables))])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_sampled_softmax_is_that_over_all_items_on_average():
    rng = np.random.default_rng(0)
    vectors, table = (tf.constant(rng.normal(size=(n, 6)), tf.float32) for n in (5, 40))
    targets = tf.constant([0, 3, 3, 39, 7])
    expected = log_softmax_of(vectors, table, targets, tf.ones(5))
    found = [
        log_sampled_softmax_of(vectors, table, targets, 2_000, tf.constant([seed, 1]))
        for seed in range(20)
    ]
    np.testing.assert_allclose(np.mean(found, axis=0), expected, atol=0.02)


def test_log_probabilities_are_those_of_all_prefixes(layer):
    sequences = [["i1", "i5", "i2"], ["i7"], [], ["new", "i9"]]
    histories = tf.constant([[*each, *[""] * (3 - len(each))] for each in sequences])
    found, rows = layer.log_probabilities([histories, tf.constant(["i3", "i4", "i5", "i6"])])
    expected = []
    for sequence, last in zip(sequences, ["i3", "i4", "i5", "i6"], strict=True):
        sequence = [*sequence, last]
        for position, item in enumerate(sequence):
            given = tf.constant([sequence[:position]], tf.string)
            scores = layer.score_items([given], tf.constant([*ITEMS, "new"]))[0]
            index = [*ITEMS, "new"].index(item)
            expected.append(tf.nn.log_softmax(scores)[index])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert rows.numpy().tolist() == [0, 0, 0, 0, 1, 1, 2, 3, 3, 3]


def test_only_the_last_events_count_wherever_the_padding_is(layer):
    plain = score(layer, ["i1", "i2", "i3", "i4"])
    for same in (["i9", "i1", "i2", "i3", "i4"], ["", "i1", "i2", "", "i3", "i4", "", ""]):
        np.testing.assert_allclose(score(layer, same), plain, atol=1e-6)
    other = score(layer, ["i2", "i1", "i3", "i4"], ["i1", "i2", "i3", "i5"], ["i2", "i3", "i4"], [])
    assert (abs(other - plain) > 1e-4).all()


def test_a_list_of_another_length_does_not_change_the_scores_of_a_row(layer):
    alone = score(layer, ["i1", "i2"]), score(layer, [])
    together = score(layer, ["i1", "i2"], ["i3"] * 9, [])
    np.testing.assert_allclose([together[0], together[2]], np.concatenate(alone), atol=1e-6)


def test_side_columns_count_and_need_the_lengths_of_the_history():
    layer = rk.layers.NextItemScore(
        rk.layers.IdEmbedding(ITEMS, 4), side_layers=[rk.layers.BucketEmbedding([2, 4], 4)]
    )
    items = [tf.constant([["i1", "i2"]])], tf.constant(["i3"])
    one, other = (
        layer([*items[0], tf.constant([ratings], tf.int64), items[1]]).numpy()
        for ratings in ([1, 5], [5, 1])
    )
    assert abs(one - other).max() > 1e-4
    for ratings in ([1, -1], [1, 5, 3]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have one value for each"):
            layer([*items[0], tf.constant([ratings], tf.int64), items[1]])


def test_layers_that_cannot_be_predicted_are_refused():
    with pytest.raises(TypeError, match=r"rankkit.layers.IdEmbedding. Got: .*HashedIdEmbedding"):
        rk.layers.NextItemScore(rk.layers.HashedIdEmbedding(8, 4))
    with pytest.raises(ValueError, match="num_heads must be a divisor of 4"):
        rk.layers.NextItemScore(rk.layers.IdEmbedding(ITEMS, 4), num_heads=3)
    with pytest.raises(ValueError, match="without the id '', which pads histories"):
        rk.layers.NextItemScore(rk.layers.IdEmbedding(["", "a"], 4))
