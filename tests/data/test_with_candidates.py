"""Each query beside every candidate."""

import numpy as np
import pandas as pd
import pytest

import rankkit as rk

HELD_OUT = {"user_id": ["u2", "u1", "u2"], "item_id": ["a", "b", "c"], "age": [30, 20, 31]}
KNOWN = {"user_id": ["u1", "u3", "u2", "u2"], "item_id": ["c", "d", "d", "a"]}


def as_set(found):
    columns = (found[name].tolist() for name in ("user_id", "item_id", "click"))
    return set(zip(*columns, strict=True))


@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_it_is_every_pair_but_the_known_ones(kind):
    found = rk.data.with_candidates(kind(HELD_OUT), item="item_id", exclude=kind(KNOWN))
    wanted = {
        (user, item, float((user, item) in {("u2", "a"), ("u1", "b"), ("u2", "c")}))
        for user in ("u1", "u2")
        for item in "abcd"
        if (user, item) not in {("u1", "c"), ("u2", "d")}
    }
    assert as_set(found) == wanted
    assert len(found["click"]) == len(wanted)
    # What is known of a user is what the first of his rows says.
    assert set(found["age"][found["user_id"] == "u2"].tolist()) == {30}
    assert set(found["age"][found["user_id"] == "u1"].tolist()) == {20}


def test_candidates_bring_columns_of_their_own():
    pool = {"item_id": ["c", "a", "x", "b"], "year": [1, 2, 3, 4]}
    found = rk.data.with_candidates(HELD_OUT, item="item_id", candidates=pool)
    assert found["year"].tolist() == [1, 2, 3, 4] * 2
    assert found["user_id"].tolist() == ["u2"] * 4 + ["u1"] * 4
    assert found["click"].tolist() == [1, 1, 0, 0, 0, 0, 0, 1]
    assert found["click"].dtype == np.float32


def test_a_ranking_of_all_of_them_is_evaluated():
    found = rk.data.with_candidates(HELD_OUT, item="item_id", exclude=KNOWN)
    report = rk.evaluate_ranking(
        lambda columns: columns["item_id"] == b"c", found, train=found, label="click", relevant=1
    )
    # u2's first is c; u1 has three left that are all the same to it, of which b was clicked.
    assert report.metrics["mrr"] == pytest.approx((1 + (1 + 1 / 2 + 1 / 3) / 3) / 2)


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"item": "movie"}, ValueError, "Unknown item 'movie'"),
        ({"query": "user"}, ValueError, "Unknown query 'user'"),
        ({"label": "age"}, ValueError, "none named 'age'"),
        ({"exclude": {"user_id": ["u1"]}}, ValueError, "Unknown column 'item_id'"),
        ({"candidates": {"item_id": ["a", "b", "b", "c"]}}, ValueError, "3 different items"),
        ({"candidates": {"item_id": ["a", "b"]}}, ValueError, "item_id of a row.*'c'. Add it"),
        ({"candidates": {"year": [1]}}, TypeError, "candidates must be columns"),
    ],
)
def test_what_cannot_be_is_refused(kwargs, error, words):
    with pytest.raises(error, match=words):
        rk.data.with_candidates(HELD_OUT, **{"item": "item_id", **kwargs})
