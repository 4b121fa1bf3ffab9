import dataclasses
import inspect
import re
import warnings

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

from rankkit.bayesian import selection
from rankkit.bayesian.design import build_design, plan_design
from rankkit.bayesian.gibbs import Chain

WIDTH = 5  # a bias and a vector of 4 components
NUM_SAMPLES, BURN_IN = 6, 3
GROUPS = [["user_id", "user_day"], ["item_id", "tags"]]
SETTINGS = {"label": "user_rating", "groups": GROUPS, "num_chains": 1, "verbose": 0}
SETTINGS |= {"num_samples": NUM_SAMPLES, "burn_in": BURN_IN}


@pytest.fixture(scope="module")
def rows():
    columns, _ = rk.data.synthetic_ratings(1500, num_users=40, num_items=25, seed=3)
    rng = np.random.default_rng(1)
    columns["day"] = rng.integers(0, 4, 1500) * 86_400
    return columns


@pytest.fixture(scope="module")
def ensemble(rows):
    return fit(rows)


@pytest.fixture(scope="module")
def compressed(rows):
    return fit(rows, dim=4)


def make_features(rows, width=WIDTH):
    users, items = (rk.data.vocabulary(rows[name]) for name in ("user_id", "item_id"))
    tags = rk.layers.TagsEmbedding(["even", "odd", "all"], width, pooling="sqrtn")
    values = [["all", "odd" if index % 2 else "even"] for index in range(len(items))]
    cross = rk.layers.CrossEmbedding.from_columns
    return {
        "user_id": rk.layers.IdEmbedding(users, width),
        "item_id": rk.layers.IdEmbedding(items, width),
        "tags": ("item_id", rk.layers.Attribute(items, values, tags)),
        "user_day": (("user_id", "day"), cross(rows["user_id"], rows["day"], width, width=86_400)),
        "item_day": (("item_id", "day"), cross(rows["item_id"], rows["day"], 1, width=86_400)),
    }


def fit(rows, features=None, **changes):
    features = make_features(rows) if features is None else features
    return rk.bayesian.factorization_machine(features, rows, **{**SETTINGS, **changes})


def scores(model, columns):
    raw = {name: tf.constant(columns[name]) for name in model.feature_specs}
    return model.network(raw).numpy()[:, 0]


def test_scores_are_the_mean_over_gibbs_samples(rows, ensemble):
    assert sorted(ensemble.feature_specs) == ["day", "item_id", "user_id"]
    plan = plan_design(make_features(rows), GROUPS)
    design = build_design(plan, rows, "user_rating")
    assert [each.max() for each in design.noise_indices] == [24, 39]  # by item and by user
    mean, std = design.labels.mean(), design.labels.std()
    labels = ((design.labels - mean) / std).astype(np.float32)
    design = dataclasses.replace(design, labels=labels)
    _, seed = np.random.SeedSequence(42).spawn(2)
    chain = Chain(design, WIDTH - 1, seed=seed)
    samples = []
    for _ in range(BURN_IN + 2 * NUM_SAMPLES):
        chain.sweep()
        samples.append(mean + std * (design.labels - chain.state.residual))
    samples = samples[BURN_IN + 1 :: 2]
    np.testing.assert_allclose(scores(ensemble, rows), np.mean(samples, axis=0), atol=2e-4)
    np.testing.assert_allclose(rk.score_std(ensemble, rows), np.std(samples, axis=0), atol=2e-4)


def test_compression_to_full_dimension_is_lossless(rows, ensemble, compressed):
    expected = scores(ensemble, rows)
    full = fit(rows, dim=NUM_SAMPLES * (WIDTH - 1))
    np.testing.assert_allclose(scores(full, rows), expected, atol=1e-3)
    difference = scores(compressed, rows) - expected
    assert 1e-4 < np.sqrt(np.mean(difference**2)) < 0.5 * expected.std()
    assert compressed.network.get_layer("user_id_vectors").embedding_dim == 5
    with pytest.raises(TypeError, match="ensemble"):
        rk.score_std(compressed, rows)


