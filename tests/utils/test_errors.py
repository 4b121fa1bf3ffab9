import math

import numpy as np
import pytest

from rankkit.utils.errors import (
    as_names,
    check_boolean,
    check_choice,
    check_integer,
    check_mapping,
    check_number,
    check_path,
    check_range,
    check_sequence,
    check_text,
    check_units,
    invalid,
    missing,
    unknown,
    unreadable,
    wrong_type,
)


def test_messages_show_the_value_what_is_expected_and_a_fix():
    error = invalid("k", 0, "at least 1", "Raise it.")
    assert isinstance(error, ValueError)
    assert str(error) == "k must be at least 1. Got: k=0. Raise it."
    error = wrong_type("name", b"x", "a str")
    assert isinstance(error, TypeError)
    assert str(error) == "name must be a str. Got: name=b'x'."
    assert str(invalid("rows['a b'][0]", 1, "str")).endswith("Got: rows['a b'][0]=1.")
    assert str(invalid("feature 'a'", 1, "str")) == "Feature 'a' must be str. Got: 1."
    assert len(str(invalid("ids", ["id"] * 10_000, "short"))) < 300


def test_unknown_names_list_the_known_names_and_the_nearest():
    error = unknown("column", "user", ["user_id", "title"])
    expected = "Unknown column 'user'. Known: 'user_id', 'title'. Did you mean 'user_id'?"
    assert str(error) == expected
    assert str(unknown("column", "zzz", ["user_id"])) == "Unknown column 'zzz'. Known: 'user_id'."
    error = unknown("column", "f60", [f"f{column}" for column in range(60)])
    assert str(error).endswith(", 'f29', ... (60 names). Did you mean 'f6'?")


def test_missing_names_list_the_expected_and_the_passed_names():
    error = missing("feature", "user_id", ["user_id"], [])
    assert str(error) == "Missing feature 'user_id'. Expected: 'user_id'. Got: nothing."
    error = missing("feature", "user_id", ["user_id"], ["user"])
    assert str(error).endswith("Got: 'user'. Did you mean 'user'?")


def test_unreadable_file_is_named_with_the_reason():
    error = unreadable("a/b.json", "a journal", OSError("truncated."))
    text = "'a/b.json' cannot be read as a journal: truncated. "
    assert str(error) == f"{text}Check the path, or create the file again."


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        *((check_integer("k", value, 2), 2) for value in (2, np.int64(2), np.uint8(2))),
        *((check_number("rate", value, least=0.5, most=2), 2) for value in (2, np.uint8(2))),
        *((check_number("rate", value, least=0.5), 0.5) for value in (0.5, np.float16(0.5))),
        (check_number("timeout", np.inf, most=np.inf), math.inf),
        (check_boolean("cache", np.True_), True),
        (check_sequence("units", np.array([8, 4]), "a sequence"), [8, 4]),
        (check_sequence("units", {8: 0, 4: 0}.keys(), "a sequence"), [8, 4]),
        (check_units("units", [np.int64(2), 3]), (2, 3)),
        (check_range("rating_range", np.array([1, 5])), (1.0, 5.0)),
    ],
)
def test_accepted_values_become_plain_python(found, expected):
    assert (found, type(found)) == (expected, type(expected))


NO_NUMBERS = [True, np.True_, "3", b"3", None, [3], np.array(3), 1j]


@pytest.mark.parametrize(
    ("check", "settings", "values", "text"),
    [
        (check_integer, {"least": 2}, [*NO_NUMBERS, 1, np.int32(1), 2.0, np.float32(3)],
         "an integer of at least 2"),
        (check_number, {}, [*NO_NUMBERS, math.nan, math.inf, np.float32(np.inf), 10**400],
         "a finite number"),
        (check_number, {"above": 0, "expected": "above 0"}, [0], "above 0"),
        (check_number, {"below": 1, "expected": "below 1"}, [1], "below 1"),
        (check_number, {"least": 0, "expected": "at least 0"}, [-1], "at least 0"),
        (check_number, {"most": 1, "expected": "at most 1"}, [np.float16(2)], "at most 1"),
        (check_boolean, {}, [0, 1, "False", None, np.array([True]), np.array(True), [], 0.0],
         "True or False"),
        (check_sequence, {"expected": "a list"}, ["1", b"1", 4, None, {4, 8}, {4: 8}, np.array(4)],
         "a list"),
        (check_units, {}, [[0], [True], [2.0], ["2"], [[2]]], "integers of at least 1"),
        (check_range, {}, [(5, 1), (1, 1), (1, 2, 3), (1, math.inf), "15", b"15", {1, 5}],
         r"two finite numbers \(lowest, highest\) with lowest < highest"),
        (as_names, {}, ["user_id", b"user_id"], "a list of names"),
        (check_text, {}, [b"x", 1], "a string"),
        (check_path, {}, [b"x", 1], "a path"),
        (check_mapping, {"expected": "a dict"}, [[1]], "a dict"),
    ],
)  # fmt: skip
def test_other_values_are_rejected_by_name(check, settings, values, text):
    for value in values:
        with pytest.raises((TypeError, ValueError), match=rf"^x must be {text}\. Got: x="):
            check("x", value, **settings)


@pytest.mark.parametrize("value", ["min", 1, ["mean"], np.array(["mean", "sum"])])
def test_check_choice_rejects_unknown_words_and_other_types(value):
    with pytest.raises(ValueError, match=r"^Unknown pooling .*Known: 'mean', 'sum'\."):
        check_choice("pooling", value, ["mean", "sum"])


def test_single_name_is_shown_as_a_list():
    with pytest.raises(TypeError, match=r"Write columns=\['user_id'\]\.$"):
        as_names("columns", "user_id")
