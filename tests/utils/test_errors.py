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
def test_check_integer_returns_plain_integers(value):
    assert type(check_integer("k", value, 2)) is int


@pytest.mark.parametrize(
    "value", [True, False, np.bool_(True), 1, -2, np.int32(1), 2.0, np.float32(3.0), "3", None]
)
def test_check_integer_rejects_booleans_other_types_and_small_integers(value):
    with pytest.raises(
        ValueError, match=r"^k must be an integer of at least 2\. Got: k=.*Use 2\.$"
    ):
        check_integer("k", value, 2, "Use 2.")


@pytest.mark.parametrize(
    ("value", "kind"),
    [(2, int), (np.uint8(2), int), (0.5, float), (np.float16(0.5), float), (np.float32(2), float)],
)
def test_check_number_returns_plain_numbers(value, kind):
    found = check_number("rate", value, least=0.5, most=2)
    assert type(found) is kind
    assert found == value


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        *((value, {}) for value in (True, np.True_, "1", b"1", None, [1], np.array(1), 1j)),
        *((value, {}) for value in (math.nan, math.inf, np.float32(np.inf), 10**400)),
        (0, {"above": 0}),
        (1, {"below": 1}),
        (-1, {"least": 0}),
        (np.float16(2), {"most": 1}),
    ],
)
def test_check_number_rejects_other_types_and_numbers_out_of_bounds(value, bounds):
    message = r"^rate must be a rate\. Got: rate=.*\. Use 0\.5\.$"
    with pytest.raises(ValueError, match=message):
        check_number("rate", value, "a rate", "Use 0.5.", **bounds)


def test_check_number_allows_infinity_only_if_asked():
    assert check_number("timeout", np.inf, most=np.inf) == np.inf


@pytest.mark.parametrize("value", [0, 1, "False", None, np.array([True]), np.array(True), [], 0.0])
def test_check_boolean_rejects_what_only_has_a_truth_value(value):
    assert check_boolean("cache", np.True_) is True
    with pytest.raises(ValueError, match=r"^cache must be True or False\. Got: cache="):
        check_boolean("cache", value)


@pytest.mark.parametrize("values", ["12", b"12", 4, None, {4, 8}, {4: 8}, np.array(4)])
def test_check_sequence_rejects_what_has_no_order(values):
    assert check_sequence("units", np.array([8, 4]), "a sequence") == [8, 4]
    assert check_sequence("units", {8: 0, 4: 0}.keys(), "a sequence") == [8, 4]
    with pytest.raises(TypeError, match=r"^units must be a sequence\. Got: units=.*\. Sort it\.$"):
        check_sequence("units", values, "a sequence", "Sort it.")


@pytest.mark.parametrize("units", [[0], [True], [2.0], ["2"], [[2]]])
def test_check_units_rejects_other_widths(units):
    assert check_units("units", [np.int64(2), 3]) == (2, 3)
    with pytest.raises(ValueError, match=r"^units must be integers of at least 1\. Got: units="):
        check_units("units", units)


@pytest.mark.parametrize("value", [(5, 1), (1, 1), (1, 2, 3), (1, math.inf), "15", b"15", {1, 5}])
def test_check_range_rejects_other_pairs(value):
    assert check_range("rating_range", np.array([1, 5])) == (1.0, 5.0)
    message = r"^rating_range must be two finite numbers \(lowest, highest\) with lowest < highest"
    with pytest.raises(ValueError, match=message):
        check_range("rating_range", value)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (
            lambda: as_names("columns", "user_id"),
            r"list of names\. .*Write columns=\['user_id'\]\.$",
        ),
        (
            lambda: as_names("columns", b"user_id"),
            "columns must be a list of names. Got: columns=b'",
        ),
        (lambda: check_text("name", b"x"), "name must be a string. Got: name=b'x'"),
        (lambda: check_path("path", b"x"), "path must be a path. Got: path=b'x'"),
        (lambda: check_mapping("fill", [1], "a dict"), r"fill must be a dict. Got: fill=\[1\]"),
    ],
)
def test_text_and_collections_of_another_type_are_named(check, message):
    with pytest.raises(TypeError, match=message):
        check()


@pytest.mark.parametrize("value", ["min", 1, ["mean"], np.array(["mean", "sum"])])
def test_check_choice_rejects_unknown_words_and_other_types(value):
    with pytest.raises(ValueError, match=r"^Unknown pooling .*Known: 'mean', 'sum'\."):
        check_choice("pooling", value, ["mean", "sum"])
