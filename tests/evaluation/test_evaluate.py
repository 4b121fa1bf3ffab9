import itertools

import numpy as np
import pandas as pd
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
    "user_id": np.array(["a", "b", "new", "new"]),
    "item_id": np.array(["z", "y", "x", "other"]),
    "rating": np.array([4.0, 2.0, 5.0, 3.0]),
}


def length(columns):
    return tf.strings.length(columns["item_id"])


def evaluate(scorer=length, rows=TEST, function=rk.evaluate_ranking, **kwargs):
    arguments = {"train": TRAIN, "item": "item_id", "label": "rating", **kwargs}
    return function(scorer, rows, **arguments)


# Both read rows, labels and scores alike.
evaluate_or_diagnose = pytest.mark.parametrize(
    "function", [rk.evaluate_ranking, rk.evaluation.diagnose]
)


def test_metrics_equal_those_computed_by_hand():
    report = evaluate()  # scores 1, 1, 1, 5
    metrics = report.metrics
    assert metrics["rmse"] == pytest.approx(np.sqrt((9 + 1 + 16 + 4) / 4))
    assert metrics["mae"] == pytest.approx((3 + 1 + 4 + 2) / 4)
    # Only the new user has two rows, the worse one first: (7 + 31 / log2(3)) / (31 + 7 / log2(3)).
    discount = 1 / np.log2(3)
    assert metrics["ndcg_at_10"] == pytest.approx((7 + 31 * discount) / (31 + 7 * discount))
    assert metrics["auc"] == 0.0
    # 4 and 5 are relevant: at rank 1 for user a, at rank 2 for the new user.
    assert metrics["mrr"] == pytest.approx((1 + 1 / 2) / 2)
    assert metrics["hit_rate_at_10"] == 1.0
    assert evaluate(k=1).metrics["hit_rate_at_1"] == 0.5


def test_baselines_and_unknown_ids_have_their_own_lines():
    lines = {(line["rows"], line["scorer"]): line for line in evaluate().lines}
    assert list(lines) == [
        (rows, scorer)
        for rows in ("all", "cold-start user_id", "cold-start item_id")
        for scorer in ("model", "biases", "mean")
    ]
    assert lines["cold-start user_id", "model"]["num_rows"] == 2
    assert lines["cold-start item_id", "model"]["num_rows"] == 1
    rmse = np.sqrt(np.mean((TEST["rating"] - 3) ** 2))
    assert lines["all", "mean"]["rmse"] == pytest.approx(rmse)
    assert lines["all", "mean"]["auc"] == 0.5
    assert lines["cold-start item_id", "model"]["rmse"] == 2.0
    assert lines["cold-start item_id", "model"]["auc"] is None  # of one row
    assert lines["cold-start item_id", "model"]["ndcg_at_10"] is None


def test_model_provides_its_label_and_gets_only_its_features():
    features = {"user_id": rk.layers.IdEmbedding(["a", "b"], 2)}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([2]))
    model = rk.RankingModel(network, label="rating")
    model.compile()
    report = rk.evaluate_ranking(model, TEST, train=TRAIN)
    scores = np.asarray(model({"user_id": tf.constant(TEST["user_id"])})).reshape(-1)
    assert report.metrics["mae"] == pytest.approx(np.abs(TEST["rating"] - scores).mean(), rel=1e-6)


@pytest.mark.parametrize("rating_range", [(1, 5), np.array([1.0, 5.0])])
def test_errors_are_computed_from_clipped_scores(rating_range):
    scores = np.array([9.0, 2.0, 5.0, -1.0])
    report = evaluate(lambda columns: scores, rating_range=rating_range)
    assert report.metrics["mae"] == pytest.approx((1 + 0 + 0 + 2) / 4)


def test_report_prints_a_table():
    text = str(evaluate())
    head, first, *_ = text.splitlines()
    assert head.split() == [
        "rows", "scorer", "num_rows", "rmse", "mae", "ndcg_at_10", "mrr", "map_at_10",
        "hit_rate_at_10", "auc",
    ]  # fmt: skip
    assert first.split()[:4] == ["all", "model", "4", "2.7386"]
    assert " - " in text  # an undefined metric


