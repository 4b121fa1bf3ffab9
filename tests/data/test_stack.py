import datetime
import decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf

from rankkit.data import stack_columns

NAN = np.nan
COLUMNS = ["b", "a", "c", "n"]
EXPECTED = np.array([[1, 1.5, 3, NAN], [0, NAN, 4, NAN]], np.float32)
ROWS = {
    "query_id": [7, 8],
    "a": [1.5, None],
    "b": [True, False],
    "title": ["x", "y"],
    "c": np.array([3, 4], np.uint8),
    "n": [None, None],
}
MIXED = {"a": [1.5, None], "b": [True, None], "c": [3, None], "n": [None, None]}


@pytest.mark.parametrize(
    "table",
    [
        ROWS,
        {name: tf.constant(ROWS[name]) if name in ("b", "c") else ROWS[name] for name in ROWS},
        {**ROWS, "a": np.ma.masked_array([1.5, 9.0], [False, True])},
        pd.DataFrame(ROWS, index=[5, 5]),
        pd.DataFrame(ROWS).convert_dtypes(),
        pa.table({**ROWS, "c": pa.array([3, 4], pa.uint8())}),
    ],
)
def test_columns_in_their_order_and_the_others(table):
    stacked = stack_columns(table, COLUMNS)
    assert list(stacked) == ["query_id", "title", "features"]
    assert stacked["title"].tolist() == ["x", "y"]
    assert stacked["features"].dtype == np.float32
    np.testing.assert_array_equal(stacked["features"], EXPECTED)


@pytest.mark.parametrize(
    "table", [MIXED, pd.DataFrame(MIXED), pd.DataFrame(MIXED).convert_dtypes(), pa.table(MIXED)]
)
def test_missing_cells_of_any_type_are_nan(table):
    expected = [[1, 1.5, 3, NAN], [NAN, NAN, NAN, NAN]]
    np.testing.assert_array_equal(stack_columns(table, COLUMNS)["features"], expected)


def test_names_that_are_numbers_and_a_name_of_the_matrix():
    # As pandas reads a file without a header.
    numbers: Any = range(3)
    stacked = stack_columns(pd.DataFrame(np.arange(6).reshape(2, 3)), numbers[1:], name="x")
    assert stacked["x"].tolist() == [[1, 2], [4, 5]]
    assert stacked[numbers[0]].tolist() == [0, 3]
    assert list(stack_columns({"x": [1.0]}, ["x"], name="x")) == ["x"]  # replaces it


def test_matrix_of_another_name_stays():
    image = np.array([[1, NAN]], np.float32)
    stacked = stack_columns({"image": image, "a": [1]}, ["a"])
    np.testing.assert_array_equal(stacked["image"], image)


@pytest.mark.parametrize(
    ("cells", "error", "text"),
    [
        (["x", "y"], TypeError, "Column 'a' must be numbers. Got: 'x'. Leave it out, or convert"),
        (["1", 2], TypeError, "Column 'a' must be numbers. Got: '1'"),
        ([None, "y"], TypeError, "Column 'a' must be numbers. Got: 'y'"),
        ([decimal.Decimal(1)] * 2, TypeError, "Column 'a' must be numbers. Got: Decimal"),
        ([datetime.date(2020, 1, 1)] * 2, TypeError, "Column 'a' must be numbers. Got: datetime"),
        (np.array([1, 2], "M8[s]"), TypeError, "Column 'a' must be numbers. Got: np.datetime64"),
        (np.array([1, 2], "m8[s]"), TypeError, "Column 'a' must be numbers. Got: np.timedelta64"),
        (np.array(["NaT", 2], "M8[s]"), TypeError, "Column 'a' must be numbers. Got: np.datetime6"),
        (np.array(["NaT"] * 2, "M8[s]"), TypeError, "Column 'a' must be numbers. Got: np.datetim"),
        (np.array([1j, 2]), TypeError, "Column 'a' must be numbers"),
        ([[1], [2]], TypeError, r"Column 'a' must have a single value in each row\. Got: \[1\] in"),
        (np.ones((2, 2)), TypeError, "Column 'a' must have a single value .* shape"),
        ([1, np.inf], ValueError, "Row 1 of column 'a' must be a finite number or NaN. Got: inf"),
        ([-np.inf, 1], ValueError, "Row 0 of column 'a' must be a finite number or NaN. Got: -inf"),
        ([1, 2**24 + 1], ValueError, "Column 'a' must not have numbers beyond .* Got: 16777217"),
        ([None, 2**24 + 1], ValueError, "Column 'a' must not have numbers beyond .* Got: 16777217"),
        ([1.0, 1e39], ValueError, r"Column 'a' must not have numbers beyond .* Got: 1e\+39"),
    ],
)
def test_columns_that_are_no_numbers_of_float32_are_refused_by_name(cells, error, text):
    with pytest.raises(error, match=text):
        stack_columns({"b": [1, 2], "a": cells}, ["b", "a"])


@pytest.mark.parametrize(
    ("table", "columns", "settings", "error", "text"),
    [
        (ROWS, None, {}, TypeError,
         r"columns must be .*None\. Numeric columns: \['query_id', 'a', 'b', 'c'\]\. Leave out"),
        (ROWS, "a", {}, TypeError, r"columns must be .* Write columns=\['a'\]"),
        (ROWS, [], {}, ValueError, "columns must be a list of at least one name"),
        (ROWS, ["a", "a"], {}, ValueError, "columns must be .* differ.* Name 'a' once"),
        (ROWS, ["A"], {}, ValueError, "Unknown column 'A'"),
        (ROWS, ["a"], {"name": "b"}, ValueError, "name must be none of the other columns"),
        (ROWS, ["a"], {"name": 1}, TypeError, "name must be the name of a column"),
        ({"a": []}, ["a"], {}, ValueError, "table must have at least one row"),
        ({"a": [1], "b": [1, 2]}, ["a"], {}, ValueError, "table must have columns of equal length"),
        ([1, 2], ["a"], {}, TypeError, "table must be a dict of arrays or a DataFrame"),
        (tf.data.Dataset.range(2), ["a"], {}, TypeError, "table must be a dict of arrays or a Da"),
    ],
)  # fmt: skip
def test_invalid_argument(table, columns, settings, error, text):
    with pytest.raises(error, match=text):
        stack_columns(table, columns, **settings)
