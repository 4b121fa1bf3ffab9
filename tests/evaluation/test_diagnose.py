from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.evaluation import BiasBaseline

TRAIN = {
    "user_id": np.array(["a", "a", "b", "b", "c"]),
    "item_id": np.array(["x", "y", "x", "z", "y"]),
    "rating": np.array([5.0, 3.0, 4.0, 1.0, 2.0]),
}
TEST = {
    "user_id": np.array(["a", "b", "b", "new"]),
    "item_id": np.array(["z", "y", "x", "x"]),
    "rating": np.array([4.0, 2.0, 5.0, 3.0]),
    "score": np.array([4.1, 2.2, 4.7, 3.0]),
}


def diagnose(scores=None, **kwargs):
    arguments: dict[str, Any] = {"train": TRAIN, "item": "item_id", "label": "rating", **kwargs}
    rows = arguments.pop("rows", TEST)
    if scores is not None:
        rows = {**rows, "score": np.asarray(scores, float)}
    scorer = arguments.pop("scorer", lambda columns: columns["score"])
    return rk.evaluation.diagnose(scorer, rows, **arguments)


def by_rows(diagnosis):
    return {line["rows"]: line for line in diagnosis.errors}


# --- Tables ---


def test_errors_are_given_by_count_for_the_model_and_the_baseline():
    lines = by_rows(diagnose())
    seldom = ["user_id with 1 to 2 training rows", "item_id with 1 to 2 training rows"]
    assert list(lines) == ["all", "user_id with no training rows", *seldom]
    biases = BiasBaseline(TRAIN, ["user_id", "item_id"], label="rating")(TEST) - TEST["rating"]
    assert lines["all"]["rmse"] == pytest.approx(np.sqrt((0.01 + 0.04 + 0.09) / 4))
    assert lines["all"]["mean_error"] == pytest.approx((0.1 + 0.2 - 0.3) / 4, abs=1e-6)
    assert lines["all"]["biases_rmse"] == pytest.approx(np.sqrt(np.mean(biases**2)))
    assert lines["all"]["biases_mean_error"] == pytest.approx(biases.mean())
    known = lines["user_id with 1 to 2 training rows"]
    assert known["num_rows"] == 3
    assert known["rmse"] == pytest.approx(np.sqrt((0.01 + 0.04 + 0.09) / 3))
    assert known["biases_mean_error"] == pytest.approx(biases[:3].mean())


def test_histograms_and_calibration_include_all_rows_of_both_scorers():
    diagnosis = diagnose(num_bins=2)
    for lines in (diagnosis.histograms, diagnosis.calibration):
        for scorer in ("model", "biases"):
            assert sum(line["num_rows"] for line in lines if line["scorer"] == scorer) == 4
    lines = [line for line in diagnosis.histograms if line["scorer"] == "model"]
    assert [line["low"] for line in lines] == [2, 3, 4, 5]
    # From 1, the lowest label of the training rows, to 5, and a tenth of that around it.
    np.testing.assert_allclose(diagnosis.edges, np.linspace(0.6, 5.4, 49))
    model = [line for line in diagnosis.calibration if line["scorer"] == "model"]
    assert [line["mean_label"] for line in model] == [2.5, 4.5]
    assert [line["mean_prediction"] for line in model] == pytest.approx([2.6, 4.4])


def test_scores_are_clipped_to_the_rating_range():
    diagnosis = diagnose([4.0, 2.0, 50.0, 3.0], rating_range=(1, 5))
    assert by_rows(diagnosis)["all"]["rmse"] == 0.0
    assert diagnosis.warnings == []
    assert (diagnosis.edges[0], diagnosis.edges[-1]) == pytest.approx((0.6, 5.4))


def test_diagnosis_without_items_is_by_query_only():
    diagnosis = diagnose(item=None)
    assert {line["column"] for line in diagnosis.errors} == {None, "user_id"}
    assert all("item" not in text for text in [*diagnosis.warnings, *diagnosis.unchecked])


def test_diagnosis_prints_tables_and_warnings():
    lines = str(diagnose()).splitlines()
    assert lines[0].split() == [
        "rows", "num_rows", "rmse", "biases_rmse", "mean_error", "biases_mean_error",
    ]  # fmt: skip
    assert lines[1].split()[:3] == ["all", "4", "0.1871"]
    assert "No warnings." in lines
    assert any(line.startswith("Not checked: How rows with an OOV user_id") for line in lines)
    text = str(diagnose(np.full(4, 3.0)))
    assert "WARNING: Predictions are nearly constant: their standard deviation is 0, that" in text
    assert "No warnings." not in text


# --- Warnings ---


