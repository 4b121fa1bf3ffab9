import numpy as np
import rankkit as rk
import tensorflow as tf

OneHot = rk.layers.OneHot


def test_booleans_are_categories_0_and_1():
    layer = OneHot.from_column(np.array([True, False]))
    assert layer.vocabulary == [0, 1]
    network = rk.ranking_network({"new": layer}, head=rk.layers.DenseRatingHead([]))
    assert network({"new": tf.constant([True, False])}).shape == (2, 1)
