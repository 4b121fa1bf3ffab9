import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.evaluation import BiasBaseline
from rankkit.evaluation.metrics import bootstrap_means

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


def evaluate(scorer=lambda columns: tf.strings.length(columns["item_id"]), **kwargs):
    settings = {"train": TRAIN, "item": "item_id", "label": "rating", **kwargs}
    return rk.evaluate_ranking(scorer, settings.pop("rows", TEST), **settings)


def test_the_values_are_those_by_hand():
    report = evaluate()  # scores 1, 1, 1, 6
    metrics = report.metrics
    assert metrics["rmse"] == pytest.approx(np.sqrt((9 + 1 + 16 + 9) / 4))
    assert metrics["mae"] == pytest.approx((3 + 1 + 4 + 3) / 4)
    # Only the new user has two rows, the worse one first: (7 + 31 / log2(3)) / (31 + 7 / log2(3)).
    discount = 1 / np.log2(3)
    assert metrics["ndcg_at_10"] == pytest.approx((7 + 31 * discount) / (31 + 7 * discount))
    assert metrics["auc"] == 0.0
    # Relevant are 4 and 5: at the first place of user a, the second of the new one.
    assert metrics["mrr"] == pytest.approx((1 + 1 / 2) / 2)
    assert metrics["hit_rate_at_10"] == 1.0
    assert evaluate(k=1).metrics["hit_rate_at_1"] == 0.5


def test_baselines_and_unknown_ids_have_lines_of_their_own():
    lines = evaluate().lines
    named = {(line["rows"], line["scorer"]): line for line in lines}
    assert list(named) == [
        (rows, scorer)
        for rows in ("all", "unknown user_id", "unknown item_id")
        for scorer in ("model", "biases", "mean")
    ]
    assert named["unknown user_id", "model"]["num_rows"] == 2
    assert named["unknown item_id", "model"]["num_rows"] == 1
    assert named["all", "mean"]["rmse"] == pytest.approx(
        np.sqrt(np.mean((TEST["rating"] - 3) ** 2))
    )
    assert named["all", "mean"]["auc"] == 0.5
    assert named["unknown item_id", "model"]["auc"] is None


def test_a_model_names_its_label_and_takes_its_own_columns():
    features = {"user_id": rk.layers.IdEmbedding(["a", "b"], 2)}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([2]))
    model = rk.RankingModel(network, label="rating")
    report = rk.evaluate_ranking(model, TEST, train=TRAIN)
    scores = np.asarray(model({"user_id": tf.constant(TEST["user_id"])})).reshape(-1)
    assert report.metrics["mae"] == pytest.approx(np.abs(TEST["rating"] - scores).mean(), rel=1e-6)


def test_errors_are_of_scores_within_the_range():
    report = evaluate(lambda columns: np.array([9.0, 2.0, 5.0, -1.0]), rating_range=(1, 5))
    assert report.metrics["mae"] == pytest.approx((1 + 0 + 0 + 2) / 4)


def test_it_prints_a_table():
    text = str(evaluate())
    head, first, *_ = text.splitlines()
    assert head.split() == [
        "rows", "scorer", "number", "rmse", "mae", "ndcg_at_10", "mrr", "hit_rate_at_10", "auc",
    ]  # fmt: skip
    assert first.split()[:4] == ["all", "model", "4", "2.9580"]
    assert " - " in text  # what no query has


def test_a_pandas_frame_gives_the_same():
    pandas = pytest.importorskip("pandas")
    frames = {"train": pandas.DataFrame(TRAIN), "rows": pandas.DataFrame(TEST)}
    assert evaluate(**frames).lines == evaluate().lines


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        sizes = rng.integers(1, 6, size=60)
        means = rng.normal(size=60)  # rows of a query are alike
        sums = np.array([[rng.normal(m, 1, n).sum()] for m, n in zip(means, sizes, strict=True)])
        drawn = bootstrap_means(sums, sizes[:, None].astype(float), num_samples=300, seed=trial)
        low, high = np.quantile(drawn, [0.05, 0.95])
        held += low <= 0 <= high
    assert 0.82 <= held / 200 <= 0.96