def warnings_with(diagnosis, words):
    return [warning for warning in diagnosis.warnings if words in warning]


RNG = np.random.default_rng(0)
USERS, ITEMS = (each.ravel() for each in np.mgrid[:20, :15])
BY_USER, BY_ITEM, USER_TASTE, ITEM_TASTE = (
    RNG.normal(size=len(np.unique(ids)))[ids] for ids in (USERS, ITEMS, USERS, ITEMS)
)
# A rating of each item by each user, without noise.
RATINGS = 3.0 + BY_USER + BY_ITEM + USER_TASTE * ITEM_TASTE
GRID: dict[str, np.ndarray] = {"user_id": USERS, "item_id": ITEMS, "rating": RATINGS}


def diagnose_grid(scores, **kwargs):
    return diagnose(scores, rows=GRID, train=GRID, **kwargs)


def test_good_model_has_no_warnings():
    assert diagnose_grid(RATINGS + 0.1 * BY_USER).warnings == []


@pytest.mark.parametrize(("share", "is_constant"), [(0.0, True), (0.009, True), (0.011, False)])
def test_nearly_constant_predictions_have_one_warning(share, is_constant):
    # The standard deviation of the scores is this share of that of the labels.
    diagnosis = diagnose_grid(3.0 + share * (RATINGS - RATINGS.mean()))
    assert len(warnings_with(diagnosis, "Predictions are nearly constant: ")) == is_constant
    assert not is_constant or warnings_with(diagnosis, "within each") == []


def test_model_that_ignores_the_item_or_the_user_has_a_warning():
    [warning] = warnings_with(diagnose_grid(3.0 + BY_USER + 1e-4 * BY_ITEM), "nearly constant")
    assert warning.startswith("Predictions are nearly constant within each user_id: their standard")
    assert "all candidates of a user_id get the same score. Check that item_id is a" in warning
    [warning] = warnings_with(diagnose_grid(3.0 + BY_USER, item=None), "nearly constant")
    assert "Check that item features are inputs of the network" in warning
    [warning] = warnings_with(diagnose_grid(3.0 + BY_ITEM), "nearly constant")
    assert warning.startswith("Predictions are nearly constant within each item_id: their standard")
    assert "every user_id gets the same ranking. Check that user_id is a feature" in warning


@pytest.mark.parametrize(
    ("user_id", "item_id", "reason"),
    [
        ("aabbcc", "xxyyzz", "each user_id: no user_id has two rows with different values of item"),
        ("abcdef", "xxxxxx", "each user_id: no user_id has two rows with different values of item"),
        ("aaaaaa", "uvwxyz", "each item_id: no item_id has two rows with different values of user"),
    ],
)
def test_repeated_pairs_do_not_show_whether_a_model_ignores_the_item(user_id, item_id, reason):
    labels = np.array([5.0, 5.0, 1.0, 1.0, 3.0, 3.0])
    rows = {"user_id": [*user_id], "item_id": [*item_id], "rating": labels}
    diagnosis = diagnose(labels, rows=rows, train=rows)
    assert warnings_with(diagnosis, "nearly constant") == []
    assert f"Whether predictions vary within {reason}" in diagnosis.unchecked[0]


def test_users_with_one_row_do_not_count_for_the_variation_within_users():
    rng = np.random.default_rng(0)
    labels = rng.normal(3, 1, 400)
    items = rng.integers(0, 9, 400)
    users = np.arange(400)
    users[1], items[0], items[1], labels[0], labels[1] = 0, 0, 1, 3.0, 3.1
    rows = {"user_id": users, "item_id": items, "rating": labels}
    # The only user with two rows: both are 0.05 from the mean, 5 % of the labels' deviation.
    assert warnings_with(diagnose(labels, rows=rows, train=rows), "nearly constant") == []


def test_model_that_is_worse_than_the_bias_baseline_has_a_warning():
    errors = BiasBaseline(GRID, ["user_id", "item_id"], label="rating")(GRID) - RATINGS
    rmse = np.sqrt(np.mean(errors**2))
    assert warnings_with(diagnose_grid(RATINGS + 1.0005 * errors), "worse than") == []
    [warning] = warnings_with(diagnose_grid(RATINGS + 1.01 * errors), "worse than")
    assert f"RMSE {1.01 * rmse:.4f} against {rmse:.4f}" in warning
    assert "bias baseline of user_id and item_id" in warning


