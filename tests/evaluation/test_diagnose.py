from typing import Any

import numpy as np
import pytest

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
    settings: dict[str, Any] = {"train": TRAIN, "item": "item_id", "label": "rating", **kwargs}
    rows = settings.pop("rows", TEST)
    if scores is not None:
        rows = {**rows, "score": np.asarray(scores, float)}
    scorer = settings.pop("scorer", lambda columns: columns["score"])
    return rk.evaluation.diagnose(scorer, rows, **settings)


def by_rows(diagnosis):
    return {line["rows"]: line for line in diagnosis.errors}


# --- The lines ---


def test_errors_are_told_by_count_beside_the_biases():
    found = by_rows(diagnose())
    assert list(found) == [
        "all",
        "user_id with no training rows",
        "user_id with 1 to 2 training rows",
        "item_id with 1 to 2 training rows",
    ]
    biases = BiasBaseline(TRAIN, ["user_id", "item_id"], label="rating")(TEST) - TEST["rating"]
    assert found["all"]["rmse"] == pytest.approx(np.sqrt((0.01 + 0.04 + 0.09) / 4))
    assert found["all"]["mean_error"] == pytest.approx((0.1 + 0.2 - 0.3) / 4, abs=1e-6)
    assert found["all"]["biases_rmse"] == pytest.approx(np.sqrt(np.mean(biases**2)))
    assert found["all"]["biases_mean_error"] == pytest.approx(biases.mean())
    known = found["user_id with 1 to 2 training rows"]
    assert known["num_rows"] == 3
    assert known["rmse"] == pytest.approx(np.sqrt((0.01 + 0.04 + 0.09) / 3))
    assert known["biases_mean_error"] == pytest.approx(biases[:3].mean())


def test_histograms_and_calibration_have_all_rows_of_both_scorers():
    found = diagnose(num_bins=2)
    for lines in (found.histograms, found.calibration):
        for scorer in ("model", "biases"):
            assert sum(line["num_rows"] for line in lines if line["scorer"] == scorer) == 4
    assert [line["low"] for line in found.histograms if line["scorer"] == "model"] == [2, 3, 4, 5]
    # From 1, the lowest label of the training rows, to 5.
    assert (found.edges[0], found.edges[-1]) == pytest.approx((0.6, 5.4))
    model = [line for line in found.calibration if line["scorer"] == "model"]
    assert [line["mean_label"] for line in model] == [2.5, 4.5]
    assert [line["mean_prediction"] for line in model] == pytest.approx([2.6, 4.4])


def test_scores_are_clipped_to_the_range_they_should_have():
    found = diagnose([4.0, 2.0, 50.0, 3.0], rating_range=(1, 5))
    assert by_rows(found)["all"]["rmse"] == 0.0
    assert found.warnings == []
    assert (found.edges[0], found.edges[-1]) == pytest.approx((0.6, 5.4))


def test_a_diagnosis_without_items_is_by_query_alone():
    found = diagnose(item=None)
    assert {line["column"] for line in found.errors} == {None, "user_id"}
    assert all("item" not in words for words in [*found.warnings, *found.unchecked])


def test_a_pandas_frame_gives_the_same():
    pandas = pytest.importorskip("pandas")
    frames = {"train": pandas.DataFrame(TRAIN), "rows": pandas.DataFrame(TEST)}
    assert diagnose(**frames) == diagnose()


def test_it_prints_a_table_and_the_alarms():
    lines = str(diagnose()).splitlines()
    assert lines[0].split() == [
        "rows", "number", "rmse", "of", "biases", "mean", "error", "of", "biases",
    ]  # fmt: skip
    assert lines[1].split()[:3] == ["all", "4", "0.1871"]
    assert "No warnings." in lines
    assert any(line.startswith("Not checked: How an unknown user_id") for line in lines)
    text = str(diagnose(np.full(4, 3.0)))
    assert "ALARM: Predictions are nearly constant: standard deviation 0, that of rating" in text
    assert "No warnings." not in text