def test_draws_in_parts_are_as_good(monkeypatch):
    sums, counts = np.arange(10.0)[:, None], np.ones((10, 1))
    whole = bootstrap_means(sums, counts, num_samples=500, seed=1)
    monkeypatch.setattr("rankkit.evaluation.metrics._WEIGHTS_AT_ONCE", 100)
    parts = bootstrap_means(sums, counts, num_samples=500, seed=1)
    assert parts.shape == whole.shape
    assert parts.std() == pytest.approx(whole.std(), rel=0.2)
    assert np.isnan(bootstrap_means(sums, counts * 0, num_samples=2, seed=1)).all()


# --- Baselines ---


def test_biases_are_the_least_squares_solution():
    rng = np.random.default_rng(1)
    rows = {
        "user_id": rng.integers(0, 6, 80),
        "item_id": rng.integers(0, 5, 80),
        "rating": rng.normal(3, 1, 80),
    }
    baseline = BiasBaseline(rows, ["user_id", "item_id"], label="rating", regularization=2.0)
    # The same as ridge regression on one column an id.
    design = np.hstack([np.eye(6)[rows["user_id"]], np.eye(5)[rows["item_id"]]])
    mean = rows["rating"].mean()
    ridge = design.T @ design + 2.0 * np.eye(11)
    solution = np.linalg.solve(ridge, design.T @ (rows["rating"] - mean))
    np.testing.assert_allclose(baseline(rows), mean + design @ solution, atol=1e-4)


def test_an_unknown_id_has_no_bias():
    baseline = BiasBaseline(TRAIN, ["user_id"], label="rating")
    assert baseline({"user_id": ["new"]}) == [3.0]
    assert baseline({"user_id": tf.constant(["new"])}) == [3.0]
    assert baseline({"user_id": tf.constant(["a"])}) == baseline({"user_id": ["a"]})
    with pytest.raises(ValueError, match="regularization must be a number of at least 0"):
        BiasBaseline(TRAIN, ["user_id"], label="rating", regularization=-1.0)


# --- Bad input ---


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"label": None}, TypeError, "label must be the name of a column.*does not tell"),
        ({"query": "user"}, ValueError, "Unknown column 'user'.*'user_id'"),
        ({"item": "item"}, ValueError, "Unknown column 'item'.*'item_id'"),
        ({"label": "user_id"}, TypeError, "label 'user_id' must be a number"),
        ({"k": 0}, ValueError, "k must be a whole number of at least 1"),
        ({"num_bootstrap": True}, ValueError, "num_bootstrap must be a whole number"),
        ({"confidence": 1.0}, ValueError, "confidence must be between 0 and 1"),
        ({"rating_range": (5, 1)}, ValueError, "lowest < highest"),
        ({"rows": {name: [] for name in TEST}}, ValueError, "at least one row"),
        ({"rows": {**TEST, "rating": [1.0, np.nan, 2.0, 3.0]}}, ValueError, "label 'rating' must"),
        ({"scorer": lambda columns: np.full(4, np.nan)}, ValueError, "scores must be finite"),
        ({"scorer": lambda columns: np.zeros(3)}, ValueError, "one for each of 4 rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated_is_refused(kwargs, error, words):
    with pytest.raises(error, match=words):
        evaluate(**kwargs)


def test_one_user_and_one_item_give_what_there_is():
    rows = {"user_id": ["a"], "item_id": ["x"], "rating": [5.0]}
    metrics = evaluate(rows=rows, train=rows).metrics
    assert metrics["ndcg_at_10"] is None
    assert metrics["auc"] is None
    assert metrics["rmse"] == 4.0
