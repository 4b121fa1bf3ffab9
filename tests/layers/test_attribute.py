import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

layers = rk.layers
Attribute = layers.Attribute
USERS = ["u1", "u1", "u2", "u2", "u3"]
ITEMS = ["a", "b", "b", "c", "a"]


def test_attribute_is_embedded_as_by_its_layer():
    genres = layers.TagsEmbedding(["x", "y"], 3)
    layer = Attribute(["a", "b"], [["x", "y"], []], genres)
    raw = tf.constant([["x", "y"], ["", ""], ["", ""]])
    np.testing.assert_array_equal(layer(tf.constant(["a", "b", "new"])), genres(raw))


def test_from_columns_takes_the_last_value_of_an_id():
    bucket = layers.BucketEmbedding([18], 2, missing="learn")
    layer = Attribute.from_columns(["u2", "u1", "u2"], [10.0, 20.0, 30.0], bucket)
    assert layer.get_config()["values"] == [20.0, 30.0]
    # u1 20, u2 30; an unknown user has the row of missing numbers.
    assert layer.encode(tf.constant(["u1", "u2", "new"])).numpy().tolist() == [1, 1, 2]


def test_from_members_lists_co_occurring_ids():
    tags = layers.TagsEmbedding(["a", "b", "c"], 2)
    layer = Attribute.from_members([*USERS, "u1"], [*ITEMS, "a"], tags)
    assert layer.ids == ["u1", "u2", "u3"]
    assert layer.get_config()["values"] == [["a", "b"], ["b", "c"], ["a"]]


def test_bytes_are_read_as_text():
    items = [each.encode() for each in ITEMS]
    layer = Attribute.from_columns(items, ITEMS, layers.IdEmbedding(["a", "b"], 2))
    assert layer.ids == ["a", "b", "c"]


def test_weights_of_the_layer_are_trained():
    inner = layers.IdEmbedding(["x", "y"], 2)
    network = rk.ranking_network(
        {"id": Attribute(["a", "b"], ["x", "y"], inner)}, head=layers.DenseRatingHead([])
    )
    before = inner.get_weights()[0]
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    model.fit(rk.data.batches({"id": ["a", "b"], "rating": [1.0, 5.0]}, 2), verbose=0)
    assert np.abs(inner.get_weights()[0] - before)[1:].min() > 0


def test_stored_features_need_only_ids_in_every_export(tmp_path):
    genres = [["x"], ["x", "y"], ["x", "y"], ["z"], ["x"]]
    tags = layers.TagsEmbedding.from_column(genres, 2)
    features = {
        "user": layers.IdEmbedding.from_column(USERS, 2),
        "genres": ("item", Attribute.from_columns(ITEMS, genres, tags)),
        "rated": (("user", "item"), layers.HistoryEmbedding.from_columns(USERS, ITEMS, 2)),
        "raters": (("item", "user"), layers.HistoryEmbedding.from_columns(ITEMS, USERS, 2)),
    }
    network = rk.ranking_network(features, head=layers.DenseRatingHead([4]))
    model = rk.RankingModel(network, label="rating")
    assert list(model.feature_specs) == ["user", "item"]
    model.save(tmp_path / "model.keras")
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    raw = {"user": [*USERS, "new"], "item": [*ITEMS, "new"]}
    for file in ("model.keras", "1", "ranker.tflite"):
        scorer = rk.export.load(tmp_path / file)
        assert rk.export.max_abs_difference(model, scorer, raw) < 1e-5, file


@pytest.mark.parametrize(
    ("values", "layer", "error", "message"),
    [
        (
            [1.0],
            layers.NormalizedNumber(0.0, 1.0),
            ValueError,
            "default must be a raw value of the layer.*missing='learn'",
        ),
        (["x", "y"], layers.IdEmbedding(["x"], 2), ValueError, "Got: 2 values for 1 ids"),
        ("x", layers.IdEmbedding(["x"], 2), TypeError, "values must be a sequence with one entry"),
        (["x"], tf.keras.layers.Dense(1), TypeError, "layer must be a layer of rankkit.layers"),
        ([3], layers.IdEmbedding(["x"], 2), TypeError, r"values\[0\] must be one string, as layer"),
    ],
)
def test_invalid_arguments_are_named(values, layer, error, message):
    with pytest.raises(error, match=message):
        Attribute(["a"], values, layer)


def test_invalid_columns_are_named():
    ids = layers.IdEmbedding(["x"], 2)
    with pytest.raises(TypeError, match="must be .*nan"):
        Attribute.from_columns(["a", float("nan")], ["x", "y"], ids)
    with pytest.raises(ValueError, match="Got: 2 ids and 1 values"):
        Attribute.from_columns(["a", "b"], ["x"], ids)
    with pytest.raises(TypeError, match="layer must be a layer that reads lists"):
        Attribute.from_members(["a"], ["x"], ids)
