import pytest
import rankkit as rk
import tensorflow as tf

TimeSinceEmbedding = rk.layers.TimeSinceEmbedding


def test_reference_is_the_first_timestamp_of_each_id():
    ids, timestamps = ["a", "b", "a", "b"], [100, 1000, 160, 1005]
    layer = TimeSinceEmbedding.from_columns(
        ids, timestamps=timestamps, embedding_dim=2, num_buckets=4
    )
    config = layer.get_config()
    assert (config["ids"], config["references"]) == (["a", "b"], [100, 1000])
    assert config["boundaries"] == [5, 60]
    raw = [tf.constant(["a", "a", "b", "b", "new"]), tf.constant([90, 104, 1005, 1060, 90])]
    assert layer.encode(raw).numpy().tolist() == [1, 1, 2, 3, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            (["a"], [1, 2], [5], 2),
            ValueError,
            "references must have .* Got: 2 references for 1 ids",
        ),
        ((["a"], [1], [5, 5], 2), ValueError, "boundaries must be strictly ascending"),
        ((["a"], [1.5], [5], 2), TypeError, "references must be a list of integers"),
        ((["a"], [True], [5], 2), TypeError, "references must be a list of integers"),
        ((["a"], [1], [5.5], 2), TypeError, "boundaries must be a list of integers"),
        ((["a", "a"], [1, 1], [5], 2), ValueError, "ids contains 'a' more than once"),
        (("a", [1], [5], 2), TypeError, "ids must be .*'a'"),
    ],
)
def test_invalid_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        TimeSinceEmbedding(*arguments)


@pytest.mark.parametrize(
    ("ids", "timestamps", "error", "message"),
    [
        (["a", "b"], [1, 2], ValueError, "first of timestamps cannot .* all of its values are 0"),
        (["a", "b"], [1, 2, 3], ValueError, "Got: 2 ids and 3 timestamps"),
        ("ab", [1, 2], TypeError, "ids must be a column. Got: ids='ab'"),
        (["a", "b"], [1.5, 2], TypeError, "timestamps must be a list of integers"),
    ],
)
def test_invalid_columns_are_named(ids, timestamps, error, message):
    with pytest.raises(error, match=message):
        TimeSinceEmbedding.from_columns(ids, timestamps, 2)
