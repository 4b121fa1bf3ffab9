"""The score of the next item, its softmax over all items, and what a state depends on."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf
from rankkit.layers._causal import CausalBlock
from rankkit.layers._norm import LayerNormalization
from rankkit.layers._softmax import log_sampled_softmax_of, log_softmax_of

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


def softmax_inputs(rows):
    rng = np.random.default_rng(rows)
    vectors, table = (tf.Variable(rng.normal(size=(n, 6)), dtype="float32") for n in (rows, 40))
    targets, shares = tf.constant(rng.integers(0, 40, (rows, 2))), rng.random((rows, 2))
    shares = tf.constant(shares / shares.sum(axis=1, keepdims=True), tf.float32)
    return vectors, table, targets, shares


@pytest.mark.parametrize("rows", [1, 255, 256, 700])
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_and_its_gradients_equal_those_of_keras(rows, weighted):
    vectors, table, targets, shares = softmax_inputs(rows)
    weights = tf.constant(np.random.default_rng(1).random(rows), tf.float32) if weighted else None
    results = []
    for by_parts in (True, False):
        with tf.GradientTape() as tape:
            if by_parts:
                found = log_softmax_of(vectors, table, targets, shares, weights)
            else:
                logits = tf.matmul(vectors, table, transpose_b=True)
                chosen = tf.gather(tf.nn.log_softmax(logits), targets, batch_dims=1)
                found = tf.reduce_sum(shares * chosen, axis=1)
            loss = 3.0 * tf.reduce_mean(found if weights is None else weights * found)
        gradients = tape.gradient(loss, [vectors, table])
        results.append([found, *map(tf.convert_to_tensor, gradients)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_sampled_softmax_is_that_over_all_items_on_average():
    inputs = softmax_inputs(5)
    found = [log_sampled_softmax_of(*inputs, 2_000, tf.constant([seed, 1])) for seed in range(20)]
    np.testing.assert_allclose(np.mean(found, axis=0), log_softmax_of(*inputs), atol=0.05)


def test_log_probabilities_are_those_of_all_prefixes(layer):
    sequences = [["i1", "i5", "i2"], ["i7"], [], ["new", "i9"]]
    histories = tf.constant([[*each, *[""] * (3 - len(each))] for each in sequences])
    found, rows = layer.log_probabilities([histories, tf.constant(["i3", "i4", "i5", "i6"])])
    expected = []
    for sequence, last in zip(sequences, ["i3", "i4", "i5", "i6"], strict=True):
        sequence = [*sequence, last]
        for position, item in enumerate(sequence):
            if item == "new":  # in histories alone
                continue
            given = tf.constant([sequence[:position]], tf.string)
            scores = layer.score_items([given], tf.constant([*ITEMS, "new"]))[0]
            expected.append(tf.nn.log_softmax(scores)[ITEMS.index(item)])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert rows.numpy().tolist() == [0, 0, 0, 0, 1, 1, 2, 3, 3]


def test_several_targets_are_a_weighted_mean_of_the_following_items(layer):
    sequence = ["i1", "i5", "i2", "i7"]
    inputs = [tf.constant([sequence[:3]]), tf.constant(sequence[3:])]
    found, _ = layer.log_probabilities(inputs, num_targets=3, target_decay=0.5)
    for position in range(4):
        given = tf.constant([sequence[:position]], tf.string)
        logs = tf.nn.log_softmax(layer.score_items([given], tf.constant([*ITEMS, "new"]))[0])
        following = [ITEMS.index(each) for each in sequence[position : position + 3]]
        weights = 0.5 ** np.arange(len(following))
        expected = np.average(logs.numpy()[following], weights=weights)
        assert float(found[position]) == pytest.approx(expected, abs=1e-5)


def test_sequences_that_are_too_long_are_refused(layer):
    long = [tf.constant([["i1"] * 5]), tf.constant(["i2"])]
    with pytest.raises(tf.errors.InvalidArgumentError, match="at most 4 items before the last"):
        layer.log_probabilities(long)
    none = [tf.zeros([0, 3], tf.string), tf.zeros([0], tf.string)]
    assert layer.log_probabilities(none)[0].shape == (0,)


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


def test_normalization_equals_that_of_keras():
    x = tf.random.stateless_normal((6, 4), [1, 2], mean=3.0, stddev=2.0)
    layers = LayerNormalization(), tf.keras.layers.LayerNormalization()
    for layer in layers:
        layer.build((None, 4))
        layer.set_weights([np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.0, -1.0, 2.0])])
    np.testing.assert_allclose(layers[0](x), layers[1](x), atol=1e-5)


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_bias_of_a_pair_of_events_is_that_of_their_distance(slots):
    block = CausalBlock(2, 5, 0.0, False, "float32")
    block.build((None, 4))
    weights = np.random.default_rng(1).normal(size=(5, 2)).astype("float32")
    block._by_distance.assign(weights)
    pairs = [[weights[i - j] if j <= i else [-1e4] * 2 for j in range(slots)] for i in range(slots)]
    expected = np.transpose(pairs, (2, 0, 1))  # (heads, queries, keys)
    np.testing.assert_array_equal(block._bias(tf.constant(slots), False), expected)
    np.testing.assert_array_equal(block._bias(tf.constant(slots), True), expected[:, -1:])
