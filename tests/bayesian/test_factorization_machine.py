import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

from rankkit.bayesian.gibbs import Chain
from rankkit.bayesian.factorization_machine import check_memory
from rankkit.bayesian.design import design_of, read

WIDTH = 5


@pytest.fixture(scope="module")
def rows():
    columns, _ = rk.data.synthetic_ratings(1500, num_users=40, num_items=25, seed=3)
    rng = np.random.default_rng(1)
    columns["day"] = rng.integers(0, 4, 1500) * 86_400
    return columns


def make_features(rows, width=WIDTH):
    users, items = (rk.data.vocabulary(rows[name]) for name in ("user_id", "item_id"))
    tags = rk.layers.TagsEmbedding(["even", "odd", "all"], width, pooling="sqrtn")
    values = [["all", "odd" if place % 2 else "even"] for place in range(len(items))]
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


GROUPS = [["user_id", "user_day"], ["item_id", "tags"]]
SETTINGS = {"label": "user_rating", "groups": GROUPS, "num_samples": 6, "burn_in": 3, "verbose": 0}


def scores(model, columns):
    raw = {name: tf.constant(columns[name]) for name in model.feature_specs}
    return model.network(raw).numpy()[:, 0]


def test_the_network_scores_as_the_draws_do_on_average(rows):
    features = make_features(rows)
    model = rk.bayesian.factorization_machine(features, rows, **SETTINGS)
    assert sorted(model.feature_specs) == ["day", "item_id", "user_id"]
    reading = read(features, GROUPS)
    design = design_of(reading, rows, "user_rating", None)
    mean, deviation = design.labels.mean(), design.labels.std()
    labels = ((design.labels - mean) / deviation).astype(np.float32)
    design = dataclasses.replace(design, labels=labels)
    [seed] = np.random.SeedSequence(42).spawn(1)
    chain = Chain(design, WIDTH - 1, noise_dof=20.0, seed=seed)
    each = []
    for sweep in range(9):
        chain.sweep()
        if sweep >= 3:
            each.append(mean + deviation * (design.labels - chain.state.residual))
    np.testing.assert_allclose(scores(model, rows), np.mean(each, axis=0), atol=2e-4)
    np.testing.assert_allclose(rk.score_std(model, rows), np.std(each, axis=0), atol=2e-4)


def test_compressed_to_full_width_nothing_is_lost(rows):
    features = make_features(rows)
    whole = rk.bayesian.factorization_machine(features, rows, **SETTINGS)
    same = rk.bayesian.factorization_machine(features, rows, dim=6 * (WIDTH - 1), **SETTINGS)
    np.testing.assert_allclose(scores(same, rows), scores(whole, rows), atol=1e-3)
    small = rk.bayesian.factorization_machine(features, rows, dim=4, **SETTINGS)
    difference = scores(small, rows) - scores(whole, rows)
    assert 1e-4 < np.sqrt(np.mean(difference**2)) < 0.5 * scores(whole, rows).std()
    assert small.network.get_layer("user_id_vectors").embedding_dim == 5
    with pytest.raises(TypeError, match="ensemble"):
        rk.score_std(small, rows)


def test_it_learns_planted_tastes():
    rows, best = rk.data.synthetic_ratings(12_000, num_users=150, num_items=80, seed=5)
    train, test = rk.data.random_split(rows, test_fraction=0.2, seed=1)
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(train[name]), 9)
        for name in ("user_id", "item_id")
    }
    model = rk.bayesian.factorization_machine(
        features, train, label="user_rating", num_samples=40, burn_in=20, verbose=0
    )
    rmse = np.sqrt(np.mean((scores(model, test) - test["user_rating"]) ** 2))
    assert rmse < 1.08 * best
    baseline = rk.evaluate_ranking(model, test, train=train, item="item_id").lines[1]["rmse"]
    assert rmse < 0.97 * baseline


