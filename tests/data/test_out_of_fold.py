import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rankkit as rk

out_of_fold = rk.data.out_of_fold
QUERIES = np.repeat(np.arange(10), np.arange(1, 11))  # 55 rows
ROWS = {"query_id": QUERIES, "row": np.arange(55)}


def predict_unseen(train):
    """Predicts 1 for rows of other queries and rows than those of the training rows."""
    seen = set(train["query_id"].tolist()), set(train["row"].tolist())
    assert train["row"].tolist() == sorted(seen[1])  # in the original order
    return lambda rows: np.array(
        [
            [query not in seen[0], row not in seen[1], row]
            for query, row in zip(rows["query_id"], rows["row"], strict=True)
        ],
        np.float32,
    )


@pytest.mark.parametrize("kind", [dict, pd.DataFrame, pa.table])
def test_model_has_not_seen_the_rows_or_the_groups(kind):
    predictions, predict = out_of_fold(predict_unseen, kind(ROWS), group="query_id", num_folds=3)
    assert predictions[:, :2].all()
    assert predictions[:, 2].tolist() == ROWS["row"].tolist()
    assert not predict(ROWS)[:, :2].any()  # fitted to all rows
    predictions, _ = out_of_fold(predict_unseen, kind(ROWS), num_folds=55)
    assert predictions[:, 1].all()
    assert not predictions[1:, 0].any()  # query 0 has one row


def test_seed_determines_the_folds():
    def fit(train):
        return lambda rows: [len(train["row"]) + train["row"].sum()] * len(rows["row"])

    found = [out_of_fold(fit, ROWS, seed=seed)[0].tolist() for seed in (1, 1, 2)]
    assert found[0] == found[1] != found[2]
    assert len(set(found[0])) == 5


def constant(value, rows=None):
    def fit(train):
        return lambda rest: np.full((len(rest["row"]) if rows is None else rows,), value)

    return fit


@pytest.mark.parametrize(
    ("fit", "arguments", "error", "text"),
    [
        (3, {}, TypeError, "fit must be a function of rows"),
        (lambda rows: 3, {}, TypeError, "The result of fit must be a function of rows. Got: 3"),
        (constant(math.nan), {}, ValueError, "Each prediction of fit must be finite. Got: nan"),
        (constant("x"), {}, TypeError, r"The predictions of fit must be numbers. Got: \['x'"),
        (constant(0.5, rows=7), {}, ValueError, r"must be of the shape \(11,\) or \(11, n\).*\(7,"),
        (
            lambda train: lambda rest: np.zeros((len(rest["row"]), train["row"][0] % 2 + 1)),
            {"num_folds": 55},
            ValueError,
            r"must be of one shape in each row.*'\(.,\) and \(.,\)'",
        ),
        (
            lambda train: lambda rest: np.zeros((len(rest["row"]), 2), int),
            {},
            ValueError,
            "several integers in each row, such as leaf indices",
        ),
        (constant(0), {"group": "query"}, ValueError, "Unknown group 'query'.*mean 'query_id'"),
        (
            constant(0),
            {"group": "query_id", "num_folds": 11},
            ValueError,
            "at most 10, the number of distinct values of column 'query_id'",
        ),
    ],
)
def test_wrong_arguments_are_refused(fit, arguments, error, text):
    with pytest.raises(error, match=text):
        out_of_fold(fit, ROWS, **arguments)


def test_network_may_be_fitted():
    rows = {"item": ["a", "b"] * 4, "rating": [1.0, 2.0] * 4}

    def fit(train):
        network = rk.models.tower({"item": rk.layers.IdEmbedding(["a", "b"], 2)}, hidden_units=[])
        model = rk.RankingModel(network, label="rating")
        model.compile("adam")
        model.fit(rk.data.batches(train, 4), verbose=0)
        return model

    predictions, model = out_of_fold(fit, rows, num_folds=2)
    assert predictions.shape == (8, 1) == model(rows).shape
