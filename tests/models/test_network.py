import math

import keras
import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf
from rankkit.models.network import feature_specs, find_feature_layers, select_features


def embedding(*ids, dim=3, **kwargs):
    return rk.layers.IdEmbedding(list(ids), dim, **kwargs)


def head():
    return rk.layers.DenseRatingHead([4])


class Difference(tf.keras.layers.Layer):
    feature_spec = (tf.TensorSpec((None,), tf.int64), tf.TensorSpec((None,), tf.int64))

    def call(self, inputs):
        later, earlier = inputs
        return tf.cast(later - earlier, tf.float32)[:, tf.newaxis]


def number(dtype=tf.int64):
    layer = tf.keras.layers.Lambda(lambda x: tf.cast(x, tf.float32)[:, tf.newaxis])
    layer.feature_spec = tf.TensorSpec((None,), dtype)
    return layer


def test_network_maps_a_dict_of_features_to_one_score():
    network = rk.ranking_network({"user": embedding("a"), "item": embedding(1, 2)}, head=head())
    assert type(network).__name__ == "Functional"
    assert isinstance(network.input, dict)
    assert list(network.input) == ["user", "item"]
    assert network.output_shape == (None, 1)
    scores = network({"user": tf.constant(["a", "?"]), "item": tf.constant([2, 9], tf.int64)})
    assert scores.shape == (2, 1)


def test_vectors_are_concatenated_in_the_order_of_features():
    layers = {"b": embedding("x", dim=1), "a": embedding("y", dim=2)}
    network = rk.ranking_network(layers, head=lambda vector: vector)
    batch = {"a": tf.constant(["y"]), "b": tf.constant(["x"])}
    expected = tf.concat([layers["b"](batch["b"]), layers["a"](batch["a"])], axis=1)
    np.testing.assert_array_equal(network(batch), expected)


def test_interaction_gets_the_list_of_vectors():
    layers = {"user": embedding("a", dim=5), "item": embedding("b", dim=5)}
    network = rk.ranking_network(
        layers, head=lambda score: score, interaction=tf.keras.layers.Dot(axes=1)
    )
    batch = {"user": tf.constant(["a"]), "item": tf.constant(["b"])}
    expected = tf.reduce_sum(layers["user"](batch["user"]) * layers["item"](batch["item"]))
    np.testing.assert_allclose(network(batch), [[expected]], rtol=1e-6)


def test_shared_layer_stays_shared_after_loading(tmp_path):
    shared = embedding("a", "b")
    network = rk.ranking_network({"rated": shared, "viewed": shared}, head=head())
    assert sum(isinstance(each, rk.layers.IdEmbedding) for each in network.layers) == 1
    network.save(tmp_path / "n.keras")
    loaded = tf.keras.models.load_model(tmp_path / "n.keras")
    assert sum(isinstance(each, rk.layers.IdEmbedding) for each in loaded.layers) == 1
    batch = {"rated": tf.constant(["a"]), "viewed": tf.constant(["b"])}
    np.testing.assert_array_equal(loaded(batch), network(batch))
    rk.export.save(network, tmp_path / "1")


def test_summary_and_plot_show_the_feature_names(tmp_path, capsys):
    network = rk.ranking_network({"user_id": embedding("a")}, head=head())
    network.summary()
    assert "user_id" in capsys.readouterr().out
    dot = tf.keras.utils.model_to_dot(network, show_shapes=True)
    assert "user_id" in dot.to_string()


def test_keras_layer_with_a_feature_spec_is_a_feature_layer():
    age = tf.keras.layers.Normalization(axis=None, mean=40.0, variance=100.0)
    tower = tf.keras.Sequential([age, tf.keras.layers.Reshape((1,))])
    tower.feature_spec = tf.TensorSpec((None,), tf.float32)
    network = rk.ranking_network({"age": tower}, head=lambda vector: vector)
    np.testing.assert_allclose(network({"age": tf.constant([50.0])}), [[1.0]])


def test_feature_specs_have_shape_dtype_and_name():
    network = rk.ranking_network({"user": embedding("a"), "item": embedding(1)}, head=head())
    assert feature_specs(network) == {
        "user": tf.TensorSpec((None,), tf.string, "user"),
        "item": tf.TensorSpec((None,), tf.int64, "item"),
    }


@pytest.mark.parametrize(
    ("dtype", "values", "message"),
    [
        (tf.string, [1, 2], "Column 'f' has dtype int64, but .* strings"),
        (tf.int64, ["a"], "Column 'f' has dtype string, but .* integers"),
        (tf.int64, [10.7, np.nan], "Column 'f' has dtype float.*Drop rows without"),
    ],
)
def test_feature_of_another_type_is_rejected(dtype, values, message):
    with pytest.raises(TypeError, match=message):
        select_features({"f": values}, {"f": tf.TensorSpec((None,), dtype)})


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({}, "features must be a dict with at least one"),
        ({"user id": embedding("a")}, "letters, digits and '_'.*'user id'"),
        ({"A": embedding("a"), "a": embedding("a")}, "'A'.* case.*'a'"),
        ({"user": "embedding"}, r"features\['user'\] must be a tf.keras layer"),
        ({"user": tf.keras.layers.Dense(1)}, r"features\['user'\] must be .* with a feature_spec"),
        ({"user": keras.layers.Dense(1)}, "Take layers from tf.keras, not from Keras 3"),
        ({"user": embedding("a", name="user")}, "layer of feature 'user' is named 'user'"),
        ({"age": ("time", Difference())}, "columns of feature 'age' must be the names of the 2"),
        ({"age": Difference()}, r"The source columns of feature 'age' must .* Got: .*\('age',\)"),
        (
            {"day": ("time", number()), "time": number(tf.float32)},
            "column 'time' is int64 .* 'day', float32 .* for 'time'",
        ),
        ({"day": ("the time", number())}, "Column name must be a letter.*'the time'"),
    ],
)
def test_invalid_features_are_rejected(features, message):
    with pytest.raises((ValueError, TypeError), match=message):
        rk.ranking_network(features, head=head())


