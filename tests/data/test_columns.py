import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from rankkit.data import cold_start_split, leave_last_out, lists, with_candidates, with_negatives
from rankkit.data.columns import as_array, as_columns, encode_column

# --- Columns of dicts and data frames ---


class OfAnotherLibrary:
    """A table of another library that exports to Arrow, such as polars."""

    def __init__(self, table):
        self.columns = table.column_names
        self.__arrow_c_stream__ = table.__arrow_c_stream__


def test_tables_become_arrays():
    columns = {"id": ["a", "b"], "rating": [1.5, float("nan")], "tags": [["x"], []]}
    frame, table = pd.DataFrame(columns), pa.table(columns | {"rating": [1.5, None]})
    for rows in (columns, frame, table, table.to_batches()[0], OfAnotherLibrary(table)):
        got = as_columns(rows)
        assert got["id"].tolist() == ["a", "b"]
        assert got["tags"].shape == (2,)
        assert [list(tags) for tags in got["tags"]] == [["x"], []]
        assert got["rating"].dtype == np.float64
        np.testing.assert_array_equal(got["rating"], [1.5, np.nan])
        assert list(as_columns(rows, ["rating"])) == ["rating"]
        with pytest.raises(ValueError, match=r"Unknown column 'idd'\. .*Did you mean 'id'"):
            as_columns(rows, ["idd"])


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["a", None], r"rows\['id'\]\[1\] must be an id\. Got: .*=None\. Drop .*'unknown'"),
        ([1.0, np.nan], r"rows\['id'\]\[1\] must be an id\. Got: .*=nan\. Drop the rows"),
        (pd.Series(["a", pd.NA]), r"rows\['id'\]\[1\] must be an id\. Got: .*=(nan|<NA>)\. Drop"),
        (["a", 1], r"rows\['id'\] must have values of one type\. Got: str, int\. Convert it"),
        ([["a"], ["b"]], r"rows\['id'\] must have a single value .*\['a'\] in row 0"),
        (np.ones((2, 2)), r"rows\['id'\] must have a single value .*\(2, 2\)"),
    ],
)
def test_keys_to_group_by_have_one_value_in_each_row(keys, text):
    rows = {"id": keys, "item": [1, 2], "when": [1, 2]}
    good = {"id": [1, 2], "item": [1, 2]}
    for call in (
        lambda: lists(rows, 2, query="id"),
        lambda: leave_last_out(rows, timestamp="when", query="id"),
        lambda: cold_start_split(rows, ids="id", test_fraction=0.5),
        lambda: with_negatives(rows, 2, item="item", query="id"),
        lambda: with_candidates(good, item="item", query="id", exclude=rows),
    ):
        with pytest.raises(TypeError, match=text):
            call()


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ([[1, 2]], TypeError, r"must be a dict of arrays or a DataFrame\. Got: rows=\[1, 2\]\."),
        ([None], TypeError, r"dict of arrays or a DataFrame\. Got: rows=None\. Name the columns"),
        ([{"a": [1, 2], "b": [1]}], ValueError, r"equal length\. Got: {'a': 2, 'b': 1}\. Pass"),
        ([{"a": []}], ValueError, "rows must have at least one row. Got: 0 rows"),
        ([{}], ValueError, r"columns must be a list of at least one name\. Got: columns=\[\]"),
        ([{"user_id": [1]}, ["user"]], ValueError, r"'user'\. Known: 'user_id'\. Did you mean 'us"),
        ([{"a": [1]}, "a"], TypeError, r"list of names\. Got: .*='a'\. Write columns=\['a'\]\."),
        ([{"a": 3}], TypeError, r"rows\['a'\] must be an array\. Got: rows\['a'\]=3\. Pass an arr"),
    ],
)
def test_rows_must_be_a_table_with_the_named_columns(arguments, error, text):
    with pytest.raises(error, match=text):
        as_columns(*arguments)
    assert as_columns({"a": [1, "1"]})["a"].tolist() == [1, "1"]  # nothing is converted


