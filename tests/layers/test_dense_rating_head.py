import numpy as np
import rankkit as rk
import tensorflow as tf

DenseRatingHead = rk.layers.DenseRatingHead


def test_head_is_hidden_layers_and_one_linear_unit():
    head = DenseRatingHead([5, 4], activation="tanh")
    inputs = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    scores = head(inputs)
    assert [w.shape for w in head.get_weights()] == [(3, 5), (5,), (5, 4), (4,), (4, 1), (1,)]
    a, b, c, d, e, f = head.get_weights()
    expected = np.tanh(np.tanh(inputs @ a + b) @ c + d) @ e + f
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_rating_range_is_a_scaled_sigmoid():
    head = DenseRatingHead([], rating_range=(1, 5), kernel_initializer="ones")
    # 1 + 4 / (1 + exp(-x)) for x = -100, 0, ln 3 and 100
    scores = head(tf.constant([[-100.0], [0.0], [np.log(3.0)], [100.0]]))
    np.testing.assert_allclose(scores, [[1.0], [3.0], [4.0], [5.0]], atol=1e-5)


def test_dropout_is_active_only_while_training():
    head = DenseRatingHead([500], dropout_rate=0.5)
    inputs = tf.ones((1, 3))
    np.testing.assert_array_equal(head(inputs), head(inputs, training=False))
    assert head(inputs, training=True) != head(inputs, training=False)


def test_layers_start_from_different_weights():
    initializer = tf.keras.initializers.GlorotUniform(seed=None)
    head = DenseRatingHead([3, 3], kernel_initializer=initializer)
    head(tf.zeros((1, 3)))
    assert not np.array_equal(head.get_weights()[0], head.get_weights()[2])
