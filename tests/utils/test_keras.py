"""Contract with tf_keras: the private attributes that `rankkit.utils.keras` uses."""

import numpy as np
import pytest
import tensorflow as tf

from rankkit.utils import keras

DATA = tf.data.Dataset.from_tensors((tf.ones((1, 1)), tf.ones((1, 1))))


@pytest.fixture
def model():
    model = tf.keras.Sequential([tf.keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_stochastic_layers_have_a_random_generator():
    assert hasattr(tf.keras.layers.Dropout(0.5), "_random_generator")
    assert keras.is_stochastic(tf.keras.layers.GaussianNoise(0.1))
    assert not keras.is_stochastic(tf.keras.layers.Dense(2))


def test_autocast_is_true_for_layers_that_cast_their_input():
    assert keras.casts_inputs(tf.keras.layers.Dense(2))
    assert not keras.casts_inputs(tf.keras.layers.Dense(2, autocast=False))
    assert not keras.casts_inputs(tf.keras.Sequential())


def test_wrapping_metrics_have_their_function_as_fn():
    def error(y_true, y_pred):
        return tf.abs(y_true - y_pred)

    metric = tf.keras.metrics.MeanMetricWrapper(error)
    assert metric._fn is error
    assert keras.function_of(metric) is error
    assert keras.function_of(error) is error


def test_metrics_have_their_name_as_name():
    metric = tf.keras.metrics.Mean("loss")
    assert metric._name == "loss"
    keras.rename_metric(metric, "click_loss")
    assert metric.name == "click_loss"


def test_adam_keeps_moments_by_the_position_of_a_weight():
    weights = [tf.Variable([1.0, 2.0]), tf.Variable([3.0])]
    optimizer = tf.keras.optimizers.Adam(beta_1=0.9, beta_2=0.99)
    optimizer.apply_gradients(zip([tf.ones(2), tf.fill([1], 2.0)], weights, strict=True))
    for name in ("_index_dict", "_var_key", "_momentums", "_velocities"):
        assert hasattr(optimizer, name)
    first, second = keras.moments_of(optimizer, weights[1])
    np.testing.assert_allclose([first[0], second[0]], [0.2, 0.04], rtol=1e-6)


def test_optimizers_index_the_weights_they_were_built_for():
    weights = [tf.Variable([float(index)]) for index in range(3)]
    for optimizer in (tf.keras.optimizers.SGD(), tf.keras.optimizers.Adam()):
        assert keras.optimized_indices(optimizer, weights) == []
        optimizer.build([weights[2], weights[0]])
        assert keras.optimized_indices(optimizer, weights) == [2, 0]
        assert keras.optimized_indices(optimizer, weights[:2]) is None
    assert keras.optimized_indices(tf.keras.optimizers.legacy.SGD(), weights) is None


def test_models_count_the_steps_of_fit_and_evaluate(model):
    data = DATA.repeat(3)
    model.fit(data, verbose=0)
    model.evaluate(data, verbose=0)
    for kind, counter in (("train", "_train_counter"), ("test", "_test_counter")):
        assert getattr(model, counter).numpy() == 3
        keras.count_steps(model, kind, 4)
        assert getattr(model, counter).numpy() == 7


def test_models_keep_their_validation_data_while_fit_runs(model):

    def stop(epoch, logs):
        raise KeyboardInterrupt

    callback = tf.keras.callbacks.LambdaCallback(on_epoch_end=stop)
    with pytest.raises(KeyboardInterrupt):
        model.fit(DATA, validation_data=DATA, callbacks=[callback], verbose=0)
    assert model._eval_data_handler is not None
    keras.forget_validation_data(model)
    assert model._eval_data_handler is None