def test_chains_average_by_default():
    rows, _ = rk.data.synthetic_ratings(400, num_users=20, num_items=10, seed=1)
    features = make_id_features(rows, 5)
    model = rk.bayesian.factorization_machine(features, rows, label="user_rating", verbose=0)
    interaction = model.network.get_layer(index=-2)
    assert interaction.num_members == 100
    [bias] = interaction.get_weights()
    assert len(np.unique(bias)) == 100


def make_id_features(rows, width):
    names = ("user_id", "item_id")
    return {n: rk.layers.IdEmbedding.from_column(rows[n], width) for n in names}


def planted(rows_per_item, interaction, *, num_rows=4000, rows_per_user=10, noise_spread=0.5):
    """Samples ratings with noise that differs by user, and their values without noise."""
    rng = np.random.default_rng(0)
    num_users, num_items = num_rows // rows_per_user, int(num_rows / rows_per_item)
    users, items = (rng.integers(0, size, num_rows) for size in (num_users, num_items))
    of_user, of_item = (rng.normal(0, interaction**0.5, size) for size in (num_users, num_items))
    expected = 3.5 + rng.normal(0, 0.4, num_users)[users] + rng.normal(0, 0.5, num_items)[items]
    expected += of_user[users] * of_item[items]
    noise = 0.9 * np.exp(noise_spread * rng.standard_normal(num_users))[users]
    ids = {"user_id": users.astype(str).astype(object), "item_id": items.astype(str).astype(object)}
    rating = expected + noise * rng.standard_normal(num_rows)
    return {**ids, "user_rating": rating, "expected": expected}


def fit_ids(rows, width, **settings):
    settings = {"label": "user_rating", "verbose": 0, "num_samples": 15, "burn_in": 20, **settings}
    return rk.bayesian.factorization_machine(make_id_features(rows, width), rows, **settings)


@pytest.mark.parametrize("interaction", [0, 1.2])
@pytest.mark.parametrize("rows_per_item", [1.5, 5, 40])
def test_error_is_not_above_that_of_biases(rows_per_item, interaction):
    rows = planted(rows_per_item, interaction)
    train, test = rk.data.random_split(rows, test_fraction=0.2, seed=1)
    baseline = rk.evaluation.BiasBaseline(train, ["user_id", "item_id"], label="user_rating")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Vectors do not lower the held-out RMSE")
        model = fit_ids(train, 9)
    difference = (scores(model, test) - test["user_rating"]) ** 2
    difference -= (baseline(test) - test["user_rating"]) ** 2
    assert difference.mean() < difference.std() / np.sqrt(len(difference))
    if rows_per_item == 40 and interaction:
        assert difference.mean() < -3 * difference.std() / np.sqrt(len(difference))


def test_fit_warns_where_the_data_do_not_support_vectors(monkeypatch):
    def residuals(design, dim, held_out, seed, stop):
        return np.full(held_out.sum(), 0.7 if dim == 0 else 0.9)

    rows = planted(6, 0)
    monkeypatch.setattr(selection, "_residuals", residuals)
    warning = r"Vectors do not lower the held-out RMSE: only.* RMSE on .* with biases alone\. "
    with pytest.warns(UserWarning, match=warning):
        model = fit_ids(rows, 9, num_samples=3)
    assert model.network.get_layer("user_id_vectors").embedding_dim == 12  # one per sample
    groups = [["user_id"], ["item_id"]]
    with pytest.warns(UserWarning, match=warning):
        small = fit_ids(rows, 9, num_samples=3, dim=4, groups=groups)
    assert small.network.get_layer("user_id_vectors").embedding_dim == 1
    np.testing.assert_allclose(scores(small, rows), scores(model, rows), atol=1e-4)


def test_error_of_several_chains_is_estimated_from_two():
    rng = np.random.default_rng(0)
    shared, own = rng.standard_normal(20_000), 0.8 * rng.standard_normal((8, 20_000))
    for num_chains in (1, 2, 6):
        error = np.sqrt(np.mean((shared + own[:num_chains].mean(axis=0)) ** 2))
        estimate = selection._rmse(shared + own[6], shared + own[7], num_chains)
        assert estimate == pytest.approx(error, rel=0.01)


