import pytest
import rankkit as rk
import tensorflow as tf

CrossEmbedding = rk.layers.CrossEmbedding


def test_integers_are_grouped_into_windows():
    users, seconds = ["u1", "u1", "u2", "u2", "u3"], [0, 86_399, 86_400, -1, 0]
    layer = CrossEmbedding.from_columns(users, seconds, 2, width=86_400)
    # u1 on day 0 twice; u2 on days 1 and -1; u3 on day 0.
    assert layer.get_config()["first"] == ["u1", "u2", "u2", "u3"]
    assert layer.get_config()["second"] == [0, 86_400, -86_400, 0]
    rows = layer.encode([tf.constant(users), tf.constant(seconds)])
    assert rows.numpy().tolist() == [1, 1, 2, 3, 4]


def test_unknown_pairs_of_known_values_are_out_of_vocabulary():
    layer = CrossEmbedding(["u1", "u2"], [0, 60], 2)
    rows = layer.encode([tf.constant(["u1", "u2", "u3"]), tf.constant([60, 60, 0])])
    assert rows.numpy().tolist() == [0, 2, 0]


def test_bytes_are_read_as_text():
    layer = CrossEmbedding.from_columns([b"u1", b"u2"], [b"a", b"b"], 2)
    assert layer.get_config()["first"] == ["u1", "u2"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((["a"], [1, 2]), ValueError, "Got: 1 first and 2 second"),
        (([], []), ValueError, "first must be .*at least one id"),
        ((["a", "b", "b"], [1, 1, 1]), ValueError, r"must be unique. Got: \('b', 1\) twice"),
        ((["a"], ["x"], 60), ValueError, "width must be 1 if the values of second are strings"),
        ((["a"], [1], 0), ValueError, "width must be an integer of at least 1"),
        ((["a", "b"], [1.5, 2.5]), TypeError, "second must be .*Got: second=1.5"),
        (("ab", [1, 2]), TypeError, "first must be a column. Got: first='ab'"),
    ],
)
def test_invalid_arguments_are_named(arguments, error, message):
    first, second, width = (*arguments, 1)[:3]
    with pytest.raises(error, match=message):
        CrossEmbedding(first, second, 2, width=width)


@pytest.mark.parametrize(
    ("second", "width", "error", "message"),
    [
        ([1, 2, 3], 1, ValueError, "Got: 2 first and 3 second"),
        ([1, 2], 0, ValueError, "width must be an integer of at least 1"),
        ("xy", 1, TypeError, "second must be a column. Got: second="),
    ],
)
def test_invalid_columns_are_named(second, width, error, message):
    with pytest.raises(error, match=message):
        CrossEmbedding.from_columns(["a", "b"], second, 2, width=width)
