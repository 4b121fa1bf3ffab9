"""Errors of the functions of `rankkit.data`, which name the argument and show its value.

Values of another type are tested for all arguments in tests/test_arguments.py.
"""

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from rankkit import data as D  # noqa: N812

NAN = float("nan")
RATINGS = {"user_id": ["a", "b", "c"], "timestamp": [1, 2, 3], "first": [5, 5, 6]}
CLICKS = {"user_id": [*"uuv"], "item_id": [*"xyz"], "year": [1, 2, 3], "text": ["s"] * 3}
STREAM = tf.data.Dataset.from_tensor_slices(RATINGS)
FRACTION = (
    r"test_fraction must be a fraction that leaves some of the 3 (rows|values of 'user_id') on "
    r"both sides\. Got: test_fraction=.*\. Pass another one"
)


def negatives(rows=CLICKS, item="item_id", **settings):
    return D.with_negatives(rows, 2, item=item, **settings)


def candidates(item="item_id", **settings):
    return D.with_candidates(CLICKS, item=item, **settings)


VALUE_ERRORS = [
    (lambda: D.batches(RATINGS, 0), r"batch_size must be an integer of at least 1\. Got: .*=0\."),
    (lambda: D.batches(RATINGS, 8, initial_epoch=-1), "initial_epoch must be an integer of at lea"),
    (lambda: D.batches(RATINGS, 8, seed=-1), r"seed must be an integer of at least 0\. Got: .*=-1"),
    (lambda: D.batches(STREAM, 8, seed=2**63), r"seed must be below 2\*\*63\. Got: seed=92233720"),
    (lambda: D.batches(STREAM, 8, shuffle=True, initial_epoch=1), r"seed must be a number .*=None"),
    (lambda: D.batches(RATINGS, 8, columns=["user"]), "Unknown column 'user'.* mean 'user_id'"),
    (lambda: D.batches(STREAM, 8, columns=["user"]), "Unknown column 'user'.* mean 'user_id'"),
    (lambda: D.batches(RATINGS, 8, shuffle=9), r"False for rows in memory\. Got: shuffle=9"),
    (lambda: D.batches(STREAM, 8, shuffle=-1), r"size of at least 1 row\. Got: shuffle=-1"),
    (lambda: D.batches(STREAM.batch(2), 8), r"rows, not of batches\. .*Call rows\.unbatch\("),
    (lambda: D.batches(STREAM.take(0), 8), r"of at least one row\. .*Was everything filtered out"),
    (lambda: D.lists(RATINGS, 0), "batch_size must be an integer of at least 1"),
    (lambda: D.lists(RATINGS, 2, query="user"), "Unknown query 'user'.*Did you mean 'user_id'"),
    (lambda: D.lists(RATINGS, 2, list_size=1), "list_size must be an integer of at least 2"),
    (lambda: D.lists(RATINGS, 2, shuffle=True, initial_epoch=3), "seed must be a number when init"),
    (lambda: D.lists(RATINGS, 2, overflow="cut"), "Unknown overflow 'cut'"),
    (lambda: D.lists(RATINGS, 2, shuffle=5), "shuffle must be True or False for rows in memory"),
    (lambda: D.lists(RATINGS, 2, columns=["first"]), "Unknown query 'user_id'"),
    (lambda: D.lists(STREAM, 2), "list_size must be a number if the rows are a data set"),
    (lambda: D.lists({**RATINGS, "mask": [0] * 3}, 2), "rankkit.data.lists adds. Got: 'mask'"),
    (lambda: negatives(item="item"), "Unknown item 'item'"),
    (lambda: negatives(query="user"), "Unknown query 'user'"),
    (lambda: negatives(num_negatives=0), "num_negatives must be an integer of at least 1"),
    (lambda: negatives(popularity=-1), "popularity must be a finite power of at least 0"),
    (lambda: negatives(popularity=np.inf), "popularity must be a finite power"),
    (lambda: negatives(initial_epoch=2), "seed must be a number when"),
    (lambda: negatives(outcomes=["rating"]), "Unknown column in outcomes 'rating'"),
    (lambda: negatives(outcomes=["item_id"]), "outcomes must be columns of neither"),
    (lambda: negatives(exclude={"user_id": ["u"]}), "Unknown column 'item_id'"),
    (lambda: negatives(label="year"), "with_negatives adds. Got: 'year'"),
    (lambda: negatives(candidates={"item_id": ["x", "x"]}), "each item_id once. Got: 2 cand"),
    (lambda: negatives(candidates={"item_id": ["x"]}), "a candidate without a click.* Got: 'u'"),
    (lambda: candidates(item="movie"), "Unknown item 'movie'"),
    (lambda: candidates(query="user"), "Unknown query 'user'"),
    (lambda: candidates(label="year"), "with_candidates adds. Got: 'year'"),
    (lambda: candidates(exclude={"user_id": ["u"]}), "Unknown column 'item_id'"),
    (lambda: candidates(candidates={"item_id": ["x", "y"]}), "the candidates. Got: 'z'. Add"),
    (lambda: D.time_split(RATINGS, timestamp="time"), "Unknown column 'time'.*'timestamp'"),
    (lambda: D.time_split(RATINGS, timestamp="timestamp", test_fraction=0), FRACTION),
    (lambda: D.time_split(RATINGS, timestamp="first", test_fraction=0.5), "at the first time.*, 5"),
    (lambda: D.leave_last_out(RATINGS, timestamp="first", num_rows=0), "num_rows must be an integ"),
    (lambda: next(D.k_fold(RATINGS, 1)), "k must be an integer of at least 2"),
    (lambda: next(D.k_fold(RATINGS, 4)), "k must be at most 3, the number of rows. Got: k=4"),
    (lambda: next(D.k_fold(RATINGS, 4, group="user_id")), "number of distinct values of column"),
    (lambda: next(D.k_fold(RATINGS, 2, group="user")), "Unknown column 'user'"),
    (lambda: D.cold_start_split(RATINGS, ids="user"), "Unknown column 'user'.*'user_id'"),
    (lambda: D.cold_start_split(RATINGS, test_fraction=0.1), FRACTION),
    (lambda: D.cold_start_split(RATINGS, seed=-1), "seed must be an integer of at least 0. Got: s"),
    (lambda: D.random_split(RATINGS, test_fraction=1), FRACTION),
    (lambda: D.random_split(RATINGS, test_fraction=-0.1), FRACTION),
    (lambda: D.random_split(RATINGS, test_fraction=0.1), FRACTION),
    (lambda: D.random_split(RATINGS, test_fraction=0.9), FRACTION),
    (lambda: D.random_split(RATINGS, seed=2**31 - 1), "seed must be below 2147483647. .* smaller"),
    (lambda: D.synthetic_ratings(0), "num_rows must be an integer of at least 1. Got: num_rows=0"),
    (lambda: D.synthetic_ratings(9, num_users=0), "num_users must be an integer of at least 1"),
    (lambda: D.synthetic_ratings(9, num_items=0), "num_items must be an integer of at least 1"),
    (lambda: D.synthetic_ratings(9, num_factors=0), "num_factors must be an integer of at least 1"),
    (lambda: D.synthetic_ratings(9, noise=-0.1), "noise must be .* at least 0.* Pass 0 for no noi"),
    (lambda: D.synthetic_ratings(9, noise=np.inf), "noise must be a number of at least 0. "),
    (lambda: D.vocabulary([]), r"column must be a list of at least one id\. Got: .*\[\]\. Was"),
    (lambda: D.vocabulary(["a"], min_count=0), "min_count must be an integer of at least 1. "),
    (lambda: D.vocabulary(["a", "b\nc"]), r"UTF-8 without newline and NUL\. Got: 'b\\nc'"),
    (lambda: D.vocabulary(["a", "b\0c"]), r"newline and NUL\. Got: 'b\\x00c'\. Replace"),
    (lambda: D.vocabulary(["a", "b\ud800"]), r"valid UTF-8 .*Got: 'b\\ud800'\. Replace"),
    (lambda: D.vocabulary([b"a", b"\xff"]), r"valid UTF-8\. Got: b'\\xff'\. Decode it"),
    (lambda: D.vocabulary([1, 2**63]), r"at most 64 bits\. Got: 9223372036854775808\. Cast"),
]

