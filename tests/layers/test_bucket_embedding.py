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
    "make",
    [
        lambda **kwargs: BucketEmbedding([0.5], 2, **kwargs),
        lambda **kwargs: rk.layers.NormalizedNumber(0.0, 1.0, **kwargs),
    ],
)
def test_values_that_are_not_finite_raise(make):
    for value in (math.nan, math.inf):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="The input of layer 'age' must be"
        ):
            make(name="age").encode(tf.constant([value]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="Got: NaN or an infinite value"):
        make(missing="learn").encode(tf.constant([math.inf]))
    make(missing="learn").encode(tf.constant([math.nan]))
