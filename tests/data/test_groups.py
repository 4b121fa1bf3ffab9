import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from rankkit.data import group_ids, group_sizes


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_sizes_and_ids_are_inverses(sizes):
    ids = group_ids(sizes, num_rows=sum(sizes))
    assert ids.dtype == np.int64
    assert ids.tolist() == [group for group, size in enumerate(sizes) for _ in range(size)]
    found = group_sizes(ids)
    assert found.dtype == np.int64
    assert found.tolist() == sizes


def test_file_of_lightgbm():
    sizes = np.loadtxt(io.StringIO("2\n1\n"), dtype=int, ndmin=1)
    assert group_ids(sizes, num_rows=3).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "sizes", [np.array([2, 1], np.uint8), pd.Series([2, 1]), pa.array([2, 1]), tf.constant([2, 1])]
)
def test_sizes_of_any_column(sizes):
    assert group_ids(sizes).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    "ids",
    [
        [7, 7, -1],
        [*"bba"],
        [b"b", b"b", b"a"],
        np.array(["b", "b", "a"]),
        np.array([7, 7, 2**64 - 1], np.uint64),
        pd.Series([7, 7, 9], dtype="Int64", index=[5, 3, 1]),
        pd.Series(pd.Categorical([*"bba"])),
        pa.array([*"bba"]).dictionary_encode(),
        tf.constant([*"bba"]),
    ],
)
def test_ids_of_any_column(ids):
    assert group_sizes(ids).tolist() == [2, 1]


@pytest.mark.parametrize(
    ("sizes", "settings", "error", "text"),
    [
        ([2, 3], {"num_rows": 6}, ValueError, r"num_rows must be 5, the sum of .*\. Got: .*=6\."),
        ([2, 0], {}, ValueError, r"sizes\[1\] must be at least 1 row\. Got: sizes\[1\]=0\."),
        ([2, -1], {}, ValueError, r"sizes\[1\] must be at least 1 row\. Got: sizes\[1\]=-1\."),
        ([], {}, ValueError, "sizes must be the sizes of at least one group"),
        ([2.0, 1.0], {}, TypeError, "sizes must be integers.* with dtype=int"),
        ([2, None], {}, TypeError, "sizes must be integers"),
        ([True], {}, TypeError, "sizes must be integers"),
        ([[1, 2]], {}, TypeError, "sizes must have a single value in each row"),
        (3, {}, TypeError, "sizes must be an array or list"),
        ("a.query", {}, TypeError, r"sizes must be an array or list.* numpy\.loadtxt"),
        ([1], {"num_rows": 1.0}, ValueError, "num_rows must be an integer of at least 1"),
    ],
)
def test_invalid_sizes(sizes, settings, error, text):
    with pytest.raises(error, match=text):
        group_ids(sizes, **settings)


def test_ids_that_are_apart_are_named():
    text = r"ids must have .* together\. Got: 'b' in row 1 and, after other groups, in row 4\. Sort"
    with pytest.raises(ValueError, match=text):
        group_sizes(["a", "b", "b", "c", "b", "a"])


@pytest.mark.parametrize(
    ("ids", "error", "text"),
    [
        ([], ValueError, "ids must be a column of at least one id"),
        ([1.0, 1.0], TypeError, r"Each id in ids must be str or int\. Got: 1\.0"),
        ([1.0, np.nan, np.nan], TypeError, r"Each id in ids must be str or int\. Got: nan\. Drop"),
        (["a", None, None], TypeError, r"Each id in ids must be str or int\. Got: None\. Drop"),
        ([1, "1"], TypeError, "Ids in ids must be all str or all int"),
        ([[1], [1]], TypeError, "ids must have a single value in each row"),
        ("aab", TypeError, "ids must be an array or list"),
    ],
)
def test_invalid_ids(ids, error, text):
    with pytest.raises(error, match=text):
        group_sizes(ids)