# --- The warnings ---


def alarms_of(found, words):
    return [alarm for alarm in found.warnings if words in alarm]


def grid(num_users=20, num_items=15, seed=0):
    """A rating of each item by each user: biases, a taste and no noise."""
    rng = np.random.default_rng(seed)
    users, items = (each.ravel() for each in np.mgrid[:num_users, :num_items])
    biases = rng.normal(size=num_users)[users] + rng.normal(size=num_items)[items]
    taste = rng.normal(size=num_users)[users] * rng.normal(size=num_items)[items]
    rows = {"user_id": users, "item_id": items, "rating": 3.0 + biases + taste}
    return rows, rng.normal(size=num_users)[users], rng.normal(size=num_items)[items]


def diagnose_grid(scores, **kwargs):
    rows, *_ = grid()
    return diagnose(scores, rows=rows, train=rows, **kwargs)


def test_a_good_model_has_no_alarm():
    rows, by_user, _ = grid()
    assert diagnose_grid(rows["rating"] + 0.1 * by_user).warnings == []


@pytest.mark.parametrize(("share", "is_constant"), [(0.0, True), (0.009, True), (0.011, False)])
def test_nearly_constant_predictions_are_told(share, is_constant):
    rows, *_ = grid()
    labels = rows["rating"]
    # A standard deviation of that share of the labels'.
    found = diagnose_grid(3.0 + share * (labels - labels.mean()))
    assert len(alarms_of(found, "Predictions are nearly constant: ")) == is_constant
    if is_constant:  # it is said once
        assert alarms_of(found, "within a") == []


def test_a_model_that_ignores_the_item_is_told():
    _, by_user, by_item = grid()
    found = diagnose_grid(3.0 + by_user + 1e-4 * by_item)
    [alarm] = alarms_of(found, "nearly constant")
    assert alarm.startswith("Predictions are nearly constant within a user_id: standard deviation")
    assert "every candidate of a user_id gets the same score. Is item_id a feature" in alarm
    [alarm] = alarms_of(diagnose_grid(3.0 + by_user, item=None), "nearly constant")
    assert "Is what tells its rows apart a feature" in alarm


def test_a_model_that_ignores_the_user_is_told():
    _, _, by_item = grid()
    [alarm] = alarms_of(diagnose_grid(3.0 + by_item), "nearly constant")
    assert alarm.startswith("Predictions are nearly constant within a item_id: standard deviation")
    assert "every user_id gets the same order. Is user_id a feature" in alarm


def test_rows_that_come_twice_are_no_sign_of_an_ignored_item():
    twice = {name: np.repeat(column[[0, 1, 3]], 2) for name, column in TEST.items()}
    found = diagnose(rows=twice)  # each user with one item, a and b with others of their own
    assert alarms_of(found, "nearly constant") == []
    assert found.unchecked[0] == (
        "Whether predictions differ within a user_id: none has two rows of differing item_id."
    )


def test_users_of_one_row_say_nothing_about_an_ignored_item():
    rng = np.random.default_rng(0)
    labels = rng.normal(3, 1, 400)
    items = rng.integers(0, 9, 400)
    users = np.arange(400)
    users[1], items[0], items[1], labels[0], labels[1] = 0, 0, 1, 3.0, 3.1
    rows = {"user_id": users, "item_id": items, "rating": labels}
    # The one user with two rows: 0.05 from the mean each, 5 % of the labels' deviation.
    assert alarms_of(diagnose(labels, rows=rows, train=rows), "nearly constant") == []


def test_a_model_that_is_worse_than_the_biases_is_told():
    rows, *_ = grid()
    baseline = BiasBaseline(rows, ["user_id", "item_id"], label="rating")(rows)
    errors = baseline - rows["rating"]
    rmse = np.sqrt(np.mean(errors**2))
    assert alarms_of(diagnose_grid(rows["rating"] + 1.0005 * errors), "worse than") == []
    [alarm] = alarms_of(diagnose_grid(rows["rating"] + 1.01 * errors), "worse than")
    assert f"RMSE {1.01 * rmse:.4f} against {rmse:.4f}" in alarm
    assert "biases of user_id and item_id" in alarm