def test_users_of_few_rows_keep_their_vectors_where_these_lower_the_error():
    rows = planted(400, 0.9, num_rows=8000, rows_per_user=5)
    train, test = rk.data.random_split(rows, test_fraction=0.2, seed=1)
    errors = [np.mean((scores(fit_ids(train, w), test) - test["expected"]) ** 2) for w in (1, 5)]
    assert errors[1] < 0.8 * errors[0]


def test_biases_alone_are_fitted_with_embedding_dim_1(rows, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is compared
        model = fit_ids(rows, 1)
    baseline = rk.evaluation.BiasBaseline(rows, ["user_id", "item_id"], label="user_rating")
    assert np.corrcoef(scores(model, rows), baseline(rows))[0, 1] > 0.99
    unknown = {"user_id": ["nobody", "nobody"], "item_id": [rows["item_id"][0], "nothing"]}
    assert np.isfinite(scores(model, unknown)).all()
    assert (rk.score_std(model, unknown) > 0).all()
    rk.export.save(model, tmp_path / "1")
    raw = {name: rows[name][:50] for name in model.feature_specs}
    assert rk.export.max_abs_difference(model, rk.export.load(tmp_path / "1"), raw) < 1e-4
    with pytest.raises(ValueError, match="dim must be None if there are no vectors"):
        fit_ids(rows, 1, dim=4)


def test_attributes_of_width_1_are_biases(rows):
    features = {name: make_features(rows, 1)[name] for name in ("user_id", "item_id", "tags")}
    model = fit(rows, features, groups=())
    baseline = rk.evaluation.BiasBaseline(rows, ["user_id", "item_id"], label="user_rating")
    assert np.corrcoef(scores(model, rows), baseline(rows))[0, 1] > 0.97


@pytest.fixture(scope="module")
def two_chains(rows):
    return fit(rows, num_chains=2)


def test_unseen_ids_are_centered_on_the_mean_vector(two_chains):
    [table] = two_chains.network.get_layer("user_id_vectors").get_weights()
    by_chain = table.reshape(len(table), 2, NUM_SAMPLES, WIDTH)
    mean = by_chain[1:].mean(axis=0)
    np.testing.assert_allclose((by_chain[0] - mean).mean(axis=1), 0, atol=1e-5)
    assert (by_chain[0] - mean).std() > 0.05


def test_bias_whose_values_all_have_rows_is_fitted(rows):
    late = rk.layers.BucketEmbedding([86_400], 1)  # both buckets have rows
    model = fit(rows, {**make_features(rows), "is_late": ("day", late)})
    assert np.isfinite(rk.score_std(model, rows)).all()


@pytest.mark.parametrize("width", [1, 5])
def test_degenerate_data_keep_working(width):
    def ratings(users, items, labels):
        columns = {"user_id": [f"u{user}" for user in users], "item_id": [f"i{i}" for i in items]}
        return {**columns, "user_rating": labels}

    single = ratings([0], [0], [4.0])
    constant = ratings(np.arange(60) % 6, np.arange(60) % 10, [3.0] * 60)
    one_user = ratings([0] * 60, np.arange(60) % 10, np.arange(60) % 5)
    for rows, tolerance in ((single, 0.5), (constant, 0.05), (one_user, 2.0)):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Vectors do not lower the held-out RMSE")
            model = fit_ids(rows, width, num_samples=10)
        np.testing.assert_allclose(scores(model, rows), rows["user_rating"], atol=tolerance)


@pytest.mark.parametrize("labels", [[1e300, -1e300], [1e31, 2e31], [1e9, 1e9 + 1]])
def test_labels_out_of_single_precision_are_rejected(labels):
    rows = {"user_id": ["a", "b"], "item_id": ["c", "d"], "user_rating": labels}
    with pytest.raises(ValueError, match="'user_rating' must have numbers that differ in float32"):
        fit_ids(rows, 5)


def test_planted_preferences_are_learned():
    rows, best = rk.data.synthetic_ratings(12_000, num_users=150, num_items=80, seed=5)
    train, test = rk.data.random_split(rows, test_fraction=0.2, seed=1)
    model = fit(train, make_id_features(train, 9), groups=(), num_samples=40, burn_in=20)
    rmse = np.sqrt(np.mean((scores(model, test) - test["user_rating"]) ** 2))
    assert rmse < 1.08 * best
    baseline = rk.evaluate_ranking(model, test, train=train, item="item_id").lines[1]["rmse"]
    assert rmse < 0.97 * baseline


def test_seed_determines_the_model_and_chains_differ(rows, ensemble, two_chains):
    assert np.abs(scores(fit(rows, seed=7), rows) - scores(ensemble, rows)).max() > 1e-3
    again = fit(rows, num_chains=2)
    np.testing.assert_array_equal(scores(again, rows), scores(two_chains, rows))
    [bias] = again.network.get_layer(index=-2).get_weights()
    assert len(set(bias)) == len(bias) == 2 * NUM_SAMPLES


def test_unknown_ids_get_the_mean_vector_and_unknown_pairs_zeros(compressed):
    [table] = compressed.network.get_layer("user_id_vectors").get_weights()
    np.testing.assert_allclose(table[0], table[1:].mean(axis=0), atol=1e-5)
    [pairs] = compressed.network.get_layer("user_day_vectors").get_weights()
    np.testing.assert_array_equal(pairs[0], np.zeros_like(pairs[0]))
    unknown = {"user_id": ["nobody"], "item_id": ["nothing"], "day": [10**9]}
    assert np.isfinite(scores(compressed, unknown)).all()


def test_scores_of_unknown_ids_are_more_uncertain(rows):
    model = fit(rows, num_samples=40, burn_in=20)
    known = {name: rows[name][:200] for name in model.feature_specs}
    unknown = {**known, "user_id": ["nobody"] * 200}
    assert rk.score_std(model, unknown).mean() > 1.5 * rk.score_std(model, known).mean()


@pytest.mark.parametrize(("factor", "dim"), [(0.001, None), (60.0, 4)])
def test_scores_are_equivariant_to_the_unit_of_the_labels(factor, dim, rows, ensemble, compressed):
    labels = factor * rows["user_rating"].astype(np.float64) - 7
    rescaled = fit({**rows, "user_rating": labels}, dim=dim)
    expected = factor * scores(compressed if dim else ensemble, rows) - 7
    np.testing.assert_allclose(scores(rescaled, rows), expected, atol=2e-2 * factor)


def test_model_is_saved_exported_and_ranks(rows, check_exports):
    features = {name: make_features(rows)[name] for name in ("user_id", "tags")}
    model = fit(rows, features, groups=(), num_samples=2)
    check_exports(model, {name: rows[name][:200] for name in model.feature_specs}, atol=1e-4)
    items = rk.data.vocabulary(rows["item_id"])
    assert len(rk.rank(model, {"user_id": rows["user_id"][0]}, {"item_id": items}, k=3)) == 3


def test_progress_is_printed_and_the_seed_determines_the_model(rows, ensemble, capsys):
    np.testing.assert_array_equal(scores(fit(rows, verbose=1), rows), scores(ensemble, rows))
    lines = capsys.readouterr().out.splitlines()
    text = r"RMSE on a held-out tenth of the rows: [\d.]+ with vectors, [\d.]+ with biases alone."
    assert re.match(text, lines[0])
    assert lines[-1].startswith("sampling: 15 of 15 sweeps, noise std ")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"groups": [["user"]]}, ValueError, "Unknown feature 'user'.*Did you mean 'user_id'"),
        ({"groups": [["user_id"], ["user_id"]]}, ValueError, "at most one group. Got: 'user_id'"),
        ({"groups": ["user_id"]}, TypeError, "groups must be a list of lists"),
        ({"groups": [["user_id"]], "dim": 4}, ValueError, "dim must be None unless there are two"),
        ({"num_samples": 0}, ValueError, "num_samples must be"),
        ({"burn_in": -1}, ValueError, "burn_in must be"),
        ({"num_chains": 0}, ValueError, "num_chains must be"),
        ({"label": "stars"}, ValueError, "stars"),
        ({"num_samples": 10**7}, ValueError, "1 chains of 10000000 samples need about .* GiB"),
    ],
)
def test_invalid_settings_are_rejected(change, error, message, rows):
    with pytest.raises(error, match=message):
        fit(rows, **change)


