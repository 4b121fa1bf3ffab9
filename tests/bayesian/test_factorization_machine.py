import importlib
import dataclasses

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

from rankkit.bayesian.design import build_design, plan_design
from rankkit.bayesian.gibbs import Chain

WIDTH = 5  # a bias and a vector of 4 components
NUM_SAMPLES, BURN_IN = 6, 3
GROUPS = [["user_id", "user_day"], ["item_id", "tags"]]
SETTINGS = {
    "label": "user_rating",
    "groups": GROUPS,
    "num_samples": NUM_SAMPLES,
    "burn_in": BURN_IN,
    "verbose": 0,
}


@pytest.fixture(scope="module")
def rows():
    columns, _ = rk.data.synthetic_ratings(1500, num_users=40, num_items=25, seed=3)
    rng = np.random.default_rng(1)
    columns["day"] = rng.integers(0, 4, 1500) * 86_400
    return columns


@pytest.fixture(scope="module")
def ensemble(rows):
    return fit(rows)


def make_features(rows, width=WIDTH):
    users, items = (rk.data.vocabulary(rows[name]) for name in ("user_id", "item_id"))
    tags = rk.layers.TagsEmbedding(["even", "odd", "all"], width, pooling="sqrtn")
    values = [["all", "odd" if index % 2 else "even"] for index in range(len(items))]
    cross = rk.layers.CrossEmbedding.from_columns
    return {
        "user_id": rk.layers.IdEmbedding(users, width),
        "item_id": rk.layers.IdEmbedding(items, width),
        "tags": ("item_id", rk.layers.Attribute(items, values, tags)),
        "user_day": (
            ("user_id", "day"),
            cross(rows["user_id"], rows["day"], width, width=86_400),
        ),
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
    design = build_design(plan, rows, "user_rating", None)
    mean, std = design.labels.mean(), design.labels.std()
    labels = ((design.labels - mean) / std).astype(np.float32)
    design = dataclasses.replace(design, labels=labels)
    [seed] = np.random.SeedSequence(42).spawn(1)
    chain = Chain(design, WIDTH - 1, noise_dof=20.0, seed=seed)
    samples = []
    for _ in range(BURN_IN + NUM_SAMPLES):
        chain.sweep()
        samples.append(mean + std * (design.labels - chain.state.residual))
    samples = samples[BURN_IN:]
    np.testing.assert_allclose(scores(ensemble, rows), np.mean(samples, axis=0), atol=2e-4)
    np.testing.assert_allclose(rk.score_std(ensemble, rows), np.std(samples, axis=0), atol=2e-4)


def test_compression_to_full_dimension_is_lossless(rows, ensemble):
    expected = scores(ensemble, rows)
    full = fit(rows, dim=NUM_SAMPLES * (WIDTH - 1))
    np.testing.assert_allclose(scores(full, rows), expected, atol=1e-3)
    small = fit(rows, dim=4)
    difference = scores(small, rows) - expected
    assert 1e-4 < np.sqrt(np.mean(difference**2)) < 0.5 * expected.std()
    assert small.network.get_layer("user_id_vectors").embedding_dim == 5
    with pytest.raises(TypeError, match="ensemble"):
        rk.score_std(small, rows)


def test_planted_preferences_are_learned():
    rows, best = rk.data.synthetic_ratings(12_000, num_users=150, num_items=80, seed=5)
    train, test = rk.data.random_split(rows, test_fraction=0.2, seed=1)
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(train[name]), 9)
        for name in ("user_id", "item_id")
    }
    model = fit(train, features, groups=(), num_samples=40, burn_in=20)
    rmse = np.sqrt(np.mean((scores(model, test) - test["user_rating"]) ** 2))
    assert rmse < 1.08 * best
    baseline = rk.evaluate_ranking(model, test, train=train, item="item_id").lines[1]["rmse"]
    assert rmse < 0.97 * baseline


def test_seed_determines_the_model_and_chains_differ(rows, ensemble):
    np.testing.assert_array_equal(scores(fit(rows), rows), scores(ensemble, rows))
    assert np.abs(scores(fit(rows, seed=7), rows) - scores(ensemble, rows)).max() > 1e-3
    first, second = (fit(rows, num_chains=2) for _ in range(2))
    np.testing.assert_array_equal(scores(first, rows), scores(second, rows))
    [bias] = first.network.get_layer(index=-2).get_weights()
    assert len(set(bias)) == len(bias) == 2 * NUM_SAMPLES


def test_unknown_ids_get_the_mean_vector_and_unknown_pairs_zeros(rows):
    model = fit(rows, dim=4)
    [table] = model.network.get_layer("user_id_vectors").get_weights()
    np.testing.assert_allclose(table[0], table[1:].mean(axis=0), atol=1e-5)
    [pairs] = model.network.get_layer("user_day_vectors").get_weights()
    np.testing.assert_array_equal(pairs[0], np.zeros_like(pairs[0]))
    unknown = {"user_id": ["nobody"], "item_id": ["nothing"], "day": [10**9]}
    assert np.isfinite(scores(model, unknown)).all()


def test_scores_of_unknown_ids_are_more_uncertain(rows):
    model = fit(rows, num_samples=40, burn_in=20)
    known = {name: rows[name][:200] for name in model.feature_specs}
    unknown = {**known, "user_id": ["nobody"] * 200}
    assert rk.score_std(model, unknown).mean() > 1.5 * rk.score_std(model, known).mean()