@evaluate_or_diagnose
def test_data_frame_gives_the_same_result(function):
    frames = {"train": pd.DataFrame(TRAIN), "rows": pd.DataFrame(TEST)}
    assert evaluate(function=function, **frames) == evaluate(function=function)


# --- Arrays of scores; all functions read rows, labels and scores alike ---


def compare(scorer, rows, *, train, item, **kwargs):
    return rk.evaluation.compare_rankings({"one": scorer, "other": scorer}, rows, **kwargs)


all_functions = pytest.mark.parametrize(
    "function", [rk.evaluate_ranking, rk.evaluation.diagnose, compare]
)
SCORES = [4.0, 2.5, 3.5, 3.0]


@all_functions
@pytest.mark.parametrize(
    "make",
    [
        list,
        np.array,
        tf.constant,
        lambda scores: np.array(scores)[:, np.newaxis],
        lambda scores: {"score": np.array(scores), "click": np.zeros(4)},
        lambda scores: pd.Series(scores, index=[3, 1, 0, 2]),
    ],
)
def test_array_gives_the_result_of_a_function(function, make):
    expected = evaluate(lambda columns: np.array(SCORES), function=function)
    assert evaluate(make(SCORES), function=function) == expected


def test_metrics_do_not_depend_on_the_number_of_chunks():
    rows, _ = rk.data.synthetic_ratings(20_000, num_users=500, num_items=90, seed=5)
    sizes = []

    def scorer(columns):
        sizes.append(len(columns["item_id"]))
        return tf.strings.length(columns["item_id"])

    report = evaluate(scorer, rows, train=rows, label="user_rating", num_bootstrap=1)
    errors = np.char.str_len(rows["item_id"].astype(str)) - rows["user_rating"]
    assert report.metrics["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert len(sizes) > 1


@all_functions
def test_array_is_not_read_in_chunks(function):
    num_rows = 16_385  # one more than a function gets in a call
    scores = np.linspace(1, 5, num_rows)
    users, items = np.arange(num_rows) % 9, np.arange(num_rows) % 5
    rows = {"user_id": users, "item_id": items, "rating": scores.round()}
    kwargs = {"rows": rows, "train": rows, "function": function}
    assert evaluate(scores, **kwargs) is not None
    message = "one for each of 16385 rows. Got: 32770 scores.* each call, .* pass their array"
    with pytest.raises(ValueError, match=message):
        evaluate(lambda columns: scores, **kwargs)


@all_functions
@pytest.mark.parametrize(
    ("scores", "error", "message"),
    [
        (SCORES[:3], ValueError, r"must have the shape \(4,\) or \(4, 1\).*array of shape \(3,\)"),
        (np.ones((4, 2)), ValueError, r"one score per row .* Got: an array of shape \(4, 2\)"),
        ([1.0, np.nan, 2.0, 3.0], ValueError, "must be finite. Got: nan. Drop those"),
        ([1.0, np.inf, 2.0, 3.0], ValueError, "must be finite. Got: inf. Drop those"),
        ([1.0, None, 2.0, 3.0], TypeError, "must be an array of numbers. Got: .*None"),
        ([*"1234"], TypeError, "must be an array of numbers"),
        (np.ones(4, complex), TypeError, "must be an array of numbers"),
        ({"rate": SCORES, "click": SCORES}, ValueError,
         "Unknown output of scorer.*, a dict of scores 'score'. Known: 'rate', 'click'"),
        (3.0, TypeError, "must be a scorer or an array of scores. Got: scorer.*3.0"),
        ("score", TypeError, "must be a scorer or an array of scores. Got: scorer.*'score'"),
        (None, TypeError, "must be a scorer or an array of scores. Got: scorer.*None"),
    ],
)  # fmt: skip
def test_unsuitable_arrays_raise(function, scores, error, message):
    with pytest.raises(error, match=message):
        evaluate(scores, function=function)


@all_functions
@pytest.mark.parametrize(
    ("table", "got"),
    [
        (np.zeros(4, [("user_id", int), ("rating", float)]).view(np.recarray), "rec.array"),
        (np.ones((4, 2)), "array"),
        ([{"user_id": 1, "rating": 2.0}], r"\[{"),
    ],
)
def test_other_tables_than_dicts_and_data_frames_raise(function, table, got):
    for argument in ("rows",) if function is compare else ("rows", "train"):
        shown = argument.replace("rows", "columns")
        message = f"{shown} must be a dict of arrays or a DataFrame. Got: {shown}={got}"
        with pytest.raises(TypeError, match=message):
            evaluate(function=function, **{argument: table})


@all_functions
@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        (np.array([[*"abcd"]]).T, TypeError, "'user_id' must have a single value in each row"),
        (["a", "b", 3, "new"], TypeError, "but column 'user_id' contains str, int. Convert them"),
        (["a", "b", None, "new"], ValueError, "but column 'user_id' contains None. Drop those"),
        ([None] * 4, ValueError, "must not be missing, but column 'user_id' contains None"),
        (["a", "b", np.nan, "new"], ValueError, "but column 'user_id' contains nan. Drop those"),
        ([1.0, np.nan, 2.0, 3.0], ValueError, "but column 'user_id' contains nan. Drop those"),
        (np.array(["NaT", "2020", "2021", "2022"], "datetime64[D]"), ValueError, "contains NaT"),
    ],
)
def test_missing_and_mixed_ids_raise(function, ids, error, message):
    with pytest.raises(error, match=message):
        evaluate(SCORES, function=function, rows={**TEST, "user_id": ids})


