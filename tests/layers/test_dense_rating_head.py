import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

DenseRatingHead = rk.layers.DenseRatingHead


def test_tower_is_dense_layers_and_one_unit():
    head = DenseRatingHead([5, 4], activation="tanh")
    inputs = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    scores = head(inputs)
    assert [w.shape for w in head.get_weights()] == [(3, 5), (5,), (5, 4), (4,), (4, 1), (1,)]
    a, b, c, d, e, f = head.get_weights()
    expected = np.tanh(np.tanh(inputs @ a + b) @ c + d) @ e + f
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_default_tower_is_the_tutorials():
    head = DenseRatingHead()
    head(tf.zeros((1, 64)))
    assert [layer.shape[1] for layer in head.get_weights()[::2]] == [256, 64, 1]


def test_rating_range_is_a_scaled_sigmoid():
    head = DenseRatingHead([], rating_range=(1, 5), kernel_initializer="ones")
    # 1 + 4 / (1 + exp(-x)) for x = -100, 0, ln 3 and 100
    scores = head(tf.constant([[-100.0], [0.0], [np.log(3.0)], [100.0]]))
    np.testing.assert_allclose(scores, [[1.0], [3.0], [4.0], [5.0]], atol=1e-5)


def test_dropout_is_on_while_training_alone():
    head = DenseRatingHead([500], dropout_rate=0.5)
    inputs = tf.ones((1, 3))
    np.testing.assert_array_equal(head(inputs), head(inputs, training=False))
    assert head(inputs, training=True) != head(inputs, training=False)


def test_layers_start_from_different_weights():
    initializer = tf.keras.initializers.GlorotUniform(seed=None)
    head = DenseRatingHead([3, 3], kernel_initializer=initializer)
    head(tf.zeros((1, 3)))
    assert not np.array_equal(head.get_weights()[0], head.get_weights()[2])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"hidden_units": [8, 0]}, r"hidden_units must be integers of at least 1.*\[8, 0\]"),
        ({"hidden_units": [8.5]}, "hidden_units must be integers of at least 1"),
        ({"dropout_rate": 1.0}, r"dropout_rate must be in \[0, 1\). Got: dropout_rate=1.0"),
        ({"rating_range": (5, 1)}, r"rating_range must be .*low < high. Got: .*\(5, 1\)"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        DenseRatingHead(**arguments)
