"""Ids without a vocabulary."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf


def test_an_id_is_the_sum_of_its_rows():
    layer = rk.layers.HashedIdEmbedding(50, 3, num_hashes=3)
    ids = tf.constant([["a", "b"], ["", "c"]])
    vectors, rows = layer(ids), layer.encode(ids)
    assert rows.shape == (2, 2, 3)
    np.testing.assert_allclose(vectors, tf.gather(layer.weights[0], rows).numpy().sum(axis=-2))


def test_ids_keep_their_rows_for_ever():
    rows = [[88, 752], [482, 575]]
    layer = rk.layers.HashedIdEmbedding(1_000, 1)
    assert layer.encode(tf.constant(["7", "whoever"])).numpy().tolist() == rows
    numbers = rk.layers.HashedIdEmbedding(1_000, 1, integers=True)
    assert numbers.encode(tf.constant([7])).numpy().tolist() == rows[:1]


def test_a_second_hash_tells_ids_apart():
    ids = tf.constant([str(number) for number in range(20_000)])

    def distinct(num_hashes):
        rows = rk.layers.HashedIdEmbedding(1_000, 1, num_hashes=num_hashes).encode(ids)
        return len({tuple(sorted(each)) for each in rows.numpy().tolist()})

    assert distinct(1) == 1_000
    assert distinct(2) > 19_000


@pytest.mark.parametrize("integers", [False, True])
def test_a_network_of_it_learns(integers):
    numbers = np.arange(400) % 40
    ids = numbers if integers else numbers.astype(str)
    layer = rk.layers.HashedIdEmbedding.from_column(ids, 8, num_bins=64)
    assert layer.integers == integers
    network = rk.ranking_network({"user_id": layer}, head=rk.layers.DenseRatingHead([16]))
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adam(0.03))
    rows = {"user_id": ids, "rating": (numbers % 5).astype(np.float32)}
    history = model.fit(rk.data.batches(rows, 20, shuffle=True, seed=1), epochs=30, verbose=0)
    errors = history.history["root_mean_squared_error"]
    assert errors[-1] < 0.1 < 1.0 < errors[0]


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="num_bins must be an integer of at least 2. Got: .*1"):
        rk.layers.HashedIdEmbedding(1, 4)
    with pytest.raises(ValueError, match="num_hashes must be an integer of at least 1"):
        rk.layers.HashedIdEmbedding(10, 4, num_hashes=0)
    with pytest.raises(TypeError, match="ids must be strings"):
        rk.layers.HashedIdEmbedding(10, 4)(tf.constant([1]))
    with pytest.raises(TypeError, match="ids must be integers"):
        rk.layers.HashedIdEmbedding(10, 4, integers=True)(tf.constant(["1"]))
