"""Scorers of trees: models of scikit-learn, and stubs with the attributes of the libraries."""

import json
import math
import types
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rankkit as rk
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

TreeScorer = rk.models.TreeScorer
RNG = np.random.default_rng(1)
MATRIX = RNG.normal(size=(120, 3)).astype(np.float32)
MATRIX[::7, 1] = np.nan
LABELS = (np.nan_to_num(MATRIX[:, 1]) + MATRIX[:, 0] > 0.2).astype(int)
NAMES = ["a", "b", "c"]
ROWS = {
    "query_id": np.repeat(np.arange(12), 10),
    "item_id": np.arange(120) % 20,
    "features": MATRIX,
    **dict(zip(NAMES, MATRIX.T, strict=True)),
    "label": LABELS,
}
REGRESSOR = HistGradientBoostingRegressor(max_iter=5).fit(MATRIX, LABELS)
CLASSIFIER = HistGradientBoostingClassifier(max_iter=5).fit(MATRIX, LABELS)


class Stub:
    """A fitted model that sums its features, where NaN counts 10."""

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def predict(self, matrix, **options):
        assert (matrix.dtype, options) == (np.float32, {})
        return np.where(np.isnan(matrix), 10, matrix).sum(axis=1)


def lightgbm(
    objective: Any = "lambdarank", names=("Column_0", "Column_1", "Column_2"), **attributes
):
    return Stub(
        num_feature=lambda: 3,
        feature_name=lambda: list(names),
        dump_model=lambda num_iteration: {"objective": objective} if objective else {},
        pandas_categorical=None,
        **attributes,
    )


def xgboost(objective="rank:ndcg", names=None, types_=None, has_categories=False):
    booster = Stub(
        num_features=lambda: 3,
        feature_names=names,
        feature_types=types_,
        save_config=lambda: json.dumps({"learner": {"objective": {"name": objective}}}),
        get_categories=lambda: types.SimpleNamespace(empty=lambda: not has_categories),
    )
    vars(booster)["inplace_predict"] = booster.predict
    vars(booster)["predict"] = lambda matrix: pytest.fail("needs a DMatrix")
    return booster


def classes(scorer):
    """A classifier of LightGBM or XGBoost for scikit-learn."""
    return Stub(booster_=scorer, classes_=np.array([0, 1]), predict_proba=lambda matrix: 1 / 0)


@pytest.mark.parametrize("features", ["features", NAMES])
@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (REGRESSOR, REGRESSOR.predict(MATRIX)),
        (CLASSIFIER, CLASSIFIER.predict_proba(MATRIX)[:, 1]),
        (make_pipeline(FunctionTransformer(), CLASSIFIER), CLASSIFIER.predict_proba(MATRIX)[:, 1]),
        (lightgbm(), Stub().predict(MATRIX)),
        (Stub(booster_=lightgbm(), predict=None), None),
        (classes(lightgbm("binary sigmoid:1")), Stub().predict(MATRIX)),
        (xgboost(), Stub().predict(MATRIX)),
        (Stub(), Stub().predict(MATRIX)),
    ],
    ids=[
        *("regressor", "classifier", "pipeline", "lightgbm", "ranker", "lightgbm classifier"),
        *("xgboost", "other"),
    ],
)
def test_scores_are_those_of_the_model(features, model, expected):
    if expected is None:
        model.predict, expected = (lambda matrix: 1 / 0), Stub().predict(MATRIX)
    scorer = TreeScorer(model, features, label="label")
    np.testing.assert_allclose(scorer(ROWS), expected, rtol=1e-6)
    assert scorer(ROWS).shape == (120,)
    query, item = ("query_id", "item_id")
    found = rk.evaluate_ranking(scorer, ROWS, query=query, item=item, label="label")
    direct = rk.evaluate_ranking(expected, ROWS, query=query, item=item, label="label")
    assert found.metrics["ndcg_at_10"] == direct.metrics["ndcg_at_10"]
    compared = rk.evaluation.compare_rankings(
        {"trees": scorer, "scores": expected}, ROWS, query=query, label="label"
    )
    assert "trees" in str(compared)
    candidates = {**{name: ROWS[name] for name in np.ravel(features)}, "item_id": np.arange(120)}
    ranked = rk.rank(scorer, {}, candidates, k=5)
    best = np.argsort(-expected, kind="stable")[:5]
    assert [each["item_id"] for each, _ in ranked] == best.tolist()


def test_query_and_candidate_columns_are_stacked_in_order():
    class Positions(Stub):
        def predict(self, matrix, **options):
            return matrix @ np.array([1, 10, 100], np.float32)

    scorer = TreeScorer(Positions(), ["c", "a", "b"])
    found = rk.rank(scorer, {"a": 2.0}, {"b": [3, 4], "c": [True, False]})
    assert found == [({"b": 4, "c": False}, 420.0), ({"b": 3, "c": True}, 321.0)]
    several = rk.rank(scorer, {"a": [2.0, 5.0]}, {"b": [3, 4], "c": [True, False]}, k=1)
    assert several == [[found[0]], [({"b": 4, "c": False}, 450.0)]]
    assert rk.rank(TreeScorer(Stub(), ["a"]), {}, {"a": [1.0, math.nan]})[0][1] == 10.0


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        (REGRESSOR, "estimate"),
        (CLASSIFIER, "probability"),
        (Stub(_estimator_type="regressor"), "estimate"),
        (Stub(_estimator_type="ranker"), None),
        (Stub(), None),
        (lightgbm("lambdarank"), "order"),
        (lightgbm("rank_xendcg"), "order"),
        (lightgbm("binary sigmoid:1"), "probability"),
        (lightgbm("regression sqrt"), "estimate"),
        (lightgbm("cross_entropy_lambda"), None),
        (lightgbm(None), None),  # a function
        (xgboost("rank:ndcg"), "order"),
        (xgboost("binary:logistic"), "probability"),
        (xgboost("binary:logitraw"), "logit"),
        (xgboost("binary:hinge"), None),
        (xgboost("reg:squarederror"), "estimate"),
        (classes(lightgbm(None)), None),
        (Stub(get_booster=lambda: xgboost("rank:map")), "order"),
    ],
)
def test_score_kind_is_that_of_the_objective(model, kind):
    assert TreeScorer(model, "features").score_kind == kind


