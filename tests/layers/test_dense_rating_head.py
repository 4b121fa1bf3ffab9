import numpy as np
import pytest
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


def make_step(layer):
    @tf.function
    def step(inputs):
        with tf.GradientTape() as tape:
            outputs = tf.nest.flatten(layer(inputs))
        return *outputs, *tape.gradient(outputs, layer.trainable_weights)

    return step


@pytest.mark.parametrize("activation", ["swish", tf.keras.activations.swish, tf.nn.silu])
def test_swish_computes_as_in_keras_to_the_last_digit(activation):
    inputs = tf.random.stateless_normal((64, 3), seed=(1, 2))
    head = DenseRatingHead([5, 4], activation=activation)
    layers = [tf.keras.layers.Dense(5, "swish"), tf.keras.layers.Dense(4, "swish")]
    reference = tf.keras.Sequential([*layers, tf.keras.layers.Dense(1)])
    reference(inputs)
    head(inputs)
    reference.set_weights(head.get_weights())
    for ours, theirs in zip(make_step(head)(inputs), make_step(reference)(inputs), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(head(inputs), reference(inputs))


@pytest.mark.parametrize(
    "make",
    [
        lambda: DenseRatingHead([5], activation="swish"),
        lambda: rk.layers.OrdinalHead([1, 2, 3], [5], activation="swish"),
        lambda: rk.layers.MultiGateMixtureOfExperts(["a", "b"], units=[5], activation="swish"),
        lambda: rk.layers.ProgressiveExtraction(["a", "b"], units=[5], activation="swish"),
    ],
)
def test_swish_adds_no_custom_gradient_to_a_graph(make):
    # TensorFlow keeps each graph with one forever: several megabytes per trial of a search.
    def has_custom_gradient(layer):
        graph = make_step(layer).get_concrete_function(tf.ones((4, 3))).graph
        return "IdentityN" in {operation.type for operation in graph.get_operations()}

    assert has_custom_gradient(tf.keras.layers.Dense(5, "swish"))
    assert not has_custom_gradient(make())
