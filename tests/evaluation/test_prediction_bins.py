import itertools

import numpy as np
import pytest

from rankkit.evaluation.diagnosis import calibration_lines, histogram_lines, prediction_edges


def test_bins_divide_the_range_and_a_tenth_around_it():
    edges = prediction_edges(1, 5)
    assert (edges[0], edges[-1]) == pytest.approx((0.6, 5.4))
    np.testing.assert_allclose(np.diff(edges), 0.1)


def test_predictions_are_counted_for_each_label():
    labels = np.array([1.0, 1.0, 2.0, 1.0])
    model, biases = np.array([0.5, 1.5, 2.5, 99.0]), np.array([1.5, 1.5, 1.5, 1.5])
    lines = histogram_lines(labels, {"model": model, "biases": biases}, np.array([0, 1, 2, 3]))
    of_one = {"low": 1.0, "high": 1.0, "num_rows": 3}
    of_two = {"low": 2.0, "high": 2.0, "num_rows": 1}
    assert lines == [
        {"scorer": "model", **of_one, "mean_prediction": 101 / 3, "counts": [1, 1, 1]},
        {"scorer": "biases", **of_one, "mean_prediction": 1.5, "counts": [0, 3, 0]},
        {"scorer": "model", **of_two, "mean_prediction": 2.5, "counts": [0, 0, 1]},
        {"scorer": "biases", **of_two, "mean_prediction": 1.5, "counts": [0, 1, 0]},
    ]


@pytest.mark.parametrize(("distinct", "groups"), [(12, 12), (13, 5)])
def test_many_labels_are_put_into_groups_of_as_many_rows(distinct, groups):
    labels = np.repeat(np.arange(distinct, dtype=float), 10)
    lines = histogram_lines(labels, {"model": labels}, np.array([0.0, 50.0]))
    assert len(lines) == groups
    assert sum(line["num_rows"] for line in lines) == len(labels)
    # 130 rows in fifths of whole labels: 2.6 of them, so two or three.
    assert {line["num_rows"] for line in lines} <= ({10} if distinct == 12 else {20, 30})
    ends = [(line["low"], line["high"]) for line in lines]
    assert all(high < low for (_, high), (low, _) in itertools.pairwise(ends))


def test_calibration_is_the_mean_of_labels_in_quantile_bins():
    predictions = np.array([4.0, 1.0, 2.0, 3.0])
    labels = np.array([9.0, 0.0, 2.0, 5.0])
    low, high = calibration_lines(labels, {"model": predictions}, 2)
    assert low == {"scorer": "model", "num_rows": 2, "mean_prediction": 1.5, "mean_label": 1.0}
    assert high == {"scorer": "model", "num_rows": 2, "mean_prediction": 3.5, "mean_label": 7.0}


def test_equal_predictions_share_a_bin():
    labels = np.arange(4.0)
    [line] = calibration_lines(labels, {"model": np.full(4, 2.0)}, 10)
    assert line == {"scorer": "model", "num_rows": 4, "mean_prediction": 2.0, "mean_label": 1.5}
