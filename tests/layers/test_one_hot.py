import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

OneHot = rk.layers.OneHot


def test_booleans_are_categories_0_and_1():
    layer = OneHot.from_column(np.array([True, False]))
    assert layer.vocabulary == [0, 1]
    network = rk.ranking_network({"new": layer}, head=rk.layers.DenseRatingHead([]))
    assert network({"new": tf.constant([True, False])}).shape == (2, 1)


def test_single_string_is_not_a_column():
    with pytest.raises(TypeError, match="column='ab'"):
        OneHot.from_column("ab")
