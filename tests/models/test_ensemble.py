import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

USERS, ITEMS = ["u1", "u2", "u3"], ["i1", "i2"]


def make_member(seed, users=USERS):
    tf.keras.utils.set_random_seed(seed)
    penalty = tf.keras.regularizers.L2(0.1)
    features = {
        "user": rk.layers.IdEmbedding(users, 4, embeddings_regularizer=penalty),
        "item": rk.layers.IdEmbedding(ITEMS, 4),
    }
    return rk.models.tower(features, hidden_units=[8])


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    return {
        "user": generator.choice(USERS, 60),
        "item": generator.choice(ITEMS, 60),
        "rating": generator.integers(1, 6, 60).astype(np.float32),
    }


def scores(network, columns):
    return network({name: tf.constant(columns[name]) for name in network.input}).numpy()


def train(network, rows):
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.SGD(0.1), run_eagerly=True)
    history = model.fit(rk.data.batches(rows, 20), epochs=3, verbose=0)
    return model, history.history


def test_score_is_the_mean_and_score_std_the_deviation_of_the_members(rows):
    members = [make_member(seed) for seed in range(3)]
    each = np.concatenate([scores(one, rows) for one in members], axis=1)
    network = rk.ensemble(members)
    np.testing.assert_allclose(scores(network, rows)[:, 0], each.mean(axis=1), atol=1e-6)
    for scorer in (network, rk.RankingModel(network, label="rating")):
        deviations = rk.score_std(scorer, rows)
        np.testing.assert_allclose(deviations, each.std(axis=1), atol=1e-6)
        assert deviations.min() > 1e-4


def test_score_std_of_no_examples_is_empty():
    network = rk.ensemble([make_member(1), make_member(2)])
    columns = {"user": np.array([], object), "item": np.array([], object)}
    assert rk.score_std(network, columns).shape == (0,)


def test_members_may_read_different_features():
    only_user = rk.models.tower({"user": rk.layers.IdEmbedding(USERS, 4)}, hidden_units=[8])
    network = rk.ensemble([only_user, make_member(0)])
    assert sorted(network.input) == ["item", "user"]


def test_independent_members_match_separate_training(rows):
    model, history = train(rk.ensemble([make_member(1), make_member(2)]), rows)
    alone = [train(make_member(seed), rows) for seed in (1, 2)]
    expected = np.mean([scores(each.network, rows) for each, _ in alone], axis=0)
    np.testing.assert_allclose(scores(model.network, rows), expected, atol=1e-5)
    # The mean of the scores has a smaller error than the scores have on average.
    assert history["loss"][-1] < np.mean([logs["loss"][-1] for _, logs in alone])


def test_dependent_members_train_on_the_error_of_their_mean(rows):
    first, second = (
        train(rk.ensemble([make_member(1), make_member(2)], independent=independent), rows)[1]
        for independent in (False, True)
    )
    # Independent members add the variance of their scores to the regularization loss.
    assert first["regularization_loss"][0] < second["regularization_loss"][0]


def test_ensemble_is_saved_exported_and_ranks(rows, tmp_path, check_exports):
    model, _ = train(rk.ensemble([make_member(1), make_member(2)]), rows)
    raw = {name: rows[name] for name in ("user", "item")}
    check_exports(model, raw)
    loaded = tf.keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(rk.score_std(loaded, raw), rk.score_std(model, raw), atol=1e-6)
    assert len(rk.rank(model, {"user": "u1"}, {"item": ITEMS})) == 2


def test_network_may_be_a_member_of_two_ensembles(rows, tmp_path):
    networks = [make_member(seed) for seed in range(3)]
    for name, members in {"first": networks[:2], "second": networks[1:]}.items():
        model = rk.RankingModel(rk.ensemble(members), label="rating")
        model.compile("adagrad")
        model.save(tmp_path / f"{name}.keras")
        loaded = rk.export.load(tmp_path / f"{name}.keras")
        raw = {name: rows[name] for name in ("user", "item")}
        assert rk.export.max_abs_difference(model, loaded, raw) < 1e-6


def test_networks_that_cannot_be_combined_are_rejected():
    one, other = make_member(0), make_member(1)
    with pytest.raises(ValueError, match=r"networks\[2\] must be another object than .*\[0\]"):
        rk.ensemble([one, other, one])
    with pytest.raises(ValueError, match="number of networks must be at least 2. Got: 1"):
        rk.ensemble([one])
    with pytest.raises(ValueError, match="feature 'user' is .*string.* in another"):
        rk.ensemble([one, make_member(0, users=[1, 2])])
    wide = rk.ranking_network({"user": rk.layers.IdEmbedding(USERS, 4)}, head=lambda vector: vector)
    with pytest.raises(ValueError, match=r"networks\[1\] must be \(None, 1\). Got: \(None, 4\)"):
        rk.ensemble([one, wide])


def test_score_std_rejects_other_networks(rows):
    with pytest.raises(TypeError, match=r"model must be an ensemble.*rankkit\.ensemble"):
        rk.score_std(make_member(0), rows)


def test_weighted_sum_is_saved_exported_and_ranks(rows, check_exports):
    networks = [make_member(seed) for seed in range(2)]
    network = rk.models.weighted_sum(networks, [1.0, -2.0])
    columns = {name: tf.constant(rows[name][:20]) for name in network.input}
    one, two = (each(columns) for each in networks)
    np.testing.assert_allclose(network(columns), one - 2 * two, rtol=1e-5)
    check_exports(network, columns)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "The number of weights must be 2"),
        ([0.0, 0.0], "weights must be a list of numbers that are not all 0"),
        ([1.0, float("nan")], r"weights\[1\] must be a finite number"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        rk.models.weighted_sum([make_member(0), make_member(1)], weights)
