"""What every layer of `rankkit.layers` must do, whatever it computes."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

WORDS = ["ant", "bee", "cat", "dog", "eel"]
# For each layer, the arguments to try it with and a batch of its raw input.
CASES = {
    "DenseRatingHead": [
        ({"hidden_units": [8, 4]}, np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)),
        (
            {
                "hidden_units": [],
                "rating_range": (1.0, 5.0),
                "kernel_regularizer": tf.keras.regularizers.L2(0.1),
            },
            np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3),
        ),
        (
            {"hidden_units": [8], "activation": "tanh", "dropout_rate": 0.5},
            np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3),
        ),
    ],
    "IdEmbedding": [
        ({"vocabulary": WORDS, "embedding_dim": 3}, np.array([*WORDS[:4], "unknown"], object)),
        (
            {
                "vocabulary": [-1, 0, 7, 2**40],
                "embedding_dim": 2,
                "id_dropout_rate": 0.5,
                "embeddings_regularizer": tf.keras.regularizers.L2(0.1),
            },
            np.array([-1, 0, 7, 2**40, 8]),
        ),
    ],
}
ALL = [
    pytest.param(getattr(rk.layers, name), arguments, values, id=f"{name}-{i}")
    for name in rk.layers.__all__
    for i, (arguments, values) in enumerate(CASES[name])
]
layers = pytest.mark.parametrize(("layer_class", "arguments", "values"), ALL)


def as_model(layer, values):
    """The layer as a network of its own, the head of zeros before it where it needs vectors."""
    inputs = tf.keras.Input(values.shape[1:], dtype=tf.convert_to_tensor(values).dtype, name="raw")
    return tf.keras.Model({"raw": inputs}, layer(inputs))


@layers
def test_config_rebuilds_the_layer(layer_class, arguments, values):
    layer = layer_class(**arguments, name="mine")
    again = layer_class.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.name == "mine"
    expected = layer(values)
    again(values)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(values), expected)


@layers
def test_config_holds_every_argument(layer_class, arguments, values):
    assert set(arguments) <= set(layer_class(**arguments).get_config())


@layers
def test_keras_file_gives_equal_outputs(layer_class, arguments, values, tmp_path):
    model = as_model(layer_class(**arguments), values)
    model.save(tmp_path / "m.keras")
    again = tf.keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again({"raw": values}), model({"raw": values}))


@layers
def test_saved_model_and_tflite_give_equal_outputs(layer_class, arguments, values, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    model = as_model(layer_class(**arguments), values)
    archive = tf.keras.export.ExportArchive()
    archive.track(model)
    spec = {"raw": tf.TensorSpec([None, *values.shape[1:]], tf.convert_to_tensor(values).dtype)}
    archive.add_endpoint("serving_default", lambda raw: model(raw), [spec])
    archive.write_out(str(tmp_path / "m"))
    expected = model({"raw": values}).numpy()
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    np.testing.assert_allclose(loaded.serving_default({"raw": values}), expected, atol=1e-6)

    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "m"))
    interpreter = Interpreter(model_content=converter.convert())
    (output,) = interpreter.get_signature_runner("serving_default")(raw=values).values()
    np.testing.assert_allclose(output, expected, atol=1e-6)


@layers
def test_batches_of_one_and_of_any_size(layer_class, arguments, values):
    model = as_model(layer_class(**arguments), values)
    whole = model({"raw": values}).numpy()
    one_by_one = [model({"raw": values[i : i + 1]}).numpy() for i in range(len(values))]
    np.testing.assert_allclose(np.concatenate(one_by_one), whole, atol=1e-6)
    assert model.output_shape == (None, *whole.shape[1:])


@layers
def test_declared_output_shape_is_the_real_one(layer_class, arguments, values):
    layer = layer_class(**arguments)
    assert layer.compute_output_shape(values.shape) == layer(values).shape


@layers
def test_gradients_reach_every_weight(layer_class, arguments, values):
    layer = layer_class(**arguments)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(values, training=False) ** 2)
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert gradients
    for gradient in gradients:
        assert np.abs(tf.convert_to_tensor(gradient)).sum() > 0


@layers
def test_works_in_mixed_precision(layer_class, arguments, values):
    layer = layer_class(**arguments, dtype="mixed_float16")
    # Vectors are of half precision; scores, which are to be told apart, of full.
    is_head = layer_class is rk.layers.DenseRatingHead
    assert layer(values).dtype == (tf.float32 if is_head else tf.float16)
    assert all(weight.dtype == tf.float32 for weight in layer.weights)


def test_every_layer_is_tried():
    assert set(CASES) == set(rk.layers.__all__)
