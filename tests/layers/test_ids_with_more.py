"""What is held by id: attributes, histories, pairs, and one-hot categories."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

USERS = ["u1", "u1", "u2", "u2", "u3"]
ITEMS = ["a", "b", "b", "c", "a"]


def test_attribute_gives_what_its_layer_gives():
    genres = rk.layers.TagsEmbedding(["x", "y"], 3)
    layer = rk.layers.Attribute(["a", "b"], [["x", "y"], []], genres)
    raw = tf.constant([["x", "y"], ["", ""], ["", ""]])
    np.testing.assert_array_equal(layer(tf.constant(["a", "b", "new"])), genres(raw))


def test_attribute_of_rows_takes_the_last_value_of_an_id():
    bucket = rk.layers.BucketEmbedding([18], 2, missing="learn")
    layer = rk.layers.Attribute.from_columns(["u2", "u1", "u2"], [10.0, 20.0, 30.0], bucket)
    assert layer.get_config()["values"] == [20.0, 30.0]
    # u1 20, u2 30, and an unknown user has the row of missing numbers.
    assert layer.encode(tf.constant(["u1", "u2", "new"])).numpy().tolist() == [1, 1, 2]


def test_attribute_of_members_lists_what_an_id_has_been_with():
    tags = rk.layers.TagsEmbedding(["a", "b", "c"], 2)
    layer = rk.layers.Attribute.from_members([*USERS, "u1"], [*ITEMS, "a"], tags)
    assert layer.ids == ["u1", "u2", "u3"]
    assert layer.get_config()["values"] == [["a", "b"], ["b", "c"], ["a"]]


def test_attribute_trains_its_layer_and_counts_its_penalty():
    inner = rk.layers.IdEmbedding(["x", "y"], 2, activity_regularizer=tf.keras.regularizers.L2(1.0))
    layer = rk.layers.Attribute(["a", "b"], ["x", "y"], inner)
    network = rk.ranking_network({"id": layer}, head=rk.layers.DenseRatingHead([]))
    before = inner.get_weights()[0]
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    model.fit(rk.data.batches({"id": ["a", "b"], "rating": [1.0, 5.0]}, 2), verbose=0)
    assert np.abs(inner.get_weights()[0] - before)[1:].min() > 0


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (
            lambda: rk.layers.Attribute(["a"], [1.0], rk.layers.NormalizedNumber(0.0, 1.0)),
            ValueError,
            "default must be the value of unknown ids.*missing='learn'",
        ),
        (
            lambda: rk.layers.Attribute(["a"], ["x", "y"], rk.layers.IdEmbedding(["x"], 2)),
            ValueError,
            "values must be one for each of 1 ids",
        ),
        (
            lambda: rk.layers.Attribute(["a"], ["x"], tf.keras.layers.Dense(1)),
            TypeError,
            "layer must be a layer of rankkit.layers that reads one feature",
        ),
        (
            lambda: rk.layers.Attribute(["a"], [3], rk.layers.IdEmbedding(["x"], 2)),
            TypeError,
            "feature 'values' must be string",
        ),
        (
            lambda: rk.layers.HistoryEmbedding(["a"], [], 2),
            ValueError,
            "histories must be one for each of 1 ids",
        ),
        (
            lambda: rk.layers.HistoryEmbedding(["a"], [[]], 2),
            ValueError,
            "histories must be a list of at least one id",
        ),
        (
            lambda: rk.layers.CrossEmbedding(["a"], [1, 2], 2),
            ValueError,
            "second must be as many as first, 1",
        ),
        (
            lambda: rk.layers.CrossEmbedding(["a", "a"], [1, 1], 2),
            ValueError,
            "pairs must be ids without duplicates",
        ),
        (
            lambda: rk.layers.CrossEmbedding(["a"], ["x"], 2, width=60),
            ValueError,
            "width must be 1 where the second values are no numbers",
        ),
        (
            lambda: rk.layers.CrossEmbedding(["a"], [1], 2, width=0),
            ValueError,
            "width must be an integer of at least 1",
        ),
    ],
)
def test_bad_arguments_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_history_leaves_out_the_item_in_question():
    layer = rk.layers.HistoryEmbedding.from_columns(USERS, ITEMS, 1, pooling="sum")
    users, items = tf.constant(["u1", "u1", "u1", "u3", "new"]), tf.constant([*"abcaa"])
    layer([users, items])
    # Rows in the order of the first coming in the sorted histories: a 1, b 2, c 4.
    layer.set_weights([np.array([[1], [2], [4]], np.float32)])
    # u1 has a and b; u3 has a alone; c is in no history of u1.
    assert layer([users, items]).numpy().tolist() == [[2], [1], [3], [0], [0]]


def test_large_histories_are_lists(monkeypatch):
    rows = [tf.constant(USERS), tf.constant(["a", "c", "b", "c", "a"])]
    small = rk.layers.HistoryEmbedding.from_columns(USERS, ITEMS, 2)
    monkeypatch.setattr("rankkit.layers.history_embedding._MATRIX", 0)
    large = rk.layers.HistoryEmbedding.from_columns(USERS, ITEMS, 2)
    assert (small.encode(rows).dtype, large.encode(rows).dtype) == (tf.int8, tf.int32)
    small(rows)
    large(rows)
    large.set_weights(small.get_weights())
    np.testing.assert_allclose(small(rows), large(rows), rtol=1e-6)


def test_a_training_row_tells_nothing_of_itself():
    """Scores of a row are the same whether or not it is in the histories."""
    with_row = rk.layers.HistoryEmbedding.from_columns(USERS, ITEMS, 2)
    without = rk.layers.HistoryEmbedding.from_columns(USERS[1:], ITEMS[1:], 2)
    row = [tf.constant(["u1"]), tf.constant(["a"])]
    table = {"a": [1.0, 2.0], "b": [3.0, 4.0], "c": [5.0, 6.0]}
    for layer in (with_row, without):
        layer(row)
        order = dict.fromkeys(i for each in layer.get_config()["histories"] for i in each)
        layer.set_weights([np.array([table[item] for item in order], np.float32)])
    np.testing.assert_array_equal(with_row(row), without(row))


def test_cross_of_users_and_days():
    seconds = [0, 86_399, 86_400, -1, 0]
    layer = rk.layers.CrossEmbedding.from_columns(USERS, seconds, 2, width=86_400)
    # u1 on day 0 twice; u2 on days 1 and -1; u3 on day 0.
    assert len(layer.get_config()["first"]) == 4
    assert layer.encode([tf.constant(USERS), tf.constant(seconds)]).numpy().tolist() == [
        1,
        1,
        2,
        3,
        4,
    ]
    other = layer.encode([tf.constant(["u1", "u4"]), tf.constant([86_400, 0])])
    assert other.numpy().tolist() == [0, 0]


def test_one_hot_of_booleans():
    layer = rk.layers.OneHot.from_column(np.array([True, False]))
    assert layer.vocabulary == [0, 1]
    network = rk.ranking_network({"new": layer}, head=rk.layers.DenseRatingHead([]))
    assert network({"new": tf.constant([True, False])}).shape == (2, 1)


def test_side_features_go_through_everything(tmp_path):
    """A caller sends user and movie alone, to all scorers alike."""
    genres = [["x"], ["x", "y"], ["x", "y"], ["z"], ["x"]]
    rows = {"user": USERS, "item": ITEMS, "rating": [1.0, 2.0, 3.0, 4.0, 5.0]}
    layers = rk.layers
    features = {
        "user": layers.IdEmbedding.from_column(USERS, 2),
        "item": layers.IdEmbedding.from_column(ITEMS, 2),
        "genres": (
            "item",
            layers.Attribute.from_columns(
                ITEMS, genres, layers.TagsEmbedding.from_column(genres, 2)
            ),
        ),
        "rated": (("user", "item"), layers.HistoryEmbedding.from_columns(USERS, ITEMS, 2)),
        "raters": (("item", "user"), layers.HistoryEmbedding.from_columns(ITEMS, USERS, 2)),
    }
    model = rk.RankingModel(
        rk.ranking_network(features, head=layers.DenseRatingHead([4])), label="rating"
    )
    model.compile("adagrad")
    model.fit(rk.data.batches(rows, 2, shuffle=True, seed=1), epochs=2, verbose=0)
    assert list(model.feature_specs) == ["user", "item"]
    model.save(tmp_path / "model.keras")
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    raw = {"user": [*USERS, "new"], "item": [*ITEMS, "new"]}
    for file in ("model.keras", "1", "ranker.tflite"):
        scorer = rk.export.load(tmp_path / file)
        assert rk.export.max_abs_difference(model, scorer, raw) < 1e-5, file


def test_ids_of_tensorflow_are_read_as_text():
    users, items = (np.array([each.encode() for each in ids], object) for ids in (USERS, ITEMS))
    layers = rk.layers
    history = layers.HistoryEmbedding.from_columns(users, items, 2)
    assert history.get_config()["histories"] == [["a", "b"], ["b", "c"], ["a"]]
    cross = layers.CrossEmbedding.from_columns(users, items, 2)
    assert cross.get_config()["first"] == USERS
    attribute = layers.Attribute.from_columns(items, ITEMS, layers.IdEmbedding(["a", "b"], 2))
    assert attribute.ids == ["a", "b", "c"]