def test_predictions_far_outside_the_range_are_told():
    rows, *_ = grid()
    low, high = rows["rating"].min(), rows["rating"].max()
    size = high - low

    def with_one(value, times=1):
        scores = rows["rating"].copy()
        scores[:times] = value
        return alarms_of(diagnose_grid(scores), "outside the range")

    assert with_one(high + 0.09 * size) == []
    [alarm] = with_one(high + 0.11 * size)
    assert f"1 of 300 predictions are far outside the range of rating, {low:g} to {high:g}" in alarm
    assert f"to {high + 0.11 * size:.3g}. Train with" in alarm
    assert f"rating_range=({low:g}, {high:g})" in alarm
    assert with_one(low - 0.11 * size, times=3)[0].startswith("3 of 300 ")


def test_a_handful_among_thousands_is_only_told_if_it_is_wild():
    rng = np.random.default_rng(0)
    ids = {name: rng.integers(0, 9, 4000) for name in ("user_id", "item_id")}
    many = {**ids, "rating": rng.uniform(1, 5, 4000)}
    for farthest, is_told in ((5.9, False), (9.5, True)):
        scores = many["rating"].copy()
        scores[:4] = farthest  # one in a thousand
        found = diagnose(scores, rows=many, train=many)
        assert len(alarms_of(found, "outside the range")) == is_told


def trained(id_dropout_rate):
    rows, _ = rk.data.synthetic_ratings(400, num_users=20, num_items=10)
    features = {
        name: rk.layers.IdEmbedding(
            rk.data.vocabulary(rows[name]), 4, id_dropout_rate=id_dropout_rate
        )
        for name in ("user_id", "item_id")
    }
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([4]))
    return rk.RankingModel(network, label="user_rating"), rows


@pytest.mark.parametrize(("rate", "number"), [(0.0, 2), (0.1, 0)])
def test_a_row_for_unknown_ids_that_was_never_trained_is_told(rate, number):
    model, rows = trained(rate)
    found = rk.evaluation.diagnose(model, rows, train=rows, item="item_id")
    dead = alarms_of(found, "never trained")
    assert len(dead) == number
    line = by_rows(found)["all, as if user_id were unknown"]
    assert line["num_rows"] == 400
    unknown = {**rows, "user_id": ["nobody"] * 400}
    expected = BiasBaseline(rows, ["user_id", "item_id"], label="user_rating")(unknown)
    assert line["biases_mean_error"] == pytest.approx(np.mean(expected - rows["user_rating"]))
    columns = {name: unknown[name] for name in ("user_id", "item_id")}
    scores = np.asarray(model(columns)).reshape(-1)
    expected = np.sqrt(np.mean((scores - rows["user_rating"]) ** 2))
    assert line["rmse"] == pytest.approx(expected, rel=1e-5)
    if dead:
        assert dead[0].startswith("The row for an unknown user_id was never trained")
        assert f"With user_id unknown the RMSE is {line['rmse']:.4f}" in dead[0]
        assert "Give the layer id_dropout_rate=0.1" in dead[0]
    assert found.unchecked == []


def test_scores_of_unknown_ids_are_clipped_as_the_others_are():
    model, rows = trained(0.1)
    found = rk.evaluation.diagnose(model, rows, train=rows, rating_range=(3.4, 3.6))
    clipped = by_rows(found)["all, as if user_id were unknown"]
    columns = {"user_id": ["nobody"] * 400, "item_id": rows["item_id"]}
    assert np.asarray(model(columns)).max() < 3.4  # as the untrained network scores
    assert clipped["mean_error"] == pytest.approx(np.mean(3.4 - rows["user_rating"]), rel=1e-5)


