import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

USERS, ITEMS = ["u1", "u2", "u3"], ["i1", "i2"]


def member(seed, users=USERS):
    tf.keras.utils.set_random_seed(seed)
    penalty = tf.keras.regularizers.L2(0.1)
    features = {
        "user": rk.layers.IdEmbedding(users, 4, embeddings_regularizer=penalty),
        "item": rk.layers.IdEmbedding(ITEMS, 4),
    }
    return rk.models.tower(features, hidden_units=[8])


def rows(count=60):
    generator = np.random.default_rng(0)
    return {
        "user": generator.choice(USERS, count),
        "item": generator.choice(ITEMS, count),
        "rating": generator.integers(1, 6, count).astype(np.float32),
    }


def scores(network, columns):
    return network({name: tf.constant(columns[name]) for name in network.input}).numpy()


def test_its_score_is_the_mean_and_its_spread_the_deviation_of_the_members():
    members = [member(seed) for seed in range(3)]
    columns = rows()
    each = np.concatenate([scores(one, columns) for one in members], axis=1)
    together = rk.ensemble(members)
    np.testing.assert_allclose(scores(together, columns)[:, 0], each.mean(axis=1), atol=1e-6)
    model = rk.RankingModel(together, label="rating")
    for scorer in (together, model):
        spread = rk.score_std(scorer, columns)
        np.testing.assert_allclose(spread, each.std(axis=1), atol=1e-6)
    assert spread.min() > 1e-4


def test_members_may_read_different_features():
    only_user = rk.models.tower({"user": rk.layers.IdEmbedding(USERS, 4)}, hidden_units=[8])
    network = rk.ensemble([only_user, member(0)])
    assert sorted(network.input) == ["item", "user"]


def trained(network, epochs=3):
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.SGD(0.1))
    history = model.fit(rk.data.batches(rows(), 20), epochs=epochs, verbose=0)
    return model, history.history


def test_independent_members_train_as_if_alone():
    columns = rows()
    model, history = trained(rk.ensemble([member(1), member(2)]))
    alone = []
    for seed in (1, 2):
        single, logs = trained(member(seed))
        alone.append((scores(single.network, columns), logs["loss"]))
    expected = np.mean([each for each, _ in alone], axis=0)
    np.testing.assert_allclose(scores(model.network, columns), expected, atol=1e-5)
    # The penalties of both are added, and the variance is among them.
    assert history["loss"][-1] < np.mean([losses for _, losses in alone], axis=0)[-1]


def test_dependent_members_train_on_the_error_of_their_mean():
    _, history = trained(rk.ensemble([member(1), member(2)], independent=False))
    _, independent = trained(rk.ensemble([member(1), member(2)]))
    assert history["regularization_loss"][0] < independent["regularization_loss"][0]


def test_it_is_saved_ranked_and_exported_as_any_network(tmp_path):
    model, _ = trained(rk.ensemble([member(1), member(2)]))
    columns = rows()
    model.save(tmp_path / "model.keras")
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    raw = {name: columns[name] for name in ("user", "item")}
    for file in ("model.keras", "1", "ranker.tflite"):
        loaded = rk.export.load(tmp_path / file)
        assert rk.export.max_abs_difference(model, loaded, raw) < 1e-5
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(rk.score_std(loaded, raw), rk.score_std(model, raw), atol=1e-6)
    ranked = rk.rank(model, {"user": "u1"}, {"item": ITEMS})
    assert len(ranked) == 2


def test_what_is_no_ensemble_is_named():
    one = member(0)
    with pytest.raises(ValueError, match="networks must be each made anew"):
        rk.ensemble([one, one])
    with pytest.raises(ValueError, match="number of networks"):
        rk.ensemble([one])
    with pytest.raises(ValueError, match="feature 'user'"):
        rk.ensemble([one, member(0, users=[1, 2])])
    with pytest.raises(TypeError, match=r"rankkit\.ensemble"):
        rk.score_std(one, rows())


def test_a_network_may_be_in_two_ensembles(tmp_path):
    networks = [member(seed) for seed in range(3)]
    first, second = rk.ensemble(networks[:2]), rk.ensemble(networks[1:])
    columns = rows()
    for place, network in enumerate((first, second)):
        model = rk.RankingModel(network, label="rating")
        model.compile("adagrad")
        model.save(tmp_path / f"{place}.keras")
        loaded = rk.export.load(tmp_path / f"{place}.keras")
        raw = {name: columns[name] for name in network.input}
        assert rk.export.max_abs_difference(model, loaded, raw) < 1e-6


def test_no_rows_have_no_spread():
    none = {"user": np.array([], object), "item": np.array([], object)}
    assert rk.score_std(rk.ensemble([member(1), member(2)]), none).shape == (0,)
