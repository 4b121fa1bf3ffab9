import numpy as np
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


def test_from_columns_takes_no_missing_value_of_an_id_that_has_another():
    ids, bucket = ["a", "a", "b", "b"], layers.BucketEmbedding([18], 2, missing="learn")
    numbers = Attribute.from_columns(ids, [10.0, float("nan"), float("nan"), 20.0], bucket)
    assert numbers.get_config()["values"] == [10.0, 20.0]
    texts = Attribute.from_columns(ids, ["x", "", "", ""], layers.IdEmbedding(["x"], 2))
    assert texts.get_config()["values"] == ["x", ""]
    lists = [["x"], [], [], ["x"]]
    tags = Attribute.from_columns(ids, lists, layers.TagsEmbedding(["x"], 2))
    assert tags.get_config()["values"] == [["x"], ["x"]]


def test_from_members_lists_co_occurring_ids():
    tags = layers.TagsEmbedding(["a", "b", "c"], 2)
    layer = Attribute.from_members([*USERS, "u1"], [*ITEMS, "a"], tags)
    assert layer.ids == ["u1", "u2", "u3"]
    assert layer.get_config()["values"] == [["a", "b"], ["b", "c"], ["a"]]


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


def test_stored_features_need_only_ids_in_every_export(check_exports):
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
    check_exports(model, {"user": [*USERS, "new"], "item": [*ITEMS, "new"]})