def test_an_exported_file_scores_unknown_ids_but_shows_no_layer(tmp_path):
    model, rows = trained(0.0)
    rk.export.save(model, tmp_path / "1")
    scorer = rk.export.load(tmp_path / "1")
    settings: dict[str, Any] = {"train": rows, "item": "item_id", "label": "user_rating"}
    found = rk.evaluation.diagnose(scorer, rows, **settings)
    live = rk.evaluation.diagnose(model, rows, **settings)
    assert alarms_of(found, "never trained") == []
    assert [line["rows"] for line in found.errors] == [line["rows"] for line in live.errors]
    for one, other in zip(found.errors, live.errors, strict=True):
        assert one["rmse"] == pytest.approx(other["rmse"], rel=1e-5)
    assert found.unchecked == [
        f"Whether the row for an unknown {name} was trained: the scorer does not show its "
        "IdEmbedding. Give the live model, or load its .keras file."
        for name in ("user_id", "item_id")
    ]


# --- Bad input, and too little ---


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"label": None}, TypeError, "label must be the name of a column.*does not tell"),
        ({"query": "user"}, ValueError, "Unknown column 'user'.*Did you mean 'user_id'"),
        ({"item": "item"}, ValueError, "Unknown column 'item'.*Did you mean 'item_id'"),
        ({"label": "ratin"}, ValueError, "Unknown column 'ratin'.*Did you mean 'rating'"),
        ({"label": "user_id"}, TypeError, "label 'user_id' must be a number"),
        ({"train": {k: TRAIN[k] for k in ("item_id", "rating")}}, ValueError,
         "Unknown column 'user_id'. Known: 'item_id', 'rating'"),
        ({"train": {k: TRAIN[k] for k in ("user_id", "rating")}}, ValueError,
         "Unknown column 'item_id'. Known: 'user_id', 'rating'"),
        ({"train": {name: [] for name in TRAIN}}, ValueError, "at least one row"),
        ({"rows": {name: [] for name in TEST}}, ValueError, "at least one row"),
        ({"rows": {**TEST, "rating": np.full(4, 3.0)}}, ValueError,
         "label 'rating' must be of at least two values. Got: label 'rating'=3.0. Give rows"),
        ({"rating_range": (5, 1)}, ValueError, "lowest < highest"),
        ({"num_bins": 1}, ValueError, "num_bins must be a whole number of at least 2"),
        ({"scorer": lambda columns: np.full(4, np.nan)}, ValueError, "scores must be finite"),
    ],
)  # fmt: skip
def test_what_cannot_be_diagnosed_is_refused(kwargs, error, words):
    with pytest.raises(error, match=words):
        diagnose(**kwargs)


def test_one_user_and_one_item_give_what_there_is():
    one_user = {**TEST, "user_id": np.full(4, "a")}
    found = diagnose(rows={**one_user, "item_id": np.array(["x", "y", "z", "new"])})
    assert found.unchecked[0] == (
        "Whether predictions differ within a item_id: none has two rows of differing user_id."
    )
    found = diagnose(rows={**TEST, "item_id": np.full(4, "x"), "user_id": np.array([*"abcd"])})
    assert found.unchecked[0] == (
        "Whether predictions differ within a user_id: none has two rows of differing item_id."
    )
    assert found.warnings == []


def test_logits_of_clicks_are_not_judged_as_chances():
    rows = {"user_id": ["a", "a", "b", "b"], "item_id": ["x", "y", "x", "y"]}
    rows |= {"click": [1.0, 0.0, 0.0, 1.0], "logit": [9.0, -3.0, -2.0, 4.0]}
    settings = {"train": rows, "item": "item_id", "label": "click"}
    found = rk.evaluation.diagnose(lambda columns: columns["logit"], rows, **settings)
    assert not [alarm for alarm in found.warnings if "outside" in alarm or "worse than" in alarm]
    assert any("scores beyond them, logits as it seems" in text for text in found.unchecked)
    chances = rk.evaluation.diagnose(
        lambda columns: 1 / (1 + np.exp(-np.asarray(columns["logit"]))), rows, **settings
    )
    assert not any("logits" in text for text in chances.unchecked)
