import datetime

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rankkit.data.columns import as_array
from rankkit.data.columns import encoded


def _cells(column, rows):
    return encoded("c", as_array(column))(tf.constant(rows))


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (np.array([1, 2], np.int32), tf.int32),
        (np.array([1, 2], np.int64), tf.int64),
        (np.array([1, 2], np.uint8), tf.uint8),
        (np.array([1, 2], np.float16), tf.float16),
        (np.array([1, 2], np.float64), tf.float32),
        (np.array([True, False]), tf.bool),
        (np.array([[1.5, 2], [3, 4]]), tf.float32),
        (np.array([1, 2], object), tf.int64),
        (pd.Series([1, 2], dtype="Int64"), tf.int64),
        (pd.Series([1.5, None]), tf.float32),
        (tf.constant([1.5, 2]), tf.float32),
    ],
)
def test_numbers_keep_their_dtype_except_float64(column, dtype):
    got = _cells(column, [1, 0, 1])
    assert got.dtype == dtype
    expected = as_array(column)[[1, 0, 1]].astype(dtype.as_numpy_dtype)
    np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.parametrize(
    "column",
    [
        ["é", "b"],
        np.array(["é", "b"]),
        np.array(["é".encode(), b"b"]),
        pd.Series(["é", "b"]),
        pd.Series(["é", "b"], dtype="category"),
    ],
)
def test_text_becomes_utf8(column):
    assert _cells(column, [0, 1, 0]).numpy().tolist() == ["é".encode(), b"b", "é".encode()]


def test_newline_and_nul_are_text():
    assert _cells(["a\nb", "a\0b"], [1, 0]).numpy().tolist() == [b"a\0b", b"a\nb"]


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_lists_become_ragged(kind):
    numbers = _cells([kind([1, 2]), kind([3])], [1, 0])
    assert isinstance(numbers, tf.RaggedTensor)
    assert (numbers.dtype, numbers.to_list()) == (tf.int64, [[3], [1, 2]])


def test_lists_of_text_and_of_nothing():
    assert _cells([["a", "b"], [], ["a", "b"]], [1, 2]).to_list() == [[], [b"a", b"b"]]
    assert _cells([[], []], [1]).to_list() == [[]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), min_size=1))
def test_any_text_comes_back(column):
    rows = list(range(len(column)))[::-1]
    assert [cell.decode() for cell in _cells(column, rows).numpy()] == column[::-1]


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (["a", None], r"rows\['c'\]\[1\] must be a value\. Got: .*=None\. Drop the row, or fill"),
        (["a", float("nan")], r"rows\['c'\]\[1\] must be a value\. Got: .*=nan\. Drop the row"),
        ([None, "a"], r"rows\['c'\]\[0\] must be a value\. Got: .*=None\. Drop the row"),
        (pd.Series([1, pd.NA], dtype=object), r"rows\['c'\]\[1\] must be a value\. Got: .*<NA>"),
        (["a", {}], r"rows\['c'\]\[1\] must be text\. Got: .*=\{\}\. Make the column all text or"),
        (["a", 3], r"rows\['c'\]\[1\] must be text\. Got: .*=3\. Make the column all text or"),
        ([3, "a"], r"rows\['c'\]\[0\] must be text\. Got: .*=3\. Make the column all text or"),
        ([["a"], None], r"rows\['c'\]\[1\] must be a list like the first cell\. .*=None\. Give"),
        ([["a"], "b"], r"rows\['c'\]\[1\] must be a list like the first cell\. Got: .*='b'\."),
        ([["a", None]], r"a cell of rows\['c'\] must be a value\. Got: .*=None\. Drop the row"),
        ([["a", 3]], r"a cell of rows\['c'\] must be text\. Got: .*=3\. Make the column"),
        (
            np.array(["2020-01-01"], "datetime64[s]"),
            r"rows\['c'\] must be of a dtype that TensorFlow has\. Got: .*datetime64.*\. Convert",
        ),
        ([2**64, 1], r"rows\['c'\] must be of a dtype that TensorFlow has\. Got: .*'object'\."),
        ([datetime.date(2020, 1, 1)], r"rows\['c'\]\[0\] must be text\. .*datetime\.date"),
    ],
)
def test_a_value_without_a_dtype(column, text):
    with pytest.raises(TypeError, match=text):
        encoded("c", as_array(column))


def test_text_that_is_not_utf8():
    text = (
        r"rows\['c'\]\[2\] must be text of valid UTF-8\. Got: .*'b\\ud800'\. Decode it with its own"
    )
    with pytest.raises(ValueError, match=text):
        encoded("c", as_array(["a", "a", "b\ud800"]))
