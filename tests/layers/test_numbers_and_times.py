"""Numbers, normalized or in buckets, and parts of the calendar."""

import datetime
import math

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

NORMALIZED, BUCKETS = rk.layers.NormalizedNumber, rk.layers.BucketEmbedding


def test_scale_of_a_column():
    layer = NORMALIZED.from_column([1.0, math.nan, 3.0])
    # Of 1 and 3: mean 2, standard deviation 1.
    assert (layer.mean, layer.standard_deviation) == (2.0, 1.0)
    assert repr(layer) == "NormalizedNumber(mean=2.0, standard_deviation=1.0)"


def test_seconds_of_timestamps_are_kept():
    stamps = [893_286_638, 893_286_639, 893_286_640]
    layer = NORMALIZED.from_column(stamps)
    assert layer.feature_spec.dtype == tf.int64
    np.testing.assert_allclose(layer(tf.constant(stamps)), [[-1.2247], [0], [1.2247]], atol=1e-4)


def test_a_missing_number_has_a_trained_value():
    layer = NORMALIZED(10.0, 2.0, missing="learn")
    layer.set_weights([np.float32(0.25)])
    assert layer(tf.constant([14.0, math.nan])).numpy().tolist() == [[2.0], [0.25]]


@pytest.mark.parametrize(
    "make", [lambda **k: NORMALIZED(0.0, 1.0, **k), lambda **k: BUCKETS([0.5], 2, **k)]
)
def test_what_is_not_finite_is_refused(make):
    for value in (math.nan, math.inf):
        with pytest.raises(tf.errors.InvalidArgumentError, match="Numbers of layer 'age' must be"):
            make(name="age").encode(tf.constant([value]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Got: NaN or an infinite value"):
        make(missing="learn").encode(tf.constant([math.inf]))
    make(missing="learn").encode(tf.constant([math.nan]))
    with pytest.raises(ValueError, match="Unknown policy for missing values 'skip'"):
        make(missing="skip")


def test_nan_in_training_rows_is_told_in_one_line():
    network = rk.ranking_network(
        {"age": NORMALIZED(30.0, 10.0, name="age_layer")}, head=rk.layers.DenseRatingHead([])
    )
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    rows = {"age": [20.0, math.nan], "rating": [3.0, 4.0]}
    with pytest.raises(ValueError, match="^Numbers of layer 'age_layer' must be finite. Got: NaN"):
        model.fit(rk.data.batches(rows, 2), verbose=0)
    with pytest.raises(ValueError, match="^Numbers of layer 'age_layer' must be finite"):
        rk.rank(model, {}, {"age": [math.nan]})


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: NORMALIZED.from_column([5, 5]), "standard_deviation must be above 0.*constant"),
        (lambda: NORMALIZED.from_column([1.0, math.inf]), "column must be finite. Got: column=inf"),
        (lambda: NORMALIZED.from_column([math.nan]), "column must be at least one number"),
        (lambda: NORMALIZED(math.nan, 1.0), "mean must be finite"),
        (lambda: NORMALIZED(0.0, 1.0, embedding_dim=0), "embedding_dim must be an integer of at"),
        (lambda: BUCKETS([], 2), "boundaries must be at least one number"),
        (lambda: BUCKETS([2, 1], 2), "boundaries must be ascending numbers"),
        (lambda: BUCKETS([1, 1], 2), "boundaries must be ascending numbers"),
        (lambda: BUCKETS([1.0, math.nan], 2), "boundaries must be finite"),
        (lambda: BUCKETS.from_column([5, 5, 5], 2), "column must be of more than one value.*const"),
        (lambda: BUCKETS.from_column([1, 2], 2, num_buckets=1), "num_buckets must be an integer"),
        (lambda: rk.layers.CalendarEmbedding("year", 2), "Unknown part 'year'"),
        (
            lambda: rk.layers.CalendarEmbedding("month", 2, utc_offset=60),
            "utc_offset must be hours",
        ),
    ],
)
def test_bad_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_text_for_numbers_is_named():
    with pytest.raises(TypeError, match="column must be a list of numbers"):
        NORMALIZED.from_column(["1", "2"])


def test_buckets_hold_equally_many_rows():
    ages = np.random.default_rng(0).permutation(np.arange(100))
    layer = BUCKETS.from_column(ages, 2, num_buckets=4)
    counts = np.bincount(layer.encode(tf.constant(ages)))
    assert counts.tolist() == [25, 25, 25, 25]
    # Values that repeat make fewer buckets, and none is empty.
    few = BUCKETS.from_column([1] * 50 + [2] * 30 + [3] * 20, 2, num_buckets=10)
    assert few.get_config()["boundaries"] == [2, 3]


def test_whole_boundaries_are_compared_exactly():
    edge = 2**53 + 1
    layer = BUCKETS([edge], 2)
    assert layer.encode(tf.constant([edge - 1, edge])).numpy().tolist() == [0, 1]


def test_missing_numbers_have_the_last_row():
    layer = BUCKETS([0.5], 2, missing="learn")
    assert layer.encode(tf.constant([0.0, 1.0, math.nan])).numpy().tolist() == [0, 1, 2]


@pytest.mark.parametrize("utc_offset", [0, 5.5, -8])
def test_calendar_is_that_of_python(utc_offset):
    rng = np.random.default_rng(1)
    seconds = [*rng.integers(-(2**33), 2**33, 300).tolist(), 0, -1, 951_782_400, 951_868_800]
    zone = datetime.timezone(datetime.timedelta(hours=utc_offset))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    dates = [(epoch + datetime.timedelta(seconds=each)).astimezone(zone) for each in seconds]
    expected = {
        "hour_of_day": [date.hour for date in dates],
        "day_of_week": [date.weekday() for date in dates],
        "day_of_month": [date.day - 1 for date in dates],
        "month": [date.month - 1 for date in dates],
    }
    for part, values in expected.items():
        layer = rk.layers.CalendarEmbedding(part, 2, utc_offset=utc_offset)
        assert layer.encode(tf.constant(seconds)).numpy().tolist() == values, part


def test_age_counts_from_the_first_moment_of_each_id():
    ids, moments = ["a", "b", "a", "b"], [100, 1000, 160, 1005]
    layer = rk.layers.TimeSinceEmbedding.from_columns(ids, moments, 2, num_buckets=4)
    config = layer.get_config()
    assert (config["ids"], config["references"]) == (["a", "b"], [100, 1000])
    assert config["boundaries"] == [5, 60]
    raw = [tf.constant(["a", "a", "b", "b", "new"]), tf.constant([90, 104, 1005, 1060, 90])]
    assert layer.encode(raw).numpy().tolist() == [1, 1, 2, 3, 0]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((["a"], [1, 2], [5], 2), ValueError, "references must be one for each of 1 ids"),
        ((["a"], [1], [5, 5], 2), ValueError, "boundaries must be ascending"),
        ((["a"], [1.5], [5], 2), TypeError, "references must be a list of whole numbers"),
        ((["a"], [1], [5.5], 2), TypeError, "boundaries must be a list of whole numbers"),
        ((["a", "a"], [1, 1], [5], 2), ValueError, "ids"),
    ],
)
def test_ages_that_cannot_be_told_are_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        rk.layers.TimeSinceEmbedding(*arguments)


def test_ages_that_are_all_equal_tell_nothing():
    with pytest.raises(ValueError, match="ages must be of more than one value"):
        rk.layers.TimeSinceEmbedding.from_columns(["a", "b"], [1, 2], 2)
