"""NaN in a network that was not built with `ranking_network` is refused on every path."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

L = tf.keras.layers
ROWS = {"price": [1.0, 2.0, 3.0, 4.0], "rating": [1.0, 2.0, 3.0, 4.0]}
REFUSED = r"^Feature 'price' must be finite\. Got: NaN .* missing='learn'\.$"


class Own(L.Layer):
    """Makes a number of NaN."""

    def call(self, inputs):
        return tf.nn.relu(inputs[:, None])


def make_network(read):
    price = tf.keras.Input((), name="price")
    return tf.keras.Model({"price": price}, L.Dense(1, "relu")(read(price)))


def nested(layer):
    inputs = tf.keras.Input(())
    return tf.keras.Model(inputs, layer(inputs))


UNCHECKED = {
    "own layer": lambda price: Own()(price),
    "own layer in a model": lambda price: nested(Own())(price),
    "own layer in Sequential": lambda price: tf.keras.Sequential([Own()])(price),
    "Dense": lambda price: L.Dense(4, "relu")(tf.expand_dims(price, -1)),
    "function": lambda price: tf.maximum(price, 0.0)[:, None],
    "learned beside Dense": lambda price: L.Concatenate()(
        [rk.layers.NormalizedNumber(0.0, 1.0, missing="learn")(price), Own()(price)]
    ),
}


@pytest.mark.parametrize("read", UNCHECKED.values(), ids=list(UNCHECKED))
def test_nan_is_refused_on_every_path(read, tmp_path):
    model = rk.RankingModel(make_network(read), label="rating")
    model.compile("sgd", jit_compile=False)
    model.fit(rk.data.batches(ROWS, 2), verbose=0)
    rk.export.save(model, tmp_path / "1", sample={"price": ROWS["price"]})
    saved = rk.export.load(tmp_path / "1")
    index = rk.CandidateIndex(model, {"price": ROWS["price"]})
    wrong = {**ROWS, "price": np.array([1.0, np.nan, 3.0, 4.0], np.float32)}
    batches = rk.data.batches(wrong, 2)
    [batch] = rk.data.batches(wrong, 4)
    features = {"price": wrong["price"]}
    paths = [
        lambda: model.fit(batches, verbose=0),
        lambda: model.fit(batches.map(dict), verbose=0),
        lambda: model.evaluate(batches, verbose=0),
        lambda: model.predict(batches, verbose=0),
        lambda: model.predict_on_batch(batch),
        lambda: model.train_on_batch(batch),
        lambda: model.test_on_batch(batch),
        lambda: model(features),
        lambda: rk.rank(model, {}, features),
        lambda: rk.rank(model.network, {}, features),
        lambda: rk.evaluate_ranking(model, wrong, train=ROWS, query=None),
        lambda: rk.CandidateIndex(model, features),
        lambda: saved(features),
        lambda: rk.rank(saved, {}, features),
    ]
    for path in paths:
        with pytest.raises(ValueError, match=REFUSED):
            path()
    assert len(rk.rank(model, {}, index)) == 4


@pytest.mark.parametrize(
    "read",
    [
        lambda price: rk.layers.NormalizedNumber(0.0, 1.0, missing="learn")(price),
        lambda price: tf.where(tf.math.is_nan(price), 0.0, price)[:, None],
        lambda price: nested(rk.layers.NormalizedNumber(0.0, 1.0, missing="learn"))(price),
    ],
)
def test_nan_that_the_network_handles_is_scored(read):
    model = rk.RankingModel(make_network(read), label="rating")
    assert np.isfinite(model({"price": [np.nan, 1.0]})).all()


def test_own_layers_of_a_ranking_network_may_handle_nan():
    class Handles(L.Layer):
        feature_spec = tf.TensorSpec((None,), tf.float32)

        def call(self, inputs):
            return tf.where(tf.math.is_nan(inputs), 0.0, inputs)[:, None]

    for layer in (Handles(), tf.keras.Sequential([Handles()])):
        layer.feature_spec = Handles.feature_spec
        network = rk.ranking_network({"price": layer}, head=rk.layers.DenseRatingHead([]))
        for each in (
            network,
            rk.ensemble(
                [
                    network,
                    rk.models.tower(
                        {"price": rk.layers.NormalizedNumber(0.0, 1.0, missing="learn")}
                    ),
                ]
            ),
        ):
            model = rk.RankingModel(each, label="rating")
            assert np.isfinite(model({"price": [np.nan, 1.0]})).all()


class Hiding(tf.keras.layers.Layer):
    """A layer of a user that makes zeros of NaN where its graph is compiled."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.feature_spec, self._dense = SPEC, tf.keras.layers.Dense(4, "relu")

    def call(self, inputs):
        return self._dense(inputs)


class HidingFeature(rk.layers.NormalizedNumbers):
    """The same, derived from a layer of rankkit, without its checks."""

    def __init__(self, **kwargs):
        super().__init__([0.0] * 3, [1.0] * 3, **kwargs)
        self._dim, self._dense = 4, tf.keras.layers.Dense(4, "relu")

    def encode(self, inputs):
        return inputs

    def embed(self, codes, training=None):
        return self._dense(codes)


SPEC = tf.TensorSpec((None, 3), tf.float32)


@pytest.mark.parametrize("layer", [Hiding, HidingFeature])
@pytest.mark.parametrize("built", ["ranking_network", "keras"])
def test_nan_in_vectors_that_an_own_layer_reads_is_refused(layer, built):
    if built == "keras":
        inputs = {"vector": tf.keras.Input((3,), name="vector")}
        output = tf.keras.layers.Dense(1)(layer()(inputs["vector"]))
        network = tf.keras.Model(inputs, output)
    else:
        network = rk.ranking_network({"vector": layer()}, head=rk.layers.DenseRatingHead([4]))
    model = rk.RankingModel(network, label="rating")
    model.compile("sgd", "mse")
    rows = {"vector": np.ones((4, 3), np.float32), "rating": np.ones(4, np.float32)}
    model.fit(rows, verbose=0)
    wrong = {**rows, "vector": np.full((4, 3), np.nan, np.float32)}
    for call in (
        lambda: model(wrong),
        lambda: model.predict(wrong, verbose=0),
        lambda: model.fit(wrong, verbose=0),
        lambda: model.evaluate(tf.data.Dataset.from_tensor_slices(wrong).batch(2), verbose=0),
        lambda: rk.rank(network, {}, {"vector": wrong["vector"]}),
        lambda: rk.CandidateIndex(network, {"vector": wrong["vector"]}),
    ):
        with pytest.raises(ValueError, match="^Feature 'vector' must be finite"):
            call()
