import numpy as np
import pandas as pd
import pytest

from rankkit.core.vocabulary import check_vocabulary
from rankkit.data import vocabulary


@pytest.mark.parametrize(
    "column",
    [
        ["b", "a", "b"],
        ("b", "a", "b"),
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=object),
        np.array([b"b", b"a", b"b"]),
        np.array([b"b", b"a", "b"], dtype=object),
        pd.Series(["b", "a", "b"]),
        pd.Series(["b", "a", "b"], dtype="category"),
    ],
)
def test_text_of_every_kind_gives_sorted_str(column):
    ids = vocabulary(column)
    assert ids == ["a", "b"]
    assert [type(one) for one in ids] == [str, str]


@pytest.mark.parametrize(
    "column",
    [[10, 9, 10], np.array([10, 9, 10], np.int32), pd.Series([10, 9, 10]), [np.int64(10), 9]],
)
def test_whole_numbers_give_sorted_int(column):
    ids = vocabulary(column)
    assert ids == [9, 10]
    assert [type(one) for one in ids] == [int, int]


def test_lists_give_their_members():
    genres = [["Drama"], [], ["Comedy", "Drama"]]
    assert vocabulary(genres) == ["Comedy", "Drama"]
    assert vocabulary(pd.Series(genres)) == ["Comedy", "Drama"]


def test_movielens(ratings):
    assert len(vocabulary(ratings["user_id"])) == 943
    assert len(vocabulary(ratings["movie_title"])) == 1664


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ([1.5, 2.0], r"column must be ids that are str or int\. Got: column='float64'\. Cast"),
        ([True, False], r"column must be ids that are str or int\. Got: column='bool'\. Cast"),
        ("abc", r"column must be an array or list of ids\. Got: column='abc'\. Give a whole"),
        (["a", None], r"ids that are str or int\. Got: column=None\. Drop the rows without"),
        (["a", float("nan")], r"Got: column=nan\. Drop the rows without"),
        (pd.Series(["a", pd.NA], dtype=object), r"Got: column=<NA>\. Drop the rows without"),
        ([1, "a"], r"column must be all str or all int\. Got: column=\[.*\]\. Make them one kind"),
    ],
)
def test_a_wrong_kind_of_id(column, text):
    with pytest.raises(TypeError, match=text):
        vocabulary(column)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ([], r"column must be a list of at least one id\. Got: column=\[\]\. Was the column"),
        (["a", "b\nc"], r"ids of valid UTF-8 without newline and NUL\. Got: column='b\\nc'\."),
        (["a", "b\0c"], r"without newline and NUL\. Got: column='b\\x00c'\. Replace"),
        (["a", "b\ud800"], r"valid UTF-8 .*Got: column='b\\ud800'\. Replace that character"),
        ([b"a", b"\xff"], r"valid UTF-8 .*Got: column=b'\\xff'\. Decode the column"),
        ([1, 2**63], r"ids of at most 64 bits\. Got: column=9223372036854775808\. Cast"),
    ],
)
def test_an_impossible_id(column, text):
    with pytest.raises(ValueError, match=text):
        vocabulary(column)


def test_a_list_of_ids_keeps_its_order():
    assert check_vocabulary("vocabulary", ["b", "a"]) == ["b", "a"]
    assert check_vocabulary("vocabulary", np.array([2, 1])) == [2, 1]
    kinds = {type(one) for one in check_vocabulary("vocabulary", [np.str_("a"), "b"])}
    assert kinds == {str}


def test_duplicates_in_a_list_of_ids():
    text = r"users must be ids without duplicates\. Got: users='b'\. Keep each id once\."
    with pytest.raises(ValueError, match=text):
        check_vocabulary("users", ["a", "b", "c", "b", "a"])


def test_bytes_in_a_list_of_ids():
    text = r"users must be ids that are str or int\. Got: users=b'a'\. Decode the ids to str\."
    with pytest.raises(TypeError, match=text):
        check_vocabulary("users", [b"a", "b"])


@pytest.mark.parametrize("ids", ["abc", 7])
def test_no_list_of_ids(ids):
    with pytest.raises(TypeError, match=r"users must be a list of ids\. Got: users=.* Put the ids"):
        check_vocabulary("users", ids)