def test_same_seed_same_model_and_chains_differ(rows):
    features = make_features(rows)
    one, again = (rk.bayesian.factorization_machine(features, rows, **SETTINGS) for _ in range(2))
    np.testing.assert_array_equal(scores(one, rows), scores(again, rows))
    other = rk.bayesian.factorization_machine(features, rows, **SETTINGS, seed=7)
    assert np.abs(scores(other, rows) - scores(one, rows)).max() > 1e-3
    two, again = (
        rk.bayesian.factorization_machine(features, rows, **SETTINGS, num_chains=2)
        for _ in range(2)
    )
    np.testing.assert_array_equal(scores(two, rows), scores(again, rows))
    bias = two.network.get_layer(index=-2).get_weights()[0]
    assert bias.shape == (12,)
    assert len(set(bias)) == 12


def test_unknown_ids_get_the_mean_vector_and_unseen_pairs_none(rows):
    model = rk.bayesian.factorization_machine(make_features(rows), rows, dim=4, **SETTINGS)
    table = model.network.get_layer("user_id_vectors").get_weights()[0]
    np.testing.assert_allclose(table[0], table[1:].mean(axis=0), atol=1e-5)
    pairs = model.network.get_layer("user_day_vectors").get_weights()[0]
    np.testing.assert_array_equal(pairs[0], np.zeros_like(pairs[0]))
    strange = {"user_id": ["nobody"], "item_id": ["nothing"], "day": [10**9]}
    assert np.isfinite(scores(model, strange)).all()


def test_scores_of_unknown_ids_are_less_sure(rows):
    settings = {**SETTINGS, "num_samples": 40, "burn_in": 20}
    model = rk.bayesian.factorization_machine(make_features(rows), rows, **settings)
    known = {name: rows[name][:200] for name in model.feature_specs}
    strange = {**known, "user_id": ["nobody"] * 200}
    assert rk.score_std(model, strange).mean() > 1.5 * rk.score_std(model, known).mean()


@pytest.mark.parametrize("factor", [0.001, 60.0])
def test_labels_of_any_unit_are_learned_alike(factor, rows):
    features = make_features(rows)
    for dim in (None, 4):
        stars = rk.bayesian.factorization_machine(features, rows, **SETTINGS, dim=dim)
        other = {**rows, "user_rating": factor * rows["user_rating"].astype(np.float64) - 7}
        moved = rk.bayesian.factorization_machine(features, other, **SETTINGS, dim=dim)
        expected = factor * scores(stars, rows) - 7
        np.testing.assert_allclose(scores(moved, rows), expected, atol=2e-2 * factor)


def test_it_is_saved_ranked_and_exported_as_any_network(rows, tmp_path):
    model = rk.bayesian.factorization_machine(make_features(rows), rows, **SETTINGS)
    raw = {name: rows[name][:200] for name in model.feature_specs}
    model.save(tmp_path / "model.keras")
    rk.export.save(model, tmp_path / "1")
    rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
    for file in ("model.keras", "1", "ranker.tflite"):
        loaded = rk.export.load(tmp_path / file)
        assert rk.export.max_abs_difference(model, loaded, raw) < 1e-4
    items = rk.data.vocabulary(rows["item_id"])
    ranked = rk.rank(model, {"user_id": rows["user_id"][0], "day": 0}, {"item_id": items}, k=3)
    assert len(ranked) == 3


def test_progress_is_told_in_lines(rows, capsys):
    rk.bayesian.factorization_machine(make_features(rows), rows, **{**SETTINGS, "verbose": 1})
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("sampling: 9 of 9 sweeps, noise ")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"groups": [["user"]]}, ValueError, "user_id"),
        ({"groups": [["user_id"], ["user_id"]]}, ValueError, "each feature in one group at most"),
        ({"groups": [["user_id"]], "dim": 4}, ValueError, "dim must be None with"),
        ({"num_samples": 0}, ValueError, "num_samples"),
        ({"burn_in": -1}, ValueError, "burn_in"),
        ({"num_chains": 0}, ValueError, "num_chains"),
        ({"noise_dof": 0}, ValueError, "noise_dof"),
        ({"noise_dof": float("inf")}, ValueError, "noise_dof"),
        ({"label": "stars"}, ValueError, "stars"),
        (
            {"num_samples": 10**7},
            ValueError,
            r"10000000 draws of width .* must be at most \d+, which the mach",
        ),
        ({"noise_group": "mood"}, ValueError, "mood"),
    ],
)
def test_settings_that_do_not_fit_are_named(change, error, words, rows):
    with pytest.raises(error, match=words):
        rk.bayesian.factorization_machine(make_features(rows), rows, **{**SETTINGS, **change})