TYPE_ERRORS = [
    (lambda: D.batches(tf.data.Dataset.from_tensor_slices(([1], [2])), 8),
     r"rows must be a data set of dicts\. Got: .*Map them"),
    (lambda: negatives(outcomes=["text"]), "Outcomes must be numeric, but 'text' holds 's'"),
    (lambda: negatives(candidates={"year": [1990]}), "candidates must be .* with 'item_id'"),
    (lambda: negatives(STREAM), "rows must be in memory.*All clicks"),
    (lambda: D.time_split(CLICKS, timestamp="text"), "'text' must be numbers or datetime64. Got"),
    (lambda: D.leave_last_out(CLICKS, timestamp="text"), "'text' must be .* datetime64. .*to_d"),
    (lambda: D.vocabulary([1.5, 2.0]), r"Ids in column must be str or int\. Got: .*float64"),
    (lambda: D.vocabulary([True, False]), r"Ids in column must be .* dtype bool"),
    (lambda: D.vocabulary("abc"), r"column must be .* one value per row\. Got: column='abc'\."),
    (lambda: D.vocabulary(["a", None]), r"Each id in column must be str or int\. Got: None\. "),
    (lambda: D.vocabulary(["a", NAN]), r"Got: nan\. Drop the rows"),
    (lambda: D.vocabulary(pd.Series(["a", pd.NA], dtype=object)), r"Got: <NA>\. Drop the rows"),
    (lambda: D.vocabulary([1, "a"]), r"Ids in column must be all str or all int\. Got: \[.*\]\."),
    (lambda: D.vocabularies({"a": [1], "b": [None]}, ["a", "b"]), "Each id in column 'b' .*Got: N"),
    (lambda: D.vocabularies(tf.data.Dataset.range(3), ["id"]), r"of dicts\. Got: rows=TensorSpec"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), VALUE_ERRORS)
def test_invalid_value_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(("call", "message"), TYPE_ERRORS)
def test_wrong_type_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call()