def test_predictions_far_outside_the_range_have_a_warning():
    low, high = RATINGS.min(), RATINGS.max()

    def warnings(value, num_rows=1):
        scores = np.where(np.arange(300) < num_rows, value, RATINGS)
        return warnings_with(diagnose_grid(scores), "outside the range")

    assert warnings(high + 0.09 * (high - low)) == []
    highest = high + 0.11 * (high - low)
    [warning] = warnings(highest)
    text = f"1 of 300 predictions are far outside the range of rating, {low:g} to {high:g}"
    assert text in warning
    assert f"to {highest:.3g}. Train with" in warning
    assert f"rating_range=({low:g}, {high:g})" in warning
    assert warnings(low - 0.11 * (high - low), num_rows=3)[0].startswith("3 of 300 ")


@pytest.mark.parametrize(("highest", "num_warnings"), [(5.9, 0), (9.5, 1)])
def test_one_prediction_in_a_thousand_has_a_warning_only_if_it_is_extreme(highest, num_warnings):
    rng = np.random.default_rng(0)
    ids = {name: rng.integers(0, 9, 4000) for name in ("user_id", "item_id")}
    rows = {**ids, "rating": rng.uniform(1, 5, 4000)}
    scores = np.where(np.arange(4000) < 4, highest, rows["rating"])
    diagnosis = diagnose(scores, rows=rows, train=rows)
    assert len(warnings_with(diagnosis, "outside the range")) == num_warnings


CLICKS = {"user_id": [*"aabb"], "item_id": [*"xyxy"], "click": [1.0, 0.0, 0.0, 1.0]}


def test_scores_that_are_an_order_are_not_compared_with_the_labels():
    scores = np.array([9.0, -3.0, -2.0, 4.0])
    diagnosis = diagnose(scorer=scores, rows=CLICKS, train=CLICKS, label="click")
    assert diagnosis.warnings == diagnosis.errors == diagnosis.calibration == []
    note = diagnosis.unchecked[-1]
    assert "'model' are only an order, not predictions of 'click': 100% are far outside" in note
    assert "pass probabilities, such as lambda rows: tf.sigmoid(scorer(rows))" in note
    assert str(diagnosis).startswith("No warnings.\n\nNot checked: How rows with an OOV user_id")
    [warning] = diagnose(scorer=-scores, rows=CLICKS, train=CLICKS, label="click").warnings
    # Biases order no pair of these rows; the labels are exactly reversed within each user.
    assert "worse than the bias baseline of user_id and item_id: AUC 0.0000 against 0.5" in warning


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.full(4, 7e9), "are nearly constant: their standard deviation is 0, that of click"),
        ([7e9, 7e9 + 1, 7e9, 7e9], "are nearly constant: their standard deviation is 0.43, that"),
        ([-50, -50, 9, 9], "each user_id: their standard deviation is 0, that of all scores"),
    ],
)
def test_an_order_is_compared_with_its_own_spread(scores, words):
    diagnosis = diagnose(scorer=scores, rows=CLICKS, train=CLICKS, label="click")
    assert len(warnings_with(diagnosis, words)) == 1


def test_without_queries_rows_are_compared_with_those_of_the_item():
    diagnosis = diagnose(TEST["score"], query=None)
    assert [line["column"] for line in diagnosis.errors] == [None, "item_id"]
    assert diagnosis.warnings == []
    worse = diagnose(TEST["score"][::-1], query=None, item=None)
    assert any("worse than the mean label: RMSE" in warning for warning in worse.warnings)


# --- Unknown ids ---


def network(users=("a", "b", "c"), user_dropout=0.0, item_dropout=0.1):
    features = {
        "user_id": rk.layers.IdEmbedding(users, 2, id_dropout_rate=user_dropout),
        "item_id": rk.layers.IdEmbedding(["x", "y", "z"], 2, id_dropout_rate=item_dropout),
    }
    head = rk.layers.DenseRatingHead([2], rating_range=(1, 5))
    return rk.ranking_network(features, head=head)


@pytest.mark.parametrize(
    ("kwargs", "untrained"),
    [
        ({}, ["user_id"]),  # ids of items are dropped out
        ({"users": ["a", "b"]}, []),  # c is out of vocabulary
        ({"users": ["a", "b", "c", "d"]}, ["user_id"]),
        ({"user_dropout": 0.5}, []),
        ({"item_dropout": 0.0}, ["user_id", "item_id"]),
    ],
)
def test_oov_embedding_that_no_training_row_uses_has_a_warning(kwargs, untrained):
    diagnosis = diagnose(scorer=rk.RankingModel(network(**kwargs), label="rating"), label=None)
    warnings = warnings_with(diagnosis, "never trained")
    assert len(warnings) == len(untrained)
    for name, warning in zip(untrained, warnings, strict=True):
        rmse = by_rows(diagnosis)[f"all, as if {name} were OOV"]["rmse"]
        assert warning.startswith(f"The out-of-vocabulary embedding of {name} was never trained")
        assert f"With an OOV {name} the RMSE is {rmse:.4f}" in warning
        assert "Pass id_dropout_rate=0.1 to the layer" in warning
    assert len(diagnosis.unchecked) == 1  # the model is not compiled
    assert "count as predictions of 'rating', by their values" in diagnosis.unchecked[0]