@evaluate_or_diagnose
def test_ids_of_another_type_than_in_training_raise(function):
    message = "column 'user_id' contains {}, and {} there. Convert one of them"
    ids, text, raw = [1, 2, 3, 3], [*"1233"], [b"1", b"2", b"3", b"3"]
    for given, known, kinds in (
        (ids, text, ("numbers", "text")),
        (text, ids, ("text", "numbers")),
    ):
        rows, train = ({**TEST, "user_id": np.array(each)} for each in (given, known))
        with pytest.raises(TypeError, match=message.format(*kinds)):
            evaluate(SCORES, function=function, rows=rows, train=train)
    same = [{**TEST, "user_id": np.array(each)} for each in (text, raw)]
    rows, train = ({**each, "user_id": tf.constant(text)} for each in same)
    expected = str(evaluate(SCORES, function=function, rows=same[0], train=same[0]))
    for given, known in itertools.product([*same, rows], [*same, train]):
        assert str(evaluate(SCORES, function=function, rows=given, train=known)) == expected


@all_functions
def test_labels_of_a_column_of_objects_are_numbers(function):
    rows = {**TEST, "rating": TEST["rating"].astype(object)}
    assert evaluate(SCORES, function=function, rows=rows) == evaluate(SCORES, function=function)


# --- What the scores are ---


CLICKS = {**TEST, "click": np.array([1.0, 0.0, 1.0, 0.0])}
CLICK = {"rows": CLICKS, "train": CLICKS, "label": "click"}
OF_CLICKS = ["log_loss", "normalized_entropy", "calibration", "global_auc"]


def test_mean_label_has_a_normalized_entropy_of_1():
    report = evaluate([0.8, 0.4, 0.6, 0.2], relevant=1, **CLICK)
    mean = next(line for line in report.lines if line["scorer"] == "mean")
    assert mean["normalized_entropy"] == pytest.approx(1.0)


def test_scores_that_are_an_order_are_named_in_a_note():
    report = evaluate([1.5, -9.0, 7.0, -3.0], relevant=1, **CLICK)
    note = report.notes[0]
    assert "only an order, not predictions of 'click': 100% are far outside the range 0 to" in note
    assert note in str(report).splitlines()