# --- Encoding ---


def cells(column, rows):
    return encode_column("c", as_array(column))(tf.constant(rows))


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        (np.array([1, 2], np.int32), tf.int32),
        (np.array([1, 2], np.int64), tf.int64),
        (np.array([1, 2], np.uint8), tf.uint8),
        (np.array([1, 2], np.float16), tf.float16),
        (np.array([1, 2], np.float64), tf.float32),
        (np.array([1, 2], np.longdouble), tf.float32),
        (np.array([True, False]), tf.bool),
        (np.array([[1.5, 2], [3, 4]]), tf.float32),
        (np.array([1, 2], object), tf.int64),
        (pd.Series([1, 2], dtype="Int64"), tf.int64),
        (pd.Series([1.5, None]), tf.float32),
        (tf.constant([1.5, 2]), tf.float32),
    ],
)
def test_numbers_keep_their_dtype_except_float64(column, dtype):
    got = cells(column, [1, 0, 1])
    assert got.dtype == dtype
    expected = as_array(column)[[1, 0, 1]].astype(dtype.as_numpy_dtype)
    np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.parametrize(
    "column",
    [
        [1, None, 2.5],
        pd.Series([1, pd.NA, 2.5], dtype=object),
        pd.Series([1, None, 2.5], dtype="Float64"),
        np.ma.array([1, 9, 2.5], mask=[False, True, False]),
        pa.array([1, None, 2.5]),
    ],
)
def test_missing_numbers_become_nan(column):
    np.testing.assert_array_equal(cells(column, [2, 1, 0]), [2.5, np.nan, 1])


LARGE = 2**53 + 1  # float64 would round it


@pytest.mark.parametrize(
    "column",
    [
        [LARGE, None],
        [LARGE, float("nan")],
        [LARGE, 0.5],
        [np.int64(LARGE), np.float32(0.5)],
        [[LARGE, 0.5], [1]],
        [-LARGE, None],
        pd.Series([LARGE, None], dtype="Int64"),
        pd.Series([LARGE, None], dtype="UInt64"),
        pd.Series([LARGE, pd.NA], dtype=object),
        pd.Series([LARGE, None], dtype=pd.ArrowDtype(pa.int64())),
        pd.Series(pd.Categorical([LARGE, None])),
        np.ma.array([LARGE, 1], mask=[False, True]),
        pa.array([LARGE, None]),
        pa.chunked_array([[LARGE], [None]]),
        pa.array([LARGE, None]).dictionary_encode(),
    ],
)
def test_integers_are_never_rounded_by_missing_values_or_fractions(column):
    match = rf"ows\['c'\] must not have integers beyond 2\^53 .*Got: -?{LARGE}\. Drop"
    with pytest.raises(ValueError, match=match):
        cells(column, [0])


def test_large_integers_in_arrow_lists_are_not_rounded():
    with pytest.raises(TypeError, match="must not be missing"):
        cells(pa.array([[LARGE, None]]), [0])


@pytest.mark.parametrize(
    "column",
    [[2**53, None], pa.array([2**53, None]), pd.Series([2**53, None], dtype="Int64")],
)
def test_integers_that_are_exact_beside_missing_ones(column):
    assert cells(column, [0]).numpy().tolist() == [2**53]


@pytest.mark.parametrize("column", [[2**70, 1], [2**70, None], [[2**70]], [2**64 - 1, -1]])
def test_integers_beyond_64_bits_are_named(column):
    with pytest.raises(ValueError, match=r"integers of at most 64 bits\. Got: .*\d{20}"):
        cells(column, [0])


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64(), pa.timestamp("s")])
def test_arrow_dates_of_pandas(kind):
    day = datetime.datetime(1970, 1, 3)
    column = pd.Series([day, day], dtype=pd.ArrowDtype(kind))
    assert cells(column, [0, 1]).numpy().tolist() == [2 * 86400] * 2
    with pytest.raises(ValueError, match=r"ows\['c'\] must have a finite timestamp in every row"):
        cells(pd.Series([day, None], dtype=pd.ArrowDtype(kind)), [0])