@pytest.mark.parametrize("dim", [None, 4])
@pytest.mark.parametrize("factor", [0.001, 60.0])
def test_scores_are_equivariant_to_the_unit_of_the_labels(factor, dim, rows):
    labels = factor * rows["user_rating"].astype(np.float64) - 7
    rescaled = fit({**rows, "user_rating": labels}, dim=dim)
    expected = factor * scores(fit(rows, dim=dim), rows) - 7
    np.testing.assert_allclose(scores(rescaled, rows), expected, atol=2e-2 * factor)


def test_noise_group_changes_the_scores(rows, ensemble):
    weighted = fit(rows, noise_group="user_id", noise_dof=3.0)
    assert np.abs(scores(weighted, rows) - scores(ensemble, rows)).max() > 1e-3


def test_model_is_saved_exported_and_ranks(rows, tmp_path):
    features = {name: make_features(rows)[name] for name in ("user_id", "tags")}
    model = fit(rows, features, groups=(), num_samples=2)
    raw = {name: rows[name][:200] for name in model.feature_specs}
    model.save(tmp_path / "model.keras")
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    for file in ("model.keras", "1", "ranker.tflite"):
        loaded = rk.export.load(tmp_path / file)
        assert rk.export.max_abs_difference(model, loaded, raw) < 1e-4
    items = rk.data.vocabulary(rows["item_id"])
    assert len(rk.rank(model, {"user_id": rows["user_id"][0]}, {"item_id": items}, k=3)) == 3


def test_progress_is_printed(rows, capsys):
    fit(rows, verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("sampling: 9 of 9 sweeps, noise std ")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"groups": [["user"]]}, ValueError, "Unknown feature 'user'.*Did you mean 'user_id'"),
        ({"groups": [["user_id"], ["user_id"]]}, ValueError, "at most one group. Got: 'user_id'"),
        ({"groups": ["user_id"]}, TypeError, "groups must be a list of lists"),
        ({"groups": "user_id"}, TypeError, "groups must be a list of lists"),
        ({"groups": [["user_id"]], "dim": 4}, ValueError, "dim must be None unless there are two"),
        ({"num_samples": 0}, ValueError, "num_samples must be"),
        ({"burn_in": -1}, ValueError, "burn_in must be"),
        ({"num_chains": 0}, ValueError, "num_chains must be"),
        ({"noise_dof": 0}, ValueError, "noise_dof must be a finite number above 0"),
        ({"noise_dof": float("inf")}, ValueError, "noise_dof must be a finite number above 0"),
        ({"noise_dof": True}, ValueError, "noise_dof must be a finite number above 0"),
        ({"noise_dof": "20"}, ValueError, "noise_dof must be a finite number above 0"),
        ({"label": "stars"}, ValueError, "stars"),
        ({"noise_group": "mood"}, ValueError, "mood"),
        ({"num_samples": 10**7}, ValueError, "1 chains of 10000000 samples need about .* GiB"),
    ],
)
def test_invalid_settings_are_rejected(change, error, message, rows):
    with pytest.raises(error, match=message):
        fit(rows, **change)


def test_memory_check_includes_the_linear_systems(rows, monkeypatch):
    module = importlib.import_module("rankkit.bayesian.factorization_machine")
    monkeypatch.setattr(module, "available_memory", lambda: 2**20)
    narrow, wide = (
        {name: make_features(rows, width)[name] for name in ("user_id", "item_id")}
        for width in (WIDTH, 65)
    )
    settings = {"groups": (), "num_samples": 1, "burn_in": 0}
    fit(rows, narrow, **settings)
    # 4 bytes * 5 * 41 users * 65**2 are 3.3 MiB; the vectors alone take 0.05 MiB.
    with pytest.raises(ValueError, match="1 chains of 1 samples need about .* GiB"):
        fit(rows, wide, **settings)


@pytest.mark.parametrize(
    ("name", "feature", "error", "message"),
    [
        (
            "lists",
            rk.layers.TagsEmbedding(["even", "odd"], WIDTH),
            TypeError,
            r"features\['lists'\] must be a layer that looks up one embedding per example",
        ),
        (
            "number",
            rk.layers.NormalizedNumber(0.0, 1.0),
            TypeError,
            r"features\['number'\] must be a layer with an embedding table",
        ),
        (
            "wide",
            rk.layers.IdEmbedding(["a"], WIDTH + 1),
            ValueError,
            "All features must have the same embedding_dim.*'wide': 6",
        ),
        (
            "year",
            ("item_id", rk.layers.Attribute(["a"], ["b"], rk.layers.IdEmbedding(["b"], 1))),
            ValueError,
            "Attribute 'year' must have the embedding_dim of the other features, 5",
        ),
    ],
)
def test_unsuitable_layers_are_rejected(name, feature, error, message, rows):
    columns = {**rows, "lists": [["even"]] * 1500}
    with pytest.raises(error, match=message):
        fit(columns, {**make_features(rows), name: feature}, groups=())


def test_layer_shared_by_two_features_is_rejected(rows):
    features = make_features(rows)
    features["again"] = ("user_id", features["user_id"])
    with pytest.raises(ValueError, match="layer of its own. Got: features 'user_id' and 'again'"):
        fit(rows, features)


def test_groups_without_vectors_do_not_count(rows):
    model = fit(rows, groups=[*GROUPS, ["item_day"], []], dim=4)
    assert model.network.output_shape == (None, 1)


def test_columns_of_unequal_length_are_rejected(rows):
    with pytest.raises(ValueError, match="item_id"):
        fit({**rows, "item_id": rows["item_id"][:500]}, make_features(rows))


def test_labels_must_be_finite_numbers(rows):
    labels, features = rows["user_rating"], make_features(rows)
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
