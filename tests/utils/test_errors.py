from rankkit.utils.errors import invalid, missing, unknown, wrong_type


def test_every_message_says_what_came_and_what_to_do():
    error = invalid("k", 0, "at least 1", "Raise it.")
    assert isinstance(error, ValueError)
    assert str(error) == "k must be at least 1. Got: k=0. Raise it."
    error = wrong_type("name", b"x", "a str")
    assert isinstance(error, TypeError)
    assert str(error) == "name must be a str. Got: name=b'x'."


def test_unknown_names_list_the_known_and_the_nearest():
    assert (
        str(unknown("column", "user", ["user_id", "title"]))
        == "Unknown column 'user'. Known: 'user_id', 'title'. Did you mean 'user_id'?"
    )
    assert str(unknown("column", "zzz", ["user_id"])) == "Unknown column 'zzz'. Known: 'user_id'."


def test_missing_names_list_what_was_expected_and_what_came():
    assert (
        str(missing("feature", "user_id", ["user_id"], []))
        == "Missing feature 'user_id'. Expected: 'user_id'. Got: nothing."
    )