def test_oov_embedding_that_is_the_mean_of_the_others_has_no_warning():
    scorer = network()
    layers = [each for each in scorer.submodules if isinstance(each, rk.layers.IdEmbedding)]
    assert len(layers) == 2
    for layer in layers:
        [table] = layer.get_weights()
        table[0] = table[1:].mean(axis=0)
        layer.set_weights([table])
    assert not warnings_with(diagnose(scorer=scorer, label="rating"), "never trained")


@pytest.mark.parametrize("rating_range", [None, (3.1, 3.6)])
def test_errors_with_an_unknown_id_are_those_of_a_new_id(rating_range):
    scorer = network()
    lines = by_rows(diagnose(scorer=scorer, rating_range=rating_range))
    line = lines["all, as if user_id were OOV"]
    columns = {"user_id": np.array(["nobody"] * 4), "item_id": TEST["item_id"]}
    scores = np.asarray(scorer({name: tf.constant(each) for name, each in columns.items()}))[:, 0]
    biases = BiasBaseline(TRAIN, ["user_id", "item_id"], label="rating")(columns)
    if rating_range:
        assert scores.max() < 3.1  # of a network that is not trained
        scores, biases = np.clip(scores, 3.1, 3.6), np.clip(biases, 3.1, 3.6)
    assert line["num_rows"] == 4
    expected = np.sqrt(np.mean((scores - TEST["rating"]) ** 2))
    assert line["rmse"] == pytest.approx(expected, rel=1e-5)
    assert line["biases_mean_error"] == pytest.approx(np.mean(biases - TEST["rating"]))


@pytest.mark.parametrize(("ids", "unknown"), [(["a", "b", "unknown-1"], "unknown-3"), ([1, 2], -1)])
def test_unknown_id_is_in_neither_the_rows_nor_the_vocabulary(ids, unknown):
    vocabulary = [*ids, "unknown-2"] if isinstance(ids[0], str) else ids
    features = {"user_id": rk.layers.IdEmbedding(vocabulary, 2)}
    calls = []

    class Scorer:
        network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([2]))
        feature_specs = rk.RankingModel(network, label="rating").feature_specs

        def __call__(self, columns):
            calls.append(columns["user_id"].numpy().tolist())
            return self.network(columns)

    rows = {"user_id": ids, "rating": np.arange(len(ids), dtype=float)}
    diagnose(scorer=Scorer(), rows=rows, train=rows, item=None)
    unknown = unknown.encode() if isinstance(unknown, str) else unknown
    assert calls[-1] == [unknown] * len(ids)


def test_only_embeddings_of_the_column_within_the_network_are_checked():
    features = {
        "user_id": rk.layers.IdEmbedding(["a", "b", "c"], 2, id_dropout_rate=0.1),
        "friend_id": rk.layers.IdEmbedding(["a", "b", "c"], 2),
    }
    scorer = rk.ranking_network(features, head=rk.layers.DenseRatingHead([2]))
    rk.layers.IdEmbedding(["a", "b", "c"], 2)(scorer.input["user_id"])  # not in the network
    rows, train = ({**each, "friend_id": each["user_id"]} for each in (TEST, TRAIN))
    diagnosis = diagnose(scorer=scorer, rows=rows, train=train, item="friend_id")
    [warning] = warnings_with(diagnosis, "never trained")
    assert "embedding of friend_id" in warning


def test_keras_file_exposes_its_layers_and_a_saved_model_does_not(tmp_path):
    model = rk.RankingModel(network(), label="rating")
    model.save(tmp_path / "model.keras")
    rk.export.save(model, tmp_path / "1")
    files = map(rk.export.load, (tmp_path / "model.keras", tmp_path / "1"))
    live, loaded, exported = (diagnose(scorer=scorer) for scorer in (model, *files))
    assert len(warnings_with(loaded, "never trained")) == 1
    assert warnings_with(exported, "never trained") == []
    assert [line["rows"] for line in exported.errors] == [line["rows"] for line in live.errors]
    for one, other in zip(exported.errors, live.errors, strict=True):
        assert one["rmse"] == pytest.approx(other["rmse"], rel=1e-5)
    assert exported.unchecked[:-1] == [
        f"Whether the out-of-vocabulary embedding of {name} was trained: the scorer does not "
        "expose its IdEmbedding. Pass the model itself, or load its .keras file."
        for name in ("user_id", "item_id")
    ]
