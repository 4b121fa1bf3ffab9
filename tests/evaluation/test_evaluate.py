import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

TRAIN = {
    "user_id": np.array(["a", "a", "b", "b", "c"]),
    "item_id": np.array(["x", "y", "x", "z", "y"]),
    "rating": np.array([5.0, 3.0, 4.0, 1.0, 2.0]),
}
TEST = {
    "user_id": np.array(["a", "b", "new", "new"]),
    "item_id": np.array(["z", "y", "x", "unseen"]),
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
    report = evaluate()  # scores 1, 1, 1, 6
    metrics = report.metrics
    assert metrics["rmse"] == pytest.approx(np.sqrt((9 + 1 + 16 + 9) / 4))
    assert metrics["mae"] == pytest.approx((3 + 1 + 4 + 3) / 4)
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
    assert lines["cold-start item_id", "model"]["rmse"] == 3.0
    assert lines["cold-start item_id", "model"]["auc"] is None  # of one row
    assert lines["cold-start item_id", "model"]["ndcg_at_10"] is None


def test_model_provides_its_label_and_gets_only_its_features():
    features = {"user_id": rk.layers.IdEmbedding(["a", "b"], 2)}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([2]))
    model = rk.RankingModel(network, label="rating")
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
        "rows", "scorer", "num_rows", "rmse", "mae", "ndcg_at_10", "mrr", "hit_rate_at_10", "auc",
    ]  # fmt: skip
    assert first.split()[:4] == ["all", "model", "4", "2.9580"]
    assert " - " in text  # an undefined metric


@evaluate_or_diagnose
def test_data_frame_gives_the_same_result(function):
    pandas = pytest.importorskip("pandas")
    frames = {"train": pandas.DataFrame(TRAIN), "rows": pandas.DataFrame(TEST)}
    assert evaluate(function=function, **frames) == evaluate(function=function)


def test_intervals_depend_on_confidence_and_seed():
    rng = np.random.default_rng(0)
    rows = {"user_id": np.arange(40) // 2, "rating": rng.normal(3, 1, 40)}

    def interval(**kwargs):
        report = evaluate(lambda columns: np.zeros(40), rows=rows, train=rows, item=None, **kwargs)
        return report.lines[0]["rmse_low"], report.lines[0]["rmse_high"]

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
        ({"label": "user_id"}, TypeError, "must be numbers, but column 'user_id' contains 'a'"),
        ({"train": {k: TRAIN[k] for k in ("item_id", "rating")}}, ValueError,
         "Unknown column 'user_id'. Known: 'item_id', 'rating'"),
        ({"train": {name: [] for name in TRAIN}}, ValueError, "at least one row"),
        ({"rows": {name: [] for name in TEST}}, ValueError, "at least one row"),
        ({"rows": {**TEST, "rating": [1.0, np.nan, 2.0, 3.0]}}, ValueError,
         "Labels must be finite, but column 'rating' contains nan"),
        ({"scorer": lambda columns: np.full(4, np.nan)}, ValueError, "finite"),
        ({"scorer": lambda columns: np.zeros(3)}, ValueError, "one for each of 4 rows"),
    ],
)  # fmt: skip
def test_unsuitable_rows_and_scores_raise(function, kwargs, error, message):
    with pytest.raises(error, match=message):
        evaluate(function=function, **kwargs)


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be .* of at least 1"),
        ({"num_bootstrap": True}, ValueError, "num_bootstrap must be .* of at least 1"),
        ({"seed": -1}, ValueError, "seed must be .* of at least 0"),
        ({"relevant": "4"}, TypeError, "relevant must be a number. Got: relevant='4'"),
        ({"confidence": 1.0}, ValueError, "confidence must be a number between 0 and 1"),
        ({"confidence": "0.9"}, ValueError, "confidence must be a number between 0 and 1"),
        ({"rating_range": (5, 1)}, ValueError, "rating_range must be .*lowest < highest"),
        ({"rating_range": "15"}, ValueError, "rating_range must be .*lowest < highest"),
        ({"rating_range": (1, 3, 5)}, ValueError, "rating_range must be .*lowest < highest"),
    ],
)
def test_invalid_arguments_raise(kwargs, error, message):
    with pytest.raises(error, match=message):
        evaluate(**kwargs)
