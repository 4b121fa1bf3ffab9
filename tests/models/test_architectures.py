"""Named architectures; those with several heads are in tests/training/test_multiple_heads.py."""

from typing import Any

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

MULTI_TASK = {"mmoe", "ple", "shared_bottom"}
SEQUENCES = {"bst", "din", "sasrec"}  # of histories: tests/models/test_sequences.py
OTHERS = {"ItemTransitions", "TreeScorer", "replace_inputs", "weighted_sum", *SEQUENCES}
single_head = pytest.mark.parametrize("name", sorted({*rk.models.__all__} - MULTI_TASK - OTHERS))


@pytest.fixture(scope="module")
def rows():
    return rk.data.synthetic_ratings(400, num_users=12, num_items=9, seed=5)[0]


@pytest.fixture
def ids(rows):
    return {name: rows[name] for name in ("user_id", "item_id")}


@pytest.fixture
def features(ids):
    return {
        name: rk.layers.IdEmbedding.from_column(column, 5, embeddings_initializer="normal")
        for name, column in ids.items()
    }


@single_head
def test_architecture_learns_and_is_saved_exported_and_ranks(
    name, rows, ids, features, check_exports
):
    model = rk.RankingModel(getattr(rk.models, name)(features), label="user_rating")
    model.compile(tf.keras.optimizers.Adam(0.02))
    batches = rk.data.batches(rows, 64, shuffle=True, seed=1)
    history = model.fit(batches, epochs=15, verbose=0).history["root_mean_squared_error"]
    # Better than predicting the mean, which the first epoch is not.
    assert history[-1] < np.std(rows["user_rating"]) < history[0]
    check_exports(model, ids, atol=1e-4)
    ranking = rk.rank(model, {"user_id": rows["user_id"][0]}, {"item_id": rows["item_id"][:3]})
    assert len(ranking) == 3


@single_head
def test_network_of_a_single_feature_is_saved_and_loaded(name, ids, features, tmp_path):
    network = getattr(rk.models, name)({"user_id": features["user_id"]})
    network.save(tmp_path / "network.keras")
    loaded = tf.keras.models.load_model(tmp_path / "network.keras")
    assert rk.export.max_abs_difference(network, loaded, {"user_id": ids["user_id"]}) < 1e-6


@pytest.mark.parametrize("name", ["tower", "deepfm", "dcn_v2", "dlrm"])
def test_further_arguments_are_passed_to_the_head(name, features):
    network = getattr(rk.models, name)(features, hidden_units=[7], dropout_rate=0.5)
    (head,) = [each for each in network.layers if isinstance(each, rk.layers.DenseRatingHead)]
    assert (head.hidden_units, head.dropout_rate) == ((7,), 0.5)


def test_deepfm_is_the_sum_of_fm_and_mlp(ids, features):
    network = rk.models.deepfm(features, hidden_units=[3], initial_bias=2.0)
    raw = {name: tf.constant(column[:4]) for name, column in ids.items()}
    layers = {type(each): each for each in network.layers}
    vectors = [features[name](raw[name]) for name in features]
    fm = layers[rk.interactions.FactorizationMachine](vectors)
    mlp = layers[rk.layers.DenseRatingHead](tf.concat(vectors, axis=1))
    np.testing.assert_allclose(network(raw), fm + mlp, rtol=1e-5)


@pytest.mark.parametrize("item", ["item_id", ["rated", "item_id"]])
def test_svd_plus_plus_multiplies_the_sums_of_user_and_item_vectors(item, ids, features):
    columns = [ids["user_id"], ids["item_id"]]
    history = rk.layers.HistoryEmbedding.from_columns(*columns, 5, embeddings_initializer="normal")
    features["rated"] = (("user_id", "item_id"), history)
    network = rk.models.svd_plus_plus(features, item=item, initial_bias=3.5)
    raw = {name: tf.constant(column[:50]) for name, column in ids.items()}
    vectors = {name: features[name](raw[name]) for name in ids}
    vectors["rated"] = history(list(raw.values()))
    sides: list[Any] = [0.0, 0.0]
    for name, vector in vectors.items():
        sides[name in ([item] if isinstance(item, str) else item)] += vector
    user, item_sum = sides
    expected = user[:, 0] + item_sum[:, 0] + tf.reduce_sum(user[:, 1:] * item_sum[:, 1:], axis=1)
    np.testing.assert_allclose(network(raw)[:, 0], 3.5 + expected, rtol=1e-4)


def test_svd_plus_plus_rejects_unknown_items_and_empty_features(features):
    with pytest.raises(ValueError, match="Unknown feature 'item'.*Did you mean 'item_id'"):
        rk.models.svd_plus_plus(features, item="item")
    with pytest.raises(ValueError, match="features must be"):
        rk.models.svd_plus_plus({})


@pytest.mark.parametrize("name", ["deepfm", "factorization_machine", "svd_plus_plus"])
@pytest.mark.parametrize("is_attribute", [True, False])
def test_number_without_an_embedding_is_rejected(name, is_attribute, features):
    age = rk.layers.NormalizedNumber(30.0, 10.0)
    if is_attribute:
        age = rk.layers.Attribute(["7", "42"], [24.0, 50.0], age, default=30.0)
    with pytest.raises(ValueError, match="embedding_dim of feature 'age' must be an integer. Got"):
        getattr(rk.models, name)({"age": age, **features})


@pytest.mark.parametrize("hidden_units", ["12", [True], [0]])
def test_shared_bottom_rejects_hidden_units_that_are_not_positive_integers(hidden_units, features):
    heads = {"rating": rk.layers.DenseRatingHead([2])}
    message = "hidden_units must be (a sequence of integers|integers of at least 1)"
    with pytest.raises((TypeError, ValueError), match=message):
        rk.models.shared_bottom(features, heads, score={"rating": 1}, hidden_units=hidden_units)
