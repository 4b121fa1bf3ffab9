import numpy as np
import pytest

from rankkit.utils.errors import check_integer, invalid, missing, unknown, unreadable, wrong_type


def test_messages_show_the_value_what_is_expected_and_a_fix():
    error = invalid("k", 0, "at least 1", "Raise it.")
    assert isinstance(error, ValueError)
    assert str(error) == "k must be at least 1. Got: k=0. Raise it."
    error = wrong_type("name", b"x", "a str")
    assert isinstance(error, TypeError)
    assert str(error) == "name must be a str. Got: name=b'x'."


def test_long_values_are_shortened():
    assert len(str(invalid("ids", ["id"] * 10_000, "short"))) < 300


def test_unknown_names_list_the_known_names_and_the_nearest():
    error = unknown("column", "user", ["user_id", "title"])
    expected = "Unknown column 'user'. Known: 'user_id', 'title'. Did you mean 'user_id'?"
    assert str(error) == expected
    assert str(unknown("column", "zzz", ["user_id"])) == "Unknown column 'zzz'. Known: 'user_id'."


def test_missing_names_list_the_expected_and_the_passed_names():
    error = missing("feature", "user_id", ["user_id"], [])
    assert str(error) == "Missing feature 'user_id'. Expected: 'user_id'. Got: nothing."
    error = missing("feature", "user_id", ["user_id"], ["user"])
    assert str(error).endswith("Got: 'user'. Did you mean 'user'?")


def test_unreadable_file_is_named_with_the_reason():
    error = unreadable("a/b.json", "a journal", OSError("truncated."))
    text = "'a/b.json' cannot be read as a journal: truncated. "
    assert str(error) == f"{text}Check the path, or create the file again."


@pytest.mark.parametrize("value", [2, 3, np.int64(2), np.uint8(200)])
def test_check_integer_accepts_integers(value):
    check_integer("k", value, 2)


@pytest.mark.parametrize(
    "value", [True, False, np.bool_(True), 1, -2, np.int32(1), 2.0, np.float32(3.0), "3", None]
)
def test_check_integer_rejects_booleans_other_types_and_small_integers(value):
    with pytest.raises(
        ValueError, match=r"^k must be an integer of at least 2\. Got: k=.*Use 2\.$"
    ):
        check_integer("k", value, 2, "Use 2.")
