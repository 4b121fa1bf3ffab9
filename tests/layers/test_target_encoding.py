import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rankkit as rk
import tensorflow as tf
from sklearn.preprocessing import TargetEncoder

TargetEncoding = rk.layers.TargetEncoding
RNG = np.random.default_rng(3)
ITEMS, USERS = RNG.choice([*"abcdefg"], 200).astype(object), RNG.integers(0, 9, 200)
LABELS = RNG.random(200)


def test_means_are_those_of_sklearn():
    for smoothing in (0.0, 10.0):
        settings: Any = {"target_type": "continuous", "smooth": smoothing}
        encoder = TargetEncoder(**settings)
        encoder.fit(ITEMS[:, np.newaxis], LABELS)
        layer = TargetEncoding.from_columns(ITEMS, LABELS, smoothing=smoothing)
        assert layer.ids.tolist() == encoder.categories_[0].tolist()
        np.testing.assert_allclose(layer.means, encoder.encodings_[0], rtol=1e-12)
        assert layer.prior == pytest.approx(LABELS.mean())


def test_combination_is_the_id_of_its_joined_columns():
    days = RNG.integers(0, 3, 200)
    joined = [f"{user} {item} {day}" for user, item, day in zip(USERS, ITEMS, days, strict=True)]
    expected = TargetEncoding.from_columns(joined, LABELS)(tf.constant(joined))
    raw = [tf.constant(USERS), tf.constant(ITEMS), tf.constant(days)]
    columns = {"user": USERS, "item": pd.Series(ITEMS), "day": days.tolist()}
    layer = TargetEncoding.from_columns(columns, LABELS)
    np.testing.assert_array_equal(layer(raw), expected)
    # 2 rows of user 1 and item "a", mean 0.5, and 1 row of user 2; the prior is 2/3.
    columns = {"user": [1, 1, 2], "item": ["a", "a", "b"]}
    layer = TargetEncoding.from_columns(columns, [0, 1, 1], smoothing=1.0)
    found = layer([tf.constant([1, 2, 1, 3, 1]), tf.constant(["a", "b", "b", "a", "new"])])
    np.testing.assert_allclose(found[:, 0], [5 / 9, 5 / 6, 2 / 3, 2 / 3, 2 / 3], rtol=1e-6)


@pytest.mark.parametrize("group", [None, "user"])
@pytest.mark.parametrize("smoothing", [0.0, 5.0])
def test_number_of_a_row_is_that_of_a_layer_of_the_other_folds(group, smoothing):
    rows, folds = {"item": ITEMS, "user": USERS, "label": LABELS}, {"num_folds": 4, "seed": 7}

    def fit(train):
        layer = TargetEncoding.from_columns(train["item"], train["label"], smoothing=smoothing)
        return lambda rows: layer(tf.constant(rows["item"]))[:, 0]

    expected, _ = rk.data.out_of_fold(fit, rows, group=group, **folds)
    groups = None if group is None else USERS
    column, layer = TargetEncoding.out_of_fold(
        ITEMS, LABELS, groups=groups, smoothing=smoothing, name="mine", **folds
    )
    np.testing.assert_allclose(column, expected, rtol=1e-6)
    whole = TargetEncoding.from_columns(ITEMS, LABELS, smoothing=smoothing, name="mine")
    assert layer.get_config() == whole.get_config()


def test_noise_is_encoded_out_of_fold_without_its_labels():
    ids, noise = np.arange(1000) // 2, RNG.normal(size=1000)
    inside = TargetEncoding.from_columns(ids, noise)(tf.constant(ids))[:, 0]
    column, _ = TargetEncoding.out_of_fold(ids, noise)
    assert np.corrcoef(inside, noise)[0, 1] > 0.6
    assert abs(np.corrcoef(column, noise)[0, 1]) < 0.1  # 3 standard errors


def test_id_in_a_single_fold_has_the_prior_of_the_others():
    column, _ = TargetEncoding.out_of_fold([1, 2], [0.0, 4.0], num_folds=2, smoothing=0.0)
    assert column.tolist() == [4.0, 0.0]


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"labels": [1, math.nan]}, ValueError, "each value of labels must be finite. Got: nan"),
        ({"labels": [1, None]}, ValueError, "each value of labels must be finite"),
        ({"labels": [1, math.inf]}, ValueError, "each value of labels must be finite. Got: inf"),
        ({"labels": ["x", "y"]}, TypeError, "labels must be a list of numbers"),
        ({"labels": [1, 0, 1]}, ValueError, "column labels must be of the length 2.*3 labels"),
        ({"columns": ["a", None]}, TypeError, "each id in columns must be str or int. Got: None"),
        (
            {"columns": {"a": [1, 2], "b": ["a"]}},
            ValueError,
            "lengths of the columns must be equal",
        ),
        ({"columns": {"a": [1, 2], "b": [0.5, 1]}}, TypeError, "ids in b must be str or int"),
        ({"columns": {}}, ValueError, "columns must be a column, or a dict of at least one"),
        ({"columns": [[1, 2], [3, 4]]}, TypeError, "columns must have a single value in each row"),
        ({"smoothing": -1.0}, ValueError, "smoothing must be a number of at least 0. Got: .*-1"),
        ({"smoothing": math.nan}, ValueError, "smoothing must be"),
        ({"num_folds": 3}, ValueError, "num_folds must be at most 2, the number of rows"),
        ({"num_folds": 1}, ValueError, "num_folds must be an integer of at least 2"),
        ({"groups": [7, 7]}, ValueError, "at most 1, the number of distinct values of groups"),
        ({"groups": [7]}, ValueError, "the column groups must be of the length 2"),
        ({"groups": [7, None]}, TypeError, "each id in groups must be str or int"),
    ],
)
def test_wrong_columns_are_refused_by_name(arguments, error, text):
    valid = {"columns": ["a", "b"], "labels": [0, 1], "num_folds": 2}
    with pytest.raises(error, match=f"(?i){text}"):
        TargetEncoding.out_of_fold(**{**valid, **arguments})


@pytest.mark.parametrize(
    ("ids", "means", "text"),
    [
        (["a", "a"], [1, 2], "ids must differ. Got: 'a' twice"),
        ([["a", "a"], [1, 1]], [1, 2], r"ids must differ. Got: \('a', 1\) twice"),
        (["a", "b"], [1], "means must be one number for each of 2 ids. Got: .*1 numbers"),
        (["a"], [math.nan], "each value of means must be finite"),
        ([], [1], "ids must be a list of at least one id"),
    ],
)
def test_wrong_tables_are_refused(ids, means, text):
    with pytest.raises(ValueError, match=f"(?i){text}"):
        TargetEncoding(ids, means, prior=0.5)


def test_counts():
    layer = rk.layers.CountEncoding.from_columns({"item": ITEMS, "user": USERS})
    pairs = list(zip(ITEMS, USERS, strict=True))
    expected = np.log([[1 + pairs.count(pair)] for pair in pairs])
    np.testing.assert_allclose(layer([tf.constant(ITEMS), tf.constant(USERS)]), expected, rtol=1e-6)
    assert layer([tf.constant(["new"]), tf.constant([0])]).numpy().tolist() == [[0.0]]
    with pytest.raises(ValueError, match="Each count must be at least 0. Got: -1"):
        rk.layers.CountEncoding([1], [-1])
    with pytest.raises(TypeError, match="counts must be a list of integers"):
        rk.layers.CountEncoding([1], [0.5])