def test_memory_check_includes_the_linear_systems(rows, monkeypatch):
    module = inspect.getmodule(rk.bayesian.factorization_machine)
    monkeypatch.setattr(module, "available_memory", lambda: 0.6 * 2**20)
    few = {name: column[:300] for name, column in rows.items()}
    features = make_features(few, 33)
    plain = {name: features[name] for name in ("user_id", "item_id")}
    settings = {"groups": (), "num_samples": 1, "burn_in": 0}
    fit(few, plain, **settings)
    # 4 bytes * 10 * 300 rows * 33 are 0.4 MiB; 4 * 5 * 25 items * 33**2 another 0.5 MiB.
    with pytest.raises(ValueError, match="1 chains of 1 samples need about .* GiB"):
        fit(few, {**plain, "tags": make_features(few, 33)["tags"]}, **settings)


@pytest.mark.parametrize(
    ("name", "feature", "error", "message"),
    [
        ("lists", rk.layers.TagsEmbedding(["even", "odd"], WIDTH), TypeError,
         r"features\['lists'\] must be a layer that looks up one embedding per example"),
        ("number", rk.layers.NormalizedNumber(0.0, 1.0), TypeError,
         r"features\['number'\] must be a layer with an embedding table"),
        ("wide", rk.layers.IdEmbedding(["a"], WIDTH + 1), ValueError,
         "All features must have the same embedding_dim.*'wide': 6"),
        ("year", ("item_id", rk.layers.Attribute(["a"], ["b"], rk.layers.IdEmbedding(["b"], 1))),
         ValueError, "Attribute 'year' must have the embedding_dim of the other .*embedding_dim=5"),
    ],
)  # fmt: skip
def test_unsuitable_layers_are_rejected(name, feature, error, message, rows):
    columns = {**rows, "lists": [["even"]] * 1500}
    with pytest.raises(error, match=message):
        fit(columns, {**make_features(rows), name: feature}, groups=())


