import math

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

BucketEmbedding = rk.layers.BucketEmbedding


def test_buckets_of_a_column_hold_equal_counts():
    ages = np.random.default_rng(0).permutation(np.arange(100))
    layer = BucketEmbedding.from_column(ages, 2, num_buckets=4)
    assert np.bincount(layer.encode(tf.constant(ages))).tolist() == [25, 25, 25, 25]


def test_repeated_values_give_fewer_buckets_and_none_is_empty():
    layer = BucketEmbedding.from_column([1] * 50 + [2] * 30 + [3] * 20, 2, num_buckets=10)
    assert layer.get_config()["boundaries"] == [2, 3]


def test_integer_boundaries_are_compared_exactly():
    boundary = 2**53 + 1
    layer = BucketEmbedding([boundary], 2)
    assert layer.encode(tf.constant([boundary - 1, boundary])).numpy().tolist() == [0, 1]


def test_nan_has_the_last_row():
    layer = BucketEmbedding([0.5], 2, missing="learn")
    assert layer.encode(tf.constant([0.0, 1.0, math.nan])).numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("layer_class", "arguments"),
    [(BucketEmbedding, ([0.5], 2)), (rk.layers.NormalizedNumber, (0.0, 1.0))],
)
def test_values_that_are_not_finite_raise(layer_class, arguments):
    layer, learned = (layer_class(*arguments, missing=each) for each in ("error", "learn"))
    for each, value in ((layer, math.nan), (layer, math.inf), (learned, math.inf)):
        message = f"The input of layer '{each.name}' must be .* Got: NaN or an infinite value"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            each.encode(tf.constant([value]))
    learned.encode(tf.constant([math.nan]))


def test_numbers_that_the_input_would_round_or_truncate_are_refused():
    with pytest.raises(ValueError, match=r"boundaries must not have .*2\^24.*missing='error'"):
        BucketEmbedding([1_700_000_001], 2, missing="learn")
    for layer in (
        BucketEmbedding([5], 2),
        rk.layers.NormalizedNumber(5, 1.0),
        rk.layers.CalendarEmbedding("month", 2),
    ):
        with pytest.raises(TypeError, match="input of layer .* must be integers. Got: .*float32"):
            layer.encode(tf.constant([math.nan]))
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have integers below 2.63"):
            layer.encode(tf.constant([2**63], tf.uint64))
    for layer in (BucketEmbedding([0.5], 2), rk.layers.NormalizedNumber(0.5, 1.0)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="beyond 2.24 .*float32 rounds"):
            layer.encode(tf.constant([2**24 + 1]))


def test_times_are_read_as_seconds_by_every_layer_of_numbers_and_times():
    seconds = np.arange(20) * 86_400 + 1_700_000_001
    times, users = seconds.astype("datetime64[s]").astype("datetime64[ns]"), ["a", "b"] * 10
    layers = rk.layers
    for make in (
        lambda column: BucketEmbedding.from_column(column, 2),
        lambda column: layers.NormalizedNumber.from_column(column),
        lambda column: layers.TimeSinceEmbedding.from_columns(users, column, 2),
        lambda column: layers.CrossEmbedding.from_columns(users, column, 2, width=86_400),
        lambda column: layers.Attribute(range(20), column, BucketEmbedding([5], 2), default=0),
    ):
        expected, got = (make(column).get_config() for column in (seconds.tolist(), times))
        for config in (expected, got):
            config.pop("name")
            config.pop("layer", None)
        assert got == expected
