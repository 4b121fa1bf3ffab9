import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

HashedIdEmbedding = rk.layers.HashedIdEmbedding


def test_vector_is_the_sum_of_the_hashed_rows():
    layer = HashedIdEmbedding(50, 3, num_hashes=3)
    ids = tf.constant([["a", "b"], ["", "c"]])
    vectors, rows = layer(ids), layer.encode(ids)
    assert rows.shape == (2, 2, 3)
    np.testing.assert_allclose(vectors, tf.gather(layer.weights[0], rows).numpy().sum(axis=-2))


def test_hashes_do_not_change_between_versions():
    rows = [[88, 752], [482, 575]]
    layer = HashedIdEmbedding(1_000, 1)
    assert layer.encode(tf.constant(["7", "whoever"])).numpy().tolist() == rows
    integers = HashedIdEmbedding(1_000, 1, integers=True)
    assert integers.encode(tf.constant([7])).numpy().tolist() == rows[:1]


def test_second_hash_separates_nearly_all_ids():
    ids = tf.constant([str(number) for number in range(5_000)])

    def count_distinct(num_hashes):
        rows = HashedIdEmbedding(1_000, 1, num_hashes=num_hashes).encode(ids)
        return len({tuple(sorted(each)) for each in rows.numpy().tolist()})

    # With two hashes a share of about 2 * 5,000 / 1,000**2 = 1 % collides.
    assert count_distinct(1) <= 1_000
    assert count_distinct(2) > 4_900


@pytest.mark.parametrize("integers", [False, True])
def test_network_learns_hashed_ids(integers):
    numbers = np.arange(40)
    ids = numbers if integers else numbers.astype(str)
    layer = HashedIdEmbedding.from_column(ids, 8, num_bins=64)
    assert layer.integers == integers
    network = rk.ranking_network({"user_id": layer}, head=rk.layers.DenseRatingHead([16]))
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adam(0.03))
    rows = {"user_id": ids, "rating": (numbers % 5).astype(np.float32)}
    history = model.fit(rk.data.batches(rows, 40), epochs=80, verbose=0)
    errors = history.history["root_mean_squared_error"]
    assert errors[-1] < 0.1 < 1.0 < errors[0]
