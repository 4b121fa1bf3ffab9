"""What every layer of `rankkit.layers` must do, whatever it computes."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

WORDS = ["ant", "bee", "cat", "dog", "eel"]
HEADS = (rk.layers.DenseRatingHead, rk.layers.EnsembleMean)
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
    "EnsembleMean": [
        ({"independent": True}, np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)),
    ],
    "TimeSinceEmbedding": [
        (
            {
                "ids": WORDS[:3],
                "references": [0, 100, 1000],
                "boundaries": [10, 20],
                "embedding_dim": 3,
            },
            (np.array([*WORDS[:3], "unknown"], object), np.array([9, 115, 1020, 5])),
        ),
        (
            {"ids": [4, 7], "references": [5, -5], "boundaries": [0, 2**40], "embedding_dim": 2},
            (np.array([4, 4, 4, 8]), np.array([4, 5, 2**40 + 5, 5])),
        ),
    ],
    "Attribute": [
        (
            {
                "ids": WORDS,
                "values": [["x"], [], ["x", "y"], ["y"], ["z"]],
                "layer": rk.layers.TagsEmbedding(["x", "y"], 3),
            },
            np.array([*WORDS[:4], "unknown"], object),
        ),
        (
            {
                "ids": [1, 2, 3],
                "values": ["Die Hard", "", "Hard 8"],
                "layer": rk.layers.TextEmbedding(["die", "hard"], 2),
            },
            np.array([1, 2, 3, 4]),
        ),
        (
            {
                "ids": ["a", "b"],
                "values": [1.5, 2.5],
                "layer": rk.layers.NormalizedNumber(2.0, 0.5, embedding_dim=2),
                "default": 2.25,
            },
            np.array(["a", "b", "c"], object),
        ),
    ],
    "BucketEmbedding": [
        ({"boundaries": [18, 65], "embedding_dim": 3}, np.array([17, 18, 64, 65, 2**40])),
        (
            {"boundaries": [0.5, 1.5], "embedding_dim": 2, "missing": "learn"},
            np.array([0.0, 0.5, np.nan, 7.0], np.float32),
        ),
    ],
    "CalendarEmbedding": [
        ({"part": part, "embedding_dim": 2, "utc_offset": 5.5}, np.array([0, 10**9, 2 * 10**9]))
        for part in ("hour_of_day", "day_of_week", "day_of_month", "month")
    ],
    "CrossEmbedding": [
        (
            {"first": ["a", "a", "b"], "second": [0, 60, 60], "embedding_dim": 2, "width": 60},
            (np.array(["a", "a", "b", "b", "c"], object), np.array([59, 60, 119, 0, 60])),
        ),
        (
            {"first": [5, 7], "second": ["x", "y"], "embedding_dim": 2},
            (np.array([5, 5, 7, 8]), np.array(["x", "y", "y", "z"], object)),
        ),
    ],
    "HashedIdEmbedding": [
        ({"num_bins": 50, "embedding_dim": 3}, np.array(WORDS, object)),
        ({"num_bins": 9, "embedding_dim": 2, "num_hashes": 1}, np.array(WORDS, object)),
        ({"num_bins": 50, "embedding_dim": 2, "integers": True}, np.array([-1, 0, 7, 2**40])),
    ],
    "HistoryEmbedding": [
        (
            {"ids": WORDS[:3], "histories": [["x", "y"], ["y"], []], "embedding_dim": 2},
            (np.array([*WORDS[:3], "unknown"], object), np.array(["x", "z", "y", "y"], object)),
        ),
        (
            {
                "ids": [1, 2],
                "histories": [list(range(40)), [3, 4]],
                "embedding_dim": 2,
                "pooling": "mean",
            },
            (np.array([1, 2, 1, 3]), np.array([3, 3, 99, 3])),
        ),
    ],
    "NormalizedNumber": [
        ({"mean": 30, "standard_deviation": 10.0}, np.array([10, 30, 45])),
        (
            {"mean": 0.5, "standard_deviation": 2.0, "embedding_dim": 3, "missing": "learn"},
            np.array([-1.0, np.nan, 0.5, 9.0], np.float32),
        ),
    ],
    "OneHot": [
        ({"vocabulary": WORDS}, np.array([*WORDS[:4], "unknown"], object)),
        ({"vocabulary": [0, 1]}, np.array([0, 1, 7])),
    ],
    "TagsEmbedding": [
        (
            {"vocabulary": WORDS, "embedding_dim": 3, "pooling": "sqrtn"},
            np.array([["ant", "bee"], ["cat", ""], ["", ""], ["ant", "unknown"]], object),
        ),
        (
            {"vocabulary": [3, 1, 2], "embedding_dim": 2},
            np.array([[1, 2, -1], [9, -1, -1], [-1, -1, -1]]),
        ),
    ],
    "TextEmbedding": [
        (
            {"vocabulary": ["die", "hard"], "embedding_dim": 2, "pooling": "sum"},
            np.array(["Die hard 2", "", "?", "Große Freiheit"], object),
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
# Of dicts of several heads: tests/test_several_heads.py and tests/test_ordinal.py.
OF_HEADS = {"MultiGateMixtureOfExperts", "OrdinalHead", "ProgressiveExtraction", "WeightedScore"}
ALL = [
    pytest.param(getattr(rk.layers, name), arguments, values, id=f"{name}-{i}")
    for name in rk.layers.__all__
    if name not in OF_HEADS
    for i, (arguments, values) in enumerate(CASES[name])
]
layers = pytest.mark.parametrize(("layer_class", "arguments", "values"), ALL)


# What the converter for TensorFlow Lite refuses.
NOT_IN_TFLITE = {
    "HashedIdEmbedding": "StringToHashBucketFast",
    "TextEmbedding": "RaggedTensorToTensor",
}


def each(values):
    """The raw inputs, named."""
    several = values if isinstance(values, tuple) else (values,)
    return {f"raw{place}": one for place, one in enumerate(several)}


def specs(values):
    tensors = {name: tf.convert_to_tensor(one) for name, one in each(values).items()}
    return {
        name: tf.TensorSpec([None] * len(one.shape[:1]) + [None] * (len(one.shape) - 1), one.dtype)
        if one.dtype in (tf.string, tf.int64)
        else tf.TensorSpec([None, *one.shape[1:]], one.dtype)
        for name, one in tensors.items()
    }


def as_model(layer, values):
    """The layer as a network of its own."""
    inputs = {
        name: tf.keras.Input(spec.shape[1:], dtype=spec.dtype, name=name)
        for name, spec in specs(values).items()
    }
    raw = list(inputs.values())
    return tf.keras.Model(inputs, layer(raw[0] if len(raw) == 1 else raw))


def as_input(values):
    """What the layer is called with."""
    return [tf.constant(one) for one in values] if isinstance(values, tuple) else values


def taken(values, rows):
    return tuple(one[rows] for one in values) if isinstance(values, tuple) else values[rows]


def count(values):
    return len(values[0] if isinstance(values, tuple) else values)


@layers
def test_config_rebuilds_the_layer(layer_class, arguments, values):
    layer = layer_class(**arguments, name="mine")
    again = layer_class.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.name == "mine"
    expected = layer(as_input(values))
    again(as_input(values))
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(as_input(values)), expected)


@layers
def test_config_holds_every_argument(layer_class, arguments, values):
    assert set(arguments) <= set(layer_class(**arguments).get_config())


@layers
def test_keras_file_gives_equal_outputs(layer_class, arguments, values, tmp_path):
    model = as_model(layer_class(**arguments), values)
    model.save(tmp_path / "m.keras")
    again = tf.keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(each(values)), model(each(values)))


@layers
def test_saved_model_and_tflite_give_equal_outputs(layer_class, arguments, values, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    model = as_model(layer_class(**arguments), values)
    archive = tf.keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", lambda raw: model(raw), [specs(values)])
    archive.write_out(str(tmp_path / "m"))
    expected = model(each(values)).numpy()
    loaded = tf.saved_model.load(str(tmp_path / "m"))
    np.testing.assert_allclose(loaded.serving_default(each(values)), expected, atol=1e-6)

    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "m"))
    if operation := NOT_IN_TFLITE.get(layer_class.__name__):
        with pytest.raises(Exception, match=f"TF Select ops: .*{operation}"):
            converter.convert()
        return
    interpreter = Interpreter(model_content=converter.convert())
    names = ["raw", "raw_1"]  # what becomes of the keys of a dict
    raw = dict(zip(names, each(values).values(), strict=False))
    (output,) = interpreter.get_signature_runner("serving_default")(**raw).values()
    np.testing.assert_allclose(output, expected, atol=1e-6)


@layers
def test_batches_of_one_and_of_any_size(layer_class, arguments, values):
    model = as_model(layer_class(**arguments), values)
    whole = model(each(values)).numpy()
    rows = [slice(row, row + 1) for row in range(count(values))]
    one_by_one = [model(each(taken(values, row))).numpy() for row in rows]
    np.testing.assert_allclose(np.concatenate(one_by_one), whole, atol=1e-6)
    assert model.output_shape == (None, *whole.shape[1:])


@layers
def test_declared_output_shape_is_the_real_one(layer_class, arguments, values):
    layer = layer_class(**arguments)
    several = isinstance(values, tuple)
    shape = [one.shape for one in values] if several else values.shape
    assert layer.compute_output_shape(shape) == layer(as_input(values)).shape


@layers
def test_gradients_reach_every_weight(layer_class, arguments, values):
    layer = layer_class(**arguments)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((layer(as_input(values), training=False) + 0.1) ** 2)
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert bool(gradients) == (layer_class.__name__ not in ("OneHot",) and bool(layer.weights))
    for gradient in gradients:
        assert np.abs(tf.convert_to_tensor(gradient)).sum() > 0


@layers
def test_works_in_mixed_precision(layer_class, arguments, values):
    layer = layer_class(**arguments, dtype="mixed_float16")
    # Vectors are of half precision; scores, which are to be told apart, of full. An attribute's
    # layer has its own.
    full = layer_class in (*HEADS, rk.layers.Attribute)
    assert layer(as_input(values)).dtype == (tf.float32 if full else tf.float16)
    assert all(weight.dtype == tf.float32 for weight in layer.weights)


FEATURES = [case for case in ALL if case.values[0] not in HEADS]
feature_layers = pytest.mark.parametrize(("layer_class", "arguments", "values"), FEATURES)


@feature_layers
def test_a_network_of_it_is_saved_with_its_own_sample(layer_class, arguments, values, tmp_path):
    layer = layer_class(**arguments)
    sources = ("one", "other") if isinstance(layer.feature_spec, tuple) else ("one",)
    network = rk.ranking_network({"it": (sources, layer)}, head=rk.layers.DenseRatingHead([2]))
    rk.export.save(network, tmp_path / "1")
    loaded = rk.export.load(tmp_path / "1")
    assert sorted(loaded.feature_specs) == sorted(sources)


@feature_layers
def test_penalty_on_vectors_is_kept_in_the_config(layer_class, arguments, values):
    layer = layer_class(**arguments, activity_regularizer=tf.keras.regularizers.L2(0.5))
    again = layer_class.from_config(layer.get_config())
    vectors = again(as_input(values)).numpy()
    # Of each row, half its squared norm; their mean.
    assert float(again.losses[0]) == pytest.approx(
        0.5 * (vectors**2).sum() / len(vectors), rel=1e-5
    )


@feature_layers
def test_settings_are_shown(layer_class, arguments, values):
    shown = repr(layer_class(**arguments))
    assert shown.startswith(f"{layer_class.__name__}({next(iter(arguments))}=")
    assert len(shown) < 400


def test_every_layer_is_tried():
    assert set(CASES) == set(rk.layers.__all__) - OF_HEADS
