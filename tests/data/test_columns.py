import numpy as np
import pandas as pd
import pytest

from rankkit.data.columns import as_columns


def test_lists_and_frames_become_arrays():
    columns = {"id": ["a", "b"], "rating": [1.5, 2], "tags": [["x"], ["y"]]}
    for rows in (columns, pd.DataFrame(columns)):
        got = as_columns(rows)
        assert got["id"].tolist() == ["a", "b"]
        assert got["rating"].dtype == np.float64
        assert got["tags"].shape == (2,)
        assert list(got["tags"]) == [["x"], ["y"]]


def test_names_select_and_order():
    rows = {"a": [1], "b": [2], "c": [3]}
    assert list(as_columns(rows, ["c", "a"])) == ["c", "a"]


def test_mixed_kinds_stay_apart():
    assert as_columns({"a": [1, "1"]})["a"].tolist() == [1, "1"]


@pytest.mark.parametrize("rows", [[1, 2], "abc", None, np.arange(3)])
def test_rows_of_another_kind(rows):
    text = r"rows must be a dict of arrays or a DataFrame\. Got: rows='.*'\. Name the columns"
    with pytest.raises(TypeError, match=text):
        as_columns(rows)


def test_lengths_that_differ():
    text = r"rows must be columns of one length\. Got: 'a' has 2, 'b' has 1\. Give each column"
    with pytest.raises(ValueError, match=text):
        as_columns({"a": [1, 2], "b": [1]})


def test_no_rows():
    text = r"rows must be at least one row\. Got: rows=\{'a': 0\}\. Was everything filtered out\?"
    with pytest.raises(ValueError, match=text):
        as_columns({"a": []})


def test_no_columns():
    text = r"columns must be at least one name\. Got: columns=\[\]\. Name the columns to take\."
    with pytest.raises(ValueError, match=text):
        as_columns({})


def test_an_unknown_column():
    text = r"Unknown column 'user'\. Known: 'user_id', 'item'\. Did you mean 'user_id'\?"
    with pytest.raises(ValueError, match=text):
        as_columns({"user_id": [1], "item": [2]}, ["user"])


def test_one_name_in_place_of_a_list():
    text = r"columns must be a list of names\. Got: columns='a'\. Write columns=\['a'\]\."
    with pytest.raises(TypeError, match=text):
        as_columns({"a": [1]}, "a")


def test_a_single_value_in_place_of_a_column():
    text = r"rows\['a'\] must be an array\. Got: rows\['a'\]=3\. Give one value a row"
    with pytest.raises(TypeError, match=text):
        as_columns({"a": 3})
