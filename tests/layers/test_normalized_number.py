import math

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

NormalizedNumber = rk.layers.NormalizedNumber


def test_mean_and_standard_deviation_of_a_column():
    layer = NormalizedNumber.from_column([1.0, math.nan, 3.0], missing="learn")
    # Of 1 and 3: mean 2, standard deviation 1.
    assert (layer.mean, layer.standard_deviation) == (2.0, 1.0)
    assert repr(layer) == ("NormalizedNumber(mean=2.0, standard_deviation=1.0, missing='learn')")


def test_timestamps_keep_their_seconds():
    timestamps = [893_286_638, 893_286_639, 893_286_640]
    layer = NormalizedNumber.from_column(timestamps)
    assert layer.feature_spec.dtype == tf.int64
    expected = [[-1.2247], [0], [1.2247]]  # (-1, 0, 1) / sqrt(2 / 3)
    np.testing.assert_allclose(layer(tf.constant(timestamps)), expected, atol=1e-4)


def test_missing_number_has_a_trained_value():
    layer = NormalizedNumber(10.0, 2.0, missing="learn")
    layer.set_weights([np.float32(0.25)])
    assert layer(tf.constant([14.0, math.nan])).numpy().tolist() == [[2.0], [0.25]]


def test_nan_in_fit_and_rank_raises_a_short_error():
    network = rk.ranking_network(
        {"age": NormalizedNumber(30.0, 10.0, name="age_layer")}, head=rk.layers.DenseRatingHead([])
    )
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    rows = {"age": [20.0, math.nan], "rating": [3.0, 4.0]}
    message = "^The input of layer 'age_layer' must be finite. Got: NaN"
    with pytest.raises(ValueError, match=message):
        model.fit(rk.data.batches(rows, 2), verbose=0)
    with pytest.raises(ValueError, match=message):
        rk.rank(model, {}, {"age": [math.nan]})
