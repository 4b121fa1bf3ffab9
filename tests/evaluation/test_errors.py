"""Errors of the functions of `rankkit.evaluation`, which name the argument and show its value.

Values of another type are tested for all arguments in tests/test_arguments.py.
"""

import numpy as np
import pytest
import rankkit as rk

E = rk.evaluation
ROWS = {"user_id": [*"aabb"], "item_id": [*"xyxy"], "rating": np.array([5.0, 3.0, 4.0, 1.0])}
SCORES, FEW = ROWS["rating"], [1.0]
EQUAL = {**ROWS, "rating": np.full(4, 3.0)}
SINGLE = {**ROWS, "user_id": [*"abcd"]}
EMPTY = {name: [] for name in ROWS}


def evaluate(**change):
    return rk.evaluate_ranking(SCORES, ROWS, **{"train": ROWS, "label": "rating", **change})


def diagnose(rows=ROWS, **change):
    return E.diagnose(SCORES, rows, **{"train": ROWS, "label": "rating", **change})


def compare(scorers=None, **change):
    scorers = {"a": SCORES, "b": SCORES} if scorers is None else scorers
    return E.compare_rankings(scorers, ROWS, **{"label": "rating", **change})


def biases(ids=("user_id",), **change):
    return E.BiasBaseline(ROWS, ids, label="rating", **change)


ERRORS = [
    (lambda: evaluate(k=0), "k must be .* of at least 1"),
    (lambda: evaluate(num_bootstrap=0), "num_bootstrap must be .* of at least 1"),
    (lambda: evaluate(seed=-1), "seed must be .* of at least 0"),
    (lambda: evaluate(confidence=1.0), "confidence must be a number between 0 and 1"),
    (lambda: diagnose(EQUAL), "at least two values, but all values of column 'rating' are 3. Pass"),
    (lambda: diagnose(num_bins=1), "num_bins must be .* of at least 2"),
    (lambda: compare({"a": SCORES, "b": FEW}), r"\['b'\] must have the shape \(4,\).*shape \(1,\)"),
    (lambda: compare({"a": SCORES, "b": SCORES - 9}, query=None), "no metric to compare. The scores"
     " of 'b' are only an order"),
    (lambda: compare({"one": SCORES}), "a dict with at least two"),
    (lambda: compare(label=None), "label must be the name of a column.*no label of its own"),
    (lambda: compare(query="user"), r"Unknown column 'user'.*'user_id'\? Name .*query=\.\.\.$"),
    (lambda: compare(k=0), "k must be .* of at least 1"),
    (lambda: E.RankingMetrics(EMPTY), "at least one row"),
    (lambda: E.RankingMetrics(ROWS, query="user"), "Unknown column 'user'.*Did you mean 'user_id'"),
    (lambda: E.RankingMetrics(ROWS, label="ratin"), "Unknown column 'ratin'.*mean 'rating'"),
    (lambda: E.RankingMetrics(ROWS, k=0), "k must be .* of at least 1"),
    (lambda: E.RankingMetrics(SINGLE, label="rating"), "rows must have different values of rating "
     "for at least one user_id. Got: 4 rows"),
    (lambda: E.RankingMetrics(EQUAL, label="rating"), "ranking metrics are undefined"),
    (lambda: biases(regularization=-1.0), "regularization must be a number of at least 0"),
    (lambda: biases(["user"]), "Unknown column 'user'.*Did you mean 'user_id'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_invalid_argument_is_named(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
