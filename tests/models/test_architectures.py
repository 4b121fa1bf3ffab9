"""Networks of the field: each trains, is saved and is exported, by its name alone."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

OF_HEADS = {"mmoe", "ple", "shared_bottom"}  # in test_several_heads.py
recipes = pytest.mark.parametrize("recipe", sorted({*rk.models.__all__} - OF_HEADS))


def features(width=5):
    return {
        name: rk.layers.IdEmbedding.from_column(column, width, embeddings_initializer="normal")
        for name, column in ids().items()
    }


def ids():
    columns, _ = rk.data.synthetic_ratings(400, num_users=12, num_items=9, seed=5)
    return {name: columns[name] for name in ("user_id", "item_id")}


@recipes
def test_it_learns_and_goes_through_everything(recipe, tmp_path):
    rows, _ = rk.data.synthetic_ratings(400, num_users=12, num_items=9, seed=5)
    model = rk.RankingModel(getattr(rk.models, recipe)(features()), label="user_rating")
    model.compile(tf.keras.optimizers.Adam(0.02))
    batches = rk.data.batches(rows, 64, shuffle=True, seed=1)
    history = model.fit(batches, epochs=15, verbose=0).history["root_mean_squared_error"]
    # Better than the mean, which the first epochs are not.
    assert history[-1] < np.std(rows["user_rating"]) < history[0]
    model.save(tmp_path / "model.keras")
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    for file in ("model.keras", "1", "ranker.tflite"):
        assert rk.export.max_abs_difference(model, rk.export.load(tmp_path / file), ids()) < 1e-4
    ranking = rk.rank(model, {"user_id": rows["user_id"][0]}, {"item_id": rows["item_id"][:3]})
    assert len(ranking) == 3


@recipes
def test_a_single_feature_is_loaded_again(recipe, tmp_path):
    alone = {"user_id": features()["user_id"]}
    model = rk.RankingModel(getattr(rk.models, recipe)(alone), label="user_rating")
    model.compile("adagrad")
    model.save(tmp_path / "model.keras")
    loaded = rk.export.load(tmp_path / "model.keras")
    users = {"user_id": ids()["user_id"]}
    assert rk.export.max_abs_difference(model, loaded, users) < 1e-6


@pytest.mark.parametrize("recipe", ["tower", "deepfm", "dcn_v2", "dlrm"])
def test_its_tower_takes_the_arguments_of_the_head(recipe):
    network = getattr(rk.models, recipe)(features(), hidden_units=[7], dropout_rate=0.5)
    (head,) = [each for each in network.layers if isinstance(each, rk.layers.DenseRatingHead)]
    assert (head.hidden_units, head.dropout_rate) == ((7,), 0.5)


def test_deepfm_is_the_sum_of_its_parts():
    network = rk.models.deepfm(features(), hidden_units=[3], initial_bias=2.0)
    raw = {name: tf.constant(column[:4]) for name, column in ids().items()}
    kinds = {type(each): each for each in network.layers}
    vectors = [
        next(each for each in network.layers if each.name == layer.name)(raw[name])
        for name, layer in zip(raw, network.layers[2:4], strict=True)
    ]
    machine = kinds[rk.interactions.FactorizationMachine](vectors)
    head = kinds[rk.layers.DenseRatingHead](tf.concat(vectors, axis=1))
    np.testing.assert_allclose(network(raw), machine + head, rtol=1e-5)


def test_svd_plus_plus_is_the_items_vector_times_the_sum_of_the_users():
    columns = ids()
    users, items = columns["user_id"], columns["item_id"]
    history = rk.layers.HistoryEmbedding.from_columns(
        users, items, 5, embeddings_initializer="normal"
    )
    layers = features()
    layers["rated"] = (("user_id", "item_id"), history)
    network = rk.models.svd_plus_plus(layers, item="item_id", initial_bias=3.5)
    raw = [tf.constant(columns[name][:50]) for name in ("user_id", "item_id")]
    user = layers["user_id"](raw[0]) + history(raw)
    item = layers["item_id"](raw[1])
    expected = 3.5 + user[:, 0] + item[:, 0] + tf.reduce_sum(user[:, 1:] * item[:, 1:], axis=1)
    found = network(dict(zip(("user_id", "item_id"), raw, strict=True)))
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4)
    several = rk.models.svd_plus_plus(layers, item=["rated", "item_id"])
    user, item = layers["user_id"](raw[0]), history(raw) + item
    expected = user[:, 0] + item[:, 0] + tf.reduce_sum(user[:, 1:] * item[:, 1:], axis=1)
    found = several(dict(zip(("user_id", "item_id"), raw, strict=True)))
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4)
    with pytest.raises(ValueError, match="item_id"):
        rk.models.svd_plus_plus(layers, item="item")
    with pytest.raises(ValueError, match="features must be"):
        rk.models.svd_plus_plus({})


@pytest.mark.parametrize("recipe", ["deepfm", "factorization_machine", "svd_plus_plus"])
@pytest.mark.parametrize("of_an_id", [True, False])
def test_a_number_without_a_vector_is_refused(recipe, of_an_id):
    age = rk.layers.NormalizedNumber(30.0, 10.0)
    if of_an_id:
        age = rk.layers.Attribute(["7", "42"], [24.0, 50.0], age, default=30.0)
    with pytest.raises(ValueError, match="embedding_dim of feature 'age'.*width of the other"):
        getattr(rk.models, recipe)({"age": age, **features()})