def test_biases_that_are_no_probabilities_have_no_log_loss(monkeypatch):
    monkeypatch.setattr(BiasBaseline, "__call__", lambda self, columns: np.array([0.5, 1.1, 0, 0]))
    report = evaluate([0.8, 0.4, 0.6, 0.2], relevant=1, **CLICK)
    lines = {line["scorer"]: line for line in report.lines[:3]}
    assert lines["biases"]["log_loss"] is None
    assert lines["biases"]["calibration"] == pytest.approx(1.6 / 2)
    assert "The log loss of 'biases' is undefined: some predictions are not in" in report.notes[1]


# --- Without queries, and with a single one ---


def test_without_queries_there_are_metrics_over_rows_only():
    report = evaluate([0.8, 0.4, 0.6, 0.2], query=None, item=None, **CLICK)
    assert list(report.metrics) == OF_CLICKS
    assert [line["scorer"] for line in report.lines] == ["model", "mean"]
    assert report.lines[0]["num_queries"] is None
    assert report.lines[0]["log_loss_low"] < report.metrics["log_loss"]
    by_item = evaluate([0.8, 0.4, 0.6, 0.2], query=None, **CLICK)
    assert [line["scorer"] for line in by_item.lines] == ["model", "biases", "mean"]
    assert list(evaluate(SCORES, query=None).metrics) == ["rmse", "mae"]
    rows = {name: column for name, column in TEST.items() if name != "user_id"}
    with pytest.raises(ValueError, match="With query=None there is no metric to compute. The sco"):
        evaluate([-9, 7, 8, 9], query=None, item=None, rows=rows)


def test_a_single_query_has_no_intervals():
    rows = {**TEST, "user_id": np.full(4, "a")}
    report = evaluate(SCORES, rows=rows, train=rows, item=None)
    line = report.lines[0]
    assert line["rmse_low"] is line["rmse_high"] is line["auc_low"] is None
    assert "\N{PLUS-MINUS SIGN}" not in str(report).splitlines()[1]
    assert report.notes[1:] == [
        "A value without \N{PLUS-MINUS SIGN} is that of a single user_id. For intervals over rows, "
        "pass query=None."
    ]


def test_a_metric_that_only_one_query_has_has_no_interval():
    lines = evaluate().lines  # only the new user has two rows
    assert lines[0]["auc"] == 0.0
    assert lines[0]["auc_low"] is None
    assert lines[0]["rmse_low"] < lines[0]["rmse"] < lines[0]["rmse_high"]


# --- Notes ---


@pytest.mark.parametrize(
    ("kwargs", "note"),
    [
        ({"relevant": 6}, "mrr, map_at_10 and hit_rate_at_10 are undefined: no label reaches rele"
         "vant=6; the highest is 5."),
        ({"rows": {**TEST, "rating": [-1, 2, 5, 3]}}, "ndcg_at_10 is undefined: a label is negat"),
        ({"rows": {**TEST, "user_id": [*"abcd"]}}, "auc is undefined: no user_id has rows with di"),
        ({"rows": {**TEST, "user_id": [*"abcd"]}}, "ndcg_at_10 is undefined: no user_id has two r"),
        ({**CLICK, "rows": {**CLICKS, "click": np.zeros(4)}}, "normalized_entropy and global_auc ar"
         "e undefined: all labels are equal."),
        ({**CLICK, "rows": {**CLICKS, "click": np.zeros(4)}}, "calibration is undefined: all labels"
         " are 0."),
    ],
)  # fmt: skip
def test_undefined_metrics_are_explained(kwargs, note):
    report = evaluate([0.9, 0.5, 0.8, 1.0], rating_range=(0, 5), **kwargs)
    assert any(note in each for each in report.notes)
    assert report.notes == str(report).splitlines()[-len(report.notes) :]


