"""Raw numbers are not rounded to half precision, whatever lies before the layer that reads them."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

L = tf.keras.layers
YEARS = np.arange(1930, 2001)
RAW = r"^The raw numbers of feature 'year' must not be .* layer '{}\w*' of .*Normalize .* before it"


def nested(*layers):
    inputs = tf.keras.Input((1,), dtype="float32")
    outputs = inputs
    for layer in layers:
        outputs = layer(outputs)
    return tf.keras.Model(inputs, outputs)


def dict_model(layer):
    inputs = {name: tf.keras.Input((1,), name=name) for name in ("b", "a")}
    return tf.keras.Model(inputs, {"y": layer(inputs["a"]), "x": L.Reshape((1,))(inputs["b"])})


class Own(L.Layer):
    """Returns its input, which `RankingModel` cannot know."""

    def call(self, inputs):
        return inputs


class OwnCast(L.Layer):
    def call(self, inputs):
        return tf.cast(inputs, self.compute_dtype)


def arithmetic(x):
    return L.Multiply()([L.Add()([x, tf.zeros_like(x)]), tf.ones_like(x) * 1])


# From the raw numbers, (batch, 1), and a layer that reads them, to its output.
WRAPPINGS = {
    "directly": lambda x, layer: layer(x),
    "Reshape": lambda x, layer: layer(L.Reshape((1,))(x)),
    "Flatten": lambda x, layer: layer(L.Flatten()(L.RepeatVector(1)(x))),
    "identities": lambda x, layer: layer(L.Activation("linear")(L.Identity()(tf.identity(x)))),
    "Concatenate": lambda x, layer: layer(L.Concatenate()([x, x])),
    "functions": lambda x, layer: layer(tf.squeeze(tf.stack([tf.cast(x, "float32")] * 1), 0)),
    "slice": lambda x, layer: layer(tf.concat([x, x], 1)[:, :1]),
    "missing": lambda x, layer: layer(tf.where(x < 0, tf.zeros_like(x), x)),
    "Sequential": lambda x, layer: tf.keras.Sequential([L.Reshape((1,)), layer])(x),
    "model": lambda x, layer: nested(layer)(x),
    "model before": lambda x, layer: layer(nested(L.Reshape((1,)), L.Dropout(0.1))(x)),
    "models": lambda x, layer: nested(nested(L.Flatten()), nested(nested(layer)))(x),
    "model of dicts": lambda x, layer: dict_model(layer)({"a": x, "b": x})["y"],
    "model of a list": lambda x, layer: layer(dict_model(L.Dense(1))([x, x])["x"]),
    "arithmetic": lambda x, layer: layer(arithmetic(x)),
    "padding": lambda x, layer: layer(L.Flatten()(L.ZeroPadding1D(0)(x[:, None]))),
    "own": lambda x, layer: layer(L.Lambda(lambda each: each)(Own()(x))),
    "TimeDistributed": lambda x, layer: L.Flatten()(L.TimeDistributed(layer)(x[:, None])),
}


def network(wrap, layer, dtype="float32", **kwargs):
    x = tf.keras.Input((1,), dtype=dtype, name="year")
    outputs = L.Dense(1, kernel_initializer="ones")(tf.cast(wrap(x, layer), tf.float32))
    return tf.keras.Model({"year": x}, outputs, **kwargs)


def normalization(policy):
    return L.Normalization(axis=None, mean=1965.0, variance=400.0, dtype=policy)


def as_model(made):
    return rk.RankingModel(made, label="click")


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=list(WRAPPINGS))
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_layers_that_read_raw_numbers_in_half_precision_are_refused(wrap, dtype):
    for policy in ("mixed_bfloat16", "mixed_float16", "float16"):
        made = network(wrap, normalization(policy), dtype)
        with pytest.raises(ValueError, match=RAW.format("normalization")):
            as_model(made)
    model = as_model(network(wrap, normalization("float32"), dtype))
    scores = model({"year": tf.constant(YEARS[:, None], dtype)})
    assert len(np.unique(scores)) == len(YEARS)


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=list(WRAPPINGS))
def test_each_way_to_make_a_model_refuses_them(wrap):
    made = network(wrap, normalization("mixed_bfloat16"), name="wrapped")
    x = tf.keras.Input((1,))
    layer = tf.keras.Model(x, wrap(x, normalization("mixed_bfloat16")))
    layer.feature_spec = tf.TensorSpec((None, 1), tf.float32)
    user = {"user_id": rk.layers.IdEmbedding(["u1"], 2)}
    for make in (
        lambda: rk.ranking_network({"year": layer}, head=rk.layers.DenseRatingHead([])),
        lambda: as_model(rk.ensemble([made, rk.models.tower(user)])),
        lambda: rk.RankingModel(rk.models.tower(user), label="click", training_bias=made),
    ):
        with pytest.raises(ValueError, match=RAW.format("normalization")):
            make()


def test_heads_and_inputs_of_nested_models_that_round_raw_numbers_are_refused():
    raw = L.Reshape((1,))
    raw.feature_spec = tf.TensorSpec((None, 1), tf.float32)
    head = rk.layers.DenseRatingHead([4], dtype="mixed_bfloat16")
    with pytest.raises(ValueError, match=RAW.format("dense")):
        rk.ranking_network({"year": raw}, head=head)
    inputs = tf.keras.Input((1,), dtype="bfloat16", name="inner")
    inner = tf.keras.Model(inputs, tf.cast(inputs, tf.float32))
    with pytest.raises(ValueError, match=RAW.format("inner")):
        as_model(network(lambda x, layer: layer(x), inner))


@pytest.mark.parametrize("dtype", ["float32", "int64"])
@pytest.mark.parametrize(
    "layer",
    [lambda **k: L.Lambda(lambda x: x, **k), Own, OwnCast, "cast"],
    ids=["Lambda", "Own", "OwnCast", "cast"],
)
def test_code_of_the_user_in_half_precision_is_refused(layer, dtype):
    def make(x, policy):
        if layer == "cast":
            return tf.cast(x, "bfloat16" if policy == "mixed_bfloat16" else "float32")
        return layer(name="cast", dtype=policy)(x)

    for reader in (L.Flatten(), rk.layers.NormalizedNumber(1965.0, 20.0)):
        half = network(lambda x, reader: reader(make(x[:, 0], "mixed_bfloat16")), reader, dtype)
        with pytest.raises(ValueError, match=RAW.format(r"(tf\.)?cast")):
            as_model(half)
        as_model(network(lambda x, reader: reader(make(x[:, 0], "float32")), reader, dtype))


@pytest.mark.parametrize(
    ("before", "dtype"),
    [
        (lambda x: L.Rescaling(0.05, -98.0)(x), "float32"),
        (lambda x: L.Dense(3)(x * 1), "float32"),
        (lambda x: normalization("float32")(x), "int64"),
        (lambda x: tf.cast(x > 1965, tf.float32), "int64"),
        (lambda x: L.Embedding(2, 3)(x), "int64"),
        (lambda x: tf.cast(x, tf.float32), "bool"),
        (lambda x: L.Embedding(2, 3, dtype="mixed_bfloat16")(L.Add()([x, x])), "int64"),
    ],
)
def test_other_numbers_may_be_rounded(before, dtype):
    dense = L.Dense(2, dtype="mixed_bfloat16")
    made = network(lambda x, layer: layer(L.Flatten()(before(x))), dense, dtype)
    assert as_model(made).network is made


def test_layers_of_keras_that_round_integers_are_listed():
    arguments = {
        "Dense": {"units": 1, "kernel_initializer": "ones"},
        "Normalization": {"axis": None, "mean": 1965.0, "variance": 400.0},
        "Rescaling": {"scale": 0.01},
        "Embedding": {"input_dim": 3000, "output_dim": 2},
        "CategoryEncoding": {"num_tokens": 3000},
        "Discretization": {"bin_boundaries": [1999.5]},
    }
    found = []
    for name in dir(L):
        try:
            layer = getattr(L, name)(**arguments.get(name, {}), dtype="mixed_bfloat16")
            old, new = (layer(tf.constant([[year]])) for year in (1999, 2000))
            if old.dtype != tf.bfloat16 or not np.array_equal(old, new):
                continue
        except Exception:  # not a layer, or not one of integers
            continue
        found.append(name)
        with pytest.raises(ValueError, match=RAW.format("")):
            as_model(network(lambda x, layer: layer(x), layer, "int64"))
    assert {"Dense", "Normalization", "Rescaling"} <= set(found)