def test_the_matrices_of_wide_vectors_count_as_memory():
    design: Any = SimpleNamespace(owners=[SimpleNamespace(size=10**8)], slots=[])
    with pytest.raises(ValueError, match=r"GiB for 1 chains of 1 draws of width 101 must be at"):
        check_memory(design, num_chains=1, num_samples=1, width=101)
    check_memory(design, num_chains=1, num_samples=1, width=1)


def test_layers_that_cannot_be_drawn_are_named(rows):
    features = make_features(rows)
    lists = rk.layers.TagsEmbedding(["even", "odd"], WIDTH)
    number = rk.layers.NormalizedNumber(0.0, 1.0)
    wide = rk.layers.IdEmbedding(["a"], WIDTH + 1)
    few = {**SETTINGS, "groups": ()}
    columns = {**rows, "lists": [["even"]] * 1500}
    with pytest.raises(TypeError, match="one of its vectors"):
        rk.bayesian.factorization_machine({**features, "lists": lists}, columns, **few)
    with pytest.raises(TypeError, match="a table of vectors"):
        rk.bayesian.factorization_machine({**features, "number": number}, rows, **few)
    with pytest.raises(ValueError, match="embedding_dim of the features"):
        rk.bayesian.factorization_machine({**features, "wide": wide}, rows, **few)
    narrow = rk.layers.Attribute(["a"], ["b"], rk.layers.IdEmbedding(["b"], 1))
    with pytest.raises(ValueError, match="embedding_dim of Attribute 'year' must be above 1"):
        rk.bayesian.factorization_machine({**features, "year": ("item_id", narrow)}, rows, **few)
    twice = {**features, "again": ("user_id", features["user_id"])}
    with pytest.raises(ValueError, match=r"features\['again'\] must be another layer"):
        rk.bayesian.factorization_machine(twice, rows, **few)


def test_groups_without_vectors_do_not_count(rows):
    groups = [*GROUPS, ["item_day"], []]
    settings = {**SETTINGS, "groups": groups, "dim": 4}
    model = rk.bayesian.factorization_machine(make_features(rows), rows, **settings)
    assert model.network.output_shape == (None, 1)


def test_columns_must_be_of_one_length_and_labels_numbers(rows):
    features = make_features(rows)
    with pytest.raises(ValueError, match="item_id"):
        rk.bayesian.factorization_machine(
            features, {**rows, "item_id": rows["item_id"][:500]}, **SETTINGS
        )
    for wrong in (rows["user_rating"][:, None], rows["user_rating"].astype(str)):
        with pytest.raises(TypeError, match="label 'user_rating' must be a number a row"):
            rk.bayesian.factorization_machine(features, {**rows, "user_rating": wrong}, **SETTINGS)


def test_an_error_of_one_chain_ends_all(rows, monkeypatch):
    swept = []

    def sweep(self):
        swept.append(self)
        if len(swept) == 5:
            raise ArithmeticError("enough")

    monkeypatch.setattr(Chain, "sweep", sweep)
    settings = {**SETTINGS, "num_samples": 10**4, "num_chains": 3}
    with pytest.raises(ArithmeticError, match="enough"):
        rk.bayesian.factorization_machine(make_features(rows), rows, **settings)
    assert len(swept) < 1000


def test_labels_must_be_finite(rows):
    bad = {**rows, "user_rating": np.full(1500, np.nan, np.float32)}
    with pytest.raises(ValueError, match="finite"):
        rk.bayesian.factorization_machine(make_features(rows), bad, **SETTINGS)