def test_layer_shared_by_two_features_is_rejected(rows):
    features = make_features(rows)
    features["again"] = ("user_id", features["user_id"])
    with pytest.raises(ValueError, match="its own layer. Got: features 'user_id' and 'again'"):
        fit(rows, features)


def test_groups_without_vectors_do_not_count(rows):
    model = fit(rows, groups=[*GROUPS, ["item_day"], []], dim=4)
    assert model.network.output_shape == (None, 1)


def test_unsuitable_rows_are_rejected(rows):
    labels, features = rows["user_rating"], make_features(rows)
    with pytest.raises(ValueError, match="item_id"):
        fit({**rows, "item_id": rows["item_id"][:500]}, features)
    for wrong in (labels[:, None], labels.astype(str)):
        with pytest.raises(TypeError, match="'user_rating' must have one number per example"):
            fit({**rows, "user_rating": wrong}, features)
    with pytest.raises(ValueError, match="finite numbers only. Got: nan"):
        fit({**rows, "user_rating": np.full_like(labels, np.nan)}, features)


def test_error_in_one_chain_stops_the_others(rows, monkeypatch):
    calls = []

    def sweep(self):
        calls.append(self)
        if len(calls) == 5:
            raise ArithmeticError("enough")

    monkeypatch.setattr(Chain, "sweep", sweep)
    with pytest.raises(ArithmeticError, match="enough"):
        fit(rows, num_samples=10**4, num_chains=3)
    assert len(calls) < 1000