@pytest.mark.parametrize(
    ("layer", "fix"), [("dense", ""), (keras.layers.Dense(1), "Take layers .*not from Keras 3")]
)
def test_head_that_is_not_a_keras_2_layer_is_rejected(layer, fix):
    with pytest.raises(TypeError, match=f"head must be a tf.keras layer or a function.*{fix}"):
        rk.ranking_network({"user": embedding("a")}, head=layer)


@pytest.mark.parametrize("name", ["user-id", "item.id", "1st", "_x", "", "k", "rating", "self"])
def test_feature_names_that_cannot_be_exported_are_rejected(name):
    with pytest.raises(ValueError, match=f"[Ff]eature name.*{name!r}"):
        rk.ranking_network({name: embedding("a")}, head=head())


def test_names_of_keras_arguments_are_allowed_and_exported(tmp_path):
    names = ("features", "inputs", "columns", "training", "embedding", "x")
    network = rk.ranking_network({name: embedding("a") for name in names}, head=head())
    rk.export.save(network, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "r.tflite")


def test_network_without_a_dict_input_is_rejected():
    with pytest.raises(
        TypeError, match="network must be a Functional tf.keras.Model with one dict"
    ):
        rk.RankingModel(tf.keras.Sequential([tf.keras.layers.Dense(1)]), label="r")


def test_features_may_read_columns_of_other_names():
    network = rk.ranking_network(
        {"day": ("time", number()), "time": number(), "age": (("time", "born"), Difference())},
        head=tf.keras.layers.Dense(1, kernel_initializer="ones"),
    )
    assert list(network.input) == ["time", "born"]
    # time + time + (time - born)
    assert network({"time": tf.constant([7]), "born": tf.constant([4])}).numpy() == [[17.0]]


def test_lists_are_padded_to_equal_length():
    specs = {
        "tags": tf.TensorSpec((None, None), tf.string),
        "ids": tf.TensorSpec((None, None), tf.int64),
    }
    for make in (lambda lists: lists, tf.ragged.constant):
        columns = {"tags": make([["a"], [], ["b", "c"]]), "ids": make([[7], [8, 9], []])}
        padded = select_features(columns, specs)
        assert padded["tags"].numpy().tolist() == [[b"a", b""], [b"", b""], [b"b", b"c"]]
        assert padded["ids"].numpy().tolist() == [[7, -1], [8, 9], [-1, -1]]
    empty = select_features({"tags": [[], []], "ids": [[], []]}, specs)
    assert empty["tags"].shape == (2, 0)


def test_feature_layers_are_found_within_nested_networks():
    """In an ensemble, each member is a nested network whose inputs are sorted by name."""
    layers = [{"b": number(), "age": (("b", "a"), Difference())} for _ in range(2)]
    network = rk.ensemble([rk.ranking_network(each, head=head()) for each in layers])
    found = find_feature_layers(network, "b")
    expected = [pair for each in layers for pair in ((each["b"], 0), (each["age"][1], 0))]
    assert found == expected
    assert find_feature_layers(network, "a") == [(each["age"][1], 1) for each in layers]


@tf.keras.utils.register_keras_serializable(package="tests")
class Imputed(tf.keras.layers.Layer):
    """Replaces NaN by 0, as `tf.keras.layers.Normalization` does not."""

    feature_spec = tf.TensorSpec((None,), tf.float32)

    def __init__(self, missing=0.0, **kwargs):
        super().__init__(**kwargs)
        self.missing = missing

    def call(self, inputs):
        return tf.where(tf.math.is_nan(inputs), self.missing, inputs)[:, tf.newaxis]

    def get_config(self):
        return {**super().get_config(), "missing": self.missing}


def test_vectors_of_custom_layers_must_be_finite(tmp_path):
    """Such layers may replace NaN by a number: the output is checked, also after loading."""
    for missing, expected in ((3.0, [1.0, 3.0]), (math.nan, None)):
        network = rk.ranking_network({"x": Imputed(missing)}, head=lambda vector: vector)
        network.save(tmp_path / "m.keras")
        for each in (network, rk.export.load(tmp_path / "m.keras")):
            columns = {"x": tf.constant([1.0, math.nan])}
            if expected:
                assert each(columns).numpy().ravel().tolist() == expected
            else:
                with pytest.raises(tf.errors.InvalidArgumentError, match="'x' must be finite"):
                    each(columns)


def test_two_features_read_one_column_by_keras_layers():
    layers = [tf.keras.layers.Reshape((1,)) for _ in range(2)]
    for layer in layers:
        layer.feature_spec = tf.TensorSpec((None,), tf.float32)
    network = rk.ranking_network({"x": layers[0], "y": ("x", layers[1])}, head=head())
    assert [layer for layer, _ in find_feature_layers(network, "x")] == layers