def test_intervals_depend_on_confidence_and_seed():
    rng = np.random.default_rng(0)
    rows = {"user_id": np.arange(40) // 2, "rating": rng.normal(3, 1, 40)}

    def interval(**kwargs):
        line = evaluate(np.full(40, 3.0), rows=rows, train=rows, item=None, **kwargs).lines[0]
        return line["rmse_low"], line["rmse_high"]

    assert interval(seed=1) == interval(seed=1) != interval(seed=2)
    low, high = interval(confidence=0.5)
    assert interval()[0] < low < high < interval()[1]


@evaluate_or_diagnose
@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"label": None}, TypeError, "label must be the name of a column.*no label of its own"),
        ({"query": "user"}, ValueError, "Unknown column 'user'.*Did you mean 'user_id'"),
        ({"item": "item"}, ValueError, "Unknown column 'item'.*Did you mean 'item_id'"),
        ({"label": "ratin"}, ValueError, "Unknown column 'ratin'.*Did you mean 'rating'"),
        ({"rows": {**TEST, "rating": [[4.0]] * 4}}, TypeError, "must have a single value in each"),
        ({"label": "user_id"}, TypeError, "must be numbers, but column 'user_id' contains 'a'"),
        ({"train": {k: TRAIN[k] for k in ("item_id", "rating")}}, ValueError,
         "Unknown column 'user_id'. Known: 'item_id', 'rating'"),
        ({"train": {name: [] for name in TRAIN}}, ValueError, "at least one row"),
        ({"rows": {name: [] for name in TEST}}, ValueError, "at least one row"),
        ({"rows": {**TEST, "rating": [1.0, np.nan, 2.0, 3.0]}}, ValueError,
         "Labels must be finite, but column 'rating' contains nan"),
        ({"rows": {**TEST, "rating": [1, 2**24 + 1, 2, 3]}}, ValueError,
         "Column 'rating' must not have numbers beyond 2.24 .*that float32 rounds. Got: 16777217"),
        ({"scorer": lambda columns: np.full(4, np.nan)}, ValueError, "finite"),
        ({"scorer": lambda columns: np.zeros(3)}, ValueError, "one for each of 4 rows"),
    ],
)  # fmt: skip
def test_unsuitable_rows_and_scores_raise(function, kwargs, error, message):
    with pytest.raises(error, match=message):
        evaluate(function=function, **kwargs)


def test_transitions_are_a_baseline_of_rows_with_histories():
    """A scorer that is the transitions themselves has the metrics of the baseline."""
    rng = np.random.default_rng(0)
    rows = {
        "user_id": np.repeat([f"u{i}" for i in range(20)], 8),
        "item_id": [f"i{i}" for i in rng.integers(0, 9, 160)],
        "rating": rng.integers(1, 6, 160).astype(float),
        "timestamp": rng.permutation(160),
    }
    train, test = rk.data.time_split(rows, test_fraction=0.5, timestamp="timestamp")
    test = rk.data.InteractionLog(rows).add_histories(test)
    arguments: dict = {"train": train, "item": "item_id", "label": "rating"}
    arguments["timestamp"] = "timestamp"
    report = rk.evaluate_ranking(rk.models.ItemTransitions(train), test, **arguments)
    lines = {line["scorer"]: line for line in report.lines if line["rows"] == "all"}
    assert list(lines) == ["model", "biases", "mean", "transitions"]
    for name in ("ndcg_at_10", "mrr", "auc"):
        assert lines["transitions"][name] == lines["model"][name]
    assert lines["transitions"]["auc"] != 0.5
    for change, message in (
        ({"train": None}, "timestamp must be None without train"),
        ({"item": None}, "timestamp must be None without query and item"),
        ({"timestamp": "time"}, "Unknown column 'time'"),
    ):
        changed: dict = {**arguments, **change}
        with pytest.raises(ValueError, match=message):
            rk.evaluate_ranking(lambda columns: columns["rating"], test, **changed)
    del test["history_item_id"]
    with pytest.raises(ValueError, match="without the column 'history_item_id'"):
        rk.evaluate_ranking(np.ones(80), test, **arguments)