def test_text_becomes_utf8():
    text = ["é", "a\nb", "a\0b"]
    encoded = [each.encode() for each in text]
    kinds = (text, np.array(text), np.array(encoded), pd.Series(text, dtype="category"))
    for column in (*kinds, pd.Series(text)):
        assert cells(column, [0, 2, 1, 0]).numpy().tolist() == [encoded[i] for i in (0, 2, 1, 0)]


def test_scalars_in_arrays_and_text_of_numpy_are_cells():
    assert cells([np.array(1.5), np.array(2.0)], [1, 0]).numpy().tolist() == [2.0, 1.5]
    assert cells([np.array("a"), "b"], [1, 0]).numpy().tolist() == [b"b", b"a"]
    strings = np.array(["a", "\u00e9"], np.dtypes.StringDType())
    assert cells(strings, [1]).numpy().tolist() == ["\u00e9".encode()]


@pytest.mark.parametrize("kind", ["M8[ns]", "M8[s]", "m8[ns]", "m8[s]"])
def test_times_in_lists_are_not_integers_of_their_unit(kind):
    days = np.array([[1], [2]], kind)
    for column in (list(days), [list(day) for day in days], pa.array(list(days))):
        with pytest.raises(TypeError, match="(must be text|has the dtype timedelta64)"):
            encode_column("c", as_array(column))


def test_lists_become_ragged():
    for kind in (list, tuple, np.array):
        numbers = cells([kind([1, 2]), kind([3])], [1, 0])
        assert isinstance(numbers, tf.RaggedTensor)
        assert (numbers.dtype, numbers.to_list()) == (tf.int64, [[3], [1, 2]])
    assert cells([["a", "b"], [], ["a", "b"]], [1, 2]).to_list() == [[], [b"a", b"b"]]
    assert cells([[], []], [1]).to_list() == [[]]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), min_size=1))
def test_any_text_is_decoded_unchanged(column):
    rows = list(range(len(column)))[::-1]
    assert [cell.decode() for cell in cells(column, rows).numpy()] == column[::-1]


MISSING = r"must not be missing\. Got: "
NOT_TEXT = r"must be text\. Got: .*"


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (["a", None], rf"rows\['c'\]\[1\] {MISSING}None\. Drop the row, or replace .*'unknown'\."),
        (["a", float("nan")], rf"rows\['c'\]\[1\] {MISSING}nan"),
        ([None, "a"], rf"rows\['c'\]\[0\] {MISSING}None"),
        ([None, None], rf"rows\['c'\]\[0\] {MISSING}None"),
        (["a", {}], rf"rows\['c'\]\[1\] {NOT_TEXT}=\{{\}}\. Make the column all text or all numbe"),
        (["a", 3], rf"rows\['c'\]\[1\] {NOT_TEXT}=3\."),
        ([3, "a"], rf"rows\['c'\]\[0\] {NOT_TEXT}=3\."),
        ([["a"], None], r"rows\['c'\]\[1\] must be a list like the first cell\. .*=None\. Pass"),
        ([["a"], "b"], r"rows\['c'\]\[1\] must be a list like the first cell\. Got: .*='b'\."),
        ([["a", None]], rf"Each value in the lists of rows\['c'\] {MISSING}None"),
        ([["a", 3]], r"^Each value in the lists of rows\['c'\] must be text\. Got: 3\. Make"),
        (np.array([9], "timedelta64[s]"), r"\['c'\] has the dtype timedelta64.*\. Convert"),
        ([datetime.time(1)], rf"rows\['c'\]\[0\] {NOT_TEXT}datetime\.time"),
        (["a", "a", "b\ud800"], r"\['c'\]\[2\] must be valid UTF-8 text.*'b\\ud800'\. Decode"),
    ],
)
def test_missing_mixed_and_unsupported_cells_are_named(column, text):
    with pytest.raises(ValueError if "UTF-8" in text else TypeError, match=text):
        encode_column("c", as_array(column))
