import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.evaluation.scored_rows import ScoredRows
from rankkit.evaluation.diagnosis import untrained_row, with_unknown_id

ROWS = {
    "user_id": np.array(["a", "a", "b"]),
    "item_id": np.array([1, 2, 2]),
    "rating": np.array([1.0, 2.0, 3.0]),
}


def network(users=("a", "b"), user_dropout=0.0, item_dropout=0.1):
    features = {
        "user_id": rk.layers.IdEmbedding(users, 2, id_dropout_rate=user_dropout),
        "item_id": rk.layers.IdEmbedding([1, 2], 2, id_dropout_rate=item_dropout),
    }
    return rk.ranking_network(features, head=rk.layers.DenseRatingHead([2]))


def scored(scorer):
    names = {"query": "user_id", "item": "item_id", "label": "rating"}
    return ScoredRows(scorer, ROWS, train=ROWS, **names)


def test_a_row_is_untrained_if_no_training_id_could_be_unknown():
    rows = scored(network())
    assert untrained_row(rows, "user_id") is True
    assert untrained_row(rows, "item_id") is False  # ids are dropped
    assert untrained_row(scored(network(users=["a", "c"])), "user_id") is False  # b is unknown
    assert untrained_row(scored(network(users=["a", "b", "c"])), "user_id") is True
    assert untrained_row(scored(network(user_dropout=0.5)), "user_id") is False
    assert untrained_row(scored(network(item_dropout=0.0)), "item_id") is True


def test_a_model_shows_the_layers_of_its_network(tmp_path):
    model = rk.RankingModel(network(), label="rating")
    assert untrained_row(scored(model), "user_id") is True
    model.save(tmp_path / "model.keras")
    assert untrained_row(scored(rk.export.load(tmp_path / "model.keras")), "user_id") is True


def test_a_layer_of_another_column_is_not_looked_at():
    features = {
        "user_id": rk.layers.IdEmbedding(["a", "b"], 2, id_dropout_rate=0.1),
        "friend_id": rk.layers.IdEmbedding(["a", "b"], 2),
    }
    built = rk.ranking_network(features, head=rk.layers.DenseRatingHead([2]))
    rows = {**ROWS, "friend_id": ROWS["user_id"]}
    names = {"query": "user_id", "item": "friend_id", "label": "rating"}
    found = ScoredRows(built, rows, train=rows, **names)
    assert untrained_row(found, "user_id") is False
    assert untrained_row(found, "friend_id") is True


def test_a_layer_of_another_model_is_not_the_networks():
    built = network(user_dropout=0.5)
    rk.layers.IdEmbedding(["a", "b"], 2)(built.input["user_id"])
    assert untrained_row(scored(built), "user_id") is False


def test_who_does_not_show_a_layer_is_not_judged(tmp_path):
    model = rk.RankingModel(network(), label="rating")
    rk.export.save(model, tmp_path / "1")
    for scorer in (rk.export.load(tmp_path / "1"), lambda columns: columns["item_id"]):
        assert untrained_row(scored(scorer), "user_id") is None
    lookup = tf.keras.layers.StringLookup(vocabulary=["a", "b"], output_mode="one_hot")
    lookup.feature_spec = tf.TensorSpec((None,), tf.string)
    head = rk.layers.DenseRatingHead([2])
    assert untrained_row(scored(rk.ranking_network({"user_id": lookup}, head=head)), "user_id") is (
        None
    )


@pytest.mark.parametrize("name", ["user_id", "item_id"])
def test_an_unknown_id_is_one_that_nothing_knows(name, tmp_path):
    users = ["a", "b", "unknown-1", "unknown-2"]
    rows = scored(network(users=users))
    columns = with_unknown_id(rows, name)
    assert columns is not None
    [unknown] = set(columns[name].tolist())
    assert unknown == {"user_id": "unknown-3", "item_id": -1}[name]
    others = set(ROWS) - {name}
    assert all(columns[other] is rows.columns[other] for other in others)
    assert rows.score(columns).shape == (3,)
    assert len(rows.baseline(columns)) == 3


def test_a_scorer_that_says_nothing_is_not_asked():
    assert with_unknown_id(scored(lambda columns: columns["item_id"]), "user_id") is None