def test_report_and_diagnosis_take_trees(tmp_path):
    train = {name: column[:80] for name, column in ROWS.items()}
    arguments: Any = {"query": "query_id", "item": "item_id"}
    for model in (REGRESSOR, CLASSIFIER, lightgbm()):
        for features in ("features", NAMES):
            scorer = TreeScorer(model, features, label="label")
            text = str(rk.evaluation.diagnose(scorer, ROWS, train=train, **arguments))
            is_order = scorer.score_kind == "order"
            assert ("are only an order" in text) == is_order
            path = tmp_path / "report.html"
            rk.evaluation.html_report(path, scorer, ROWS, train=train, **arguments)
            assert path.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("model", "features", "error", "text"),
    [
        (3, "features", TypeError, "model must be a fitted model with a method predict. Got: .*3"),
        (REGRESSOR, ["a", "b"], ValueError, r"features must be the names of 3 columns.*\['a', 'b'"),
        (Stub(), [], ValueError, "features must be the names of the columns"),
        (Stub(), [1], TypeError, r"features\[0\] must be the name of a column. Got: .*1"),
        (Stub(), {"a"}, TypeError, "features must be the name of a matrix column, or a list"),
        (
            lightgbm(names=["b", "a", "c"]),
            NAMES,
            ValueError,
            r"features\[0\] must be 'b', as in the training data.*Pass \['b', 'a', 'c'\]",
        ),
        (xgboost(names=["a", "c", "b"]), NAMES, ValueError, r"features\[1\] must be 'c'"),
        (
            HistGradientBoostingRegressor(max_iter=1).fit(
                pd.DataFrame(MATRIX, columns=["c", "b", "a"]), LABELS
            ),
            NAMES,
            ValueError,
            r"features\[0\] must be 'c'",
        ),
        (lightgbm("multiclass num_class:3"), "x", ValueError, "objective of model must be one"),
        (xgboost("multi:softmax"), "x", ValueError, "objective of model must be one with a single"),
        (Stub(classes_=[1, 2]), "x", ValueError, r"classes of model must be two.*Got: \[1, 2\]"),
        (LinearSVC().fit([[0], [1]], [0, 1]), "x", ValueError, "probabilities from predict_proba"),
        (
            Stub(**{**vars(lightgbm()), "pandas_categorical": [["x", "y"]]}),
            "x",
            ValueError,
            "training data of model must be numbers. Got: 'category columns'",
        ),
        (
            xgboost(types_=["float", "c", "float"], has_categories=True),
            "x",
            ValueError,
            "training data of model must be numbers. Got: 'category columns'",
        ),
    ],
    ids=range(14),
)
def test_models_that_do_not_fit_are_refused(model, features, error, text):
    with pytest.raises(error, match=text):
        TreeScorer(model, features)


def test_codes_given_as_integers_are_read():
    assert TreeScorer(xgboost(types_=["c", "float", "float"]), "features")(ROWS).shape == (120,)


@pytest.mark.parametrize(
    ("scorer", "rows", "error", "text"),
    [
        (
            TreeScorer(REGRESSOR, "features"),
            {"features": MATRIX[:, :2]},
            ValueError,
            "'features' must have the shape .rows, 3",
        ),
        (TreeScorer(REGRESSOR, NAMES), {"a": [1.0], "b": [1.0]}, ValueError, "Missing feature 'c'"),
        (TreeScorer(Stub(), ["a"]), {"a": ["x"]}, TypeError, "'a' has dtype string.*numbers"),
        (TreeScorer(Stub(), ["a"]), {"a": [2**24 + 1]}, ValueError, "'a' must not have .* 2.24"),
        (
            TreeScorer(Stub(predict=lambda matrix: matrix), "x"),
            {"x": MATRIX},
            ValueError,
            r"predictions of model must be \(120,\), one score per row. Got: \(120, 3\)",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(scorer, rows, error, text):
    with pytest.raises(error, match=text):
        scorer(rows)


def test_errors_of_the_model_are_not_hidden():
    unfitted = HistGradientBoostingRegressor()
    with pytest.raises(Exception, match="not fitted yet"):
        TreeScorer(unfitted, "features")(ROWS)


def test_error_for_a_bare_model_names_the_scorer():
    for call in (
        lambda: rk.rank(REGRESSOR, {}, {"a": [1.0]}),
        lambda: rk.evaluate_ranking(REGRESSOR, ROWS, query="query_id", label="label"),
        lambda: rk.evaluation.compare_rankings(
            {"a": REGRESSOR, "b": REGRESSOR}, ROWS, query="query_id", label="label"
        ),
    ):
        with pytest.raises(TypeError, match=r"Wrap it: rankkit\.models\.TreeScorer"):
            call()
