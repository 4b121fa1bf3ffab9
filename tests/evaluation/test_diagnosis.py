import itertools

import numpy as np
import pytest

from rankkit.evaluation.diagnosis import calibration_lines, error_lines_by_count, histogram_lines


def test_errors_are_grouped_by_number_of_training_rows():
    train = np.repeat(["once", "twice", "3", "9", "10", "1000"], [1, 2, 3, 9, 10, 1000])
    ids = np.array(["new", "once", "twice", "3", "9", "10", "1000", "1000"])
    errors = np.arange(8.0)
    lines = error_lines_by_count("item", ids, train, errors, -errors)
    keys = ("rows", "low", "high", "num_rows", "mean_error", "biases_mean_error")
    assert [tuple(line[key] for key in keys) for line in lines] == [
        ("item with no training rows", 0, 0, 1, 0.0, 0.0),
        ("item with 1 to 2 training rows", 1, 2, 2, 1.5, -1.5),
        ("item with 3 to 9 training rows", 3, 9, 2, 3.5, -3.5),
        ("item with 10 to 29 training rows", 10, 29, 1, 5.0, -5.0),
        ("item with 1,000 to 2,999 training rows", 1000, 2999, 2, 6.5, -6.5),
    ]
    assert {line["column"] for line in lines} == {"item"}


def test_predictions_are_counted_by_true_label():
    labels = np.array([1.0, 1.0, 2.0, 1.0])
    model, biases = np.array([0.5, 1.5, 2.5, 99.0]), np.array([1.5, 1.5, 1.5, 1.5])
    lines = histogram_lines(labels, {"model": model, "biases": biases}, np.array([0, 1, 2, 3]))
    ones = {"low": 1.0, "high": 1.0, "num_rows": 3}
    twos = {"low": 2.0, "high": 2.0, "num_rows": 1}
    assert lines == [
        {"scorer": "model", **ones, "mean_prediction": 101 / 3, "counts": [1, 1, 1]},
        {"scorer": "biases", **ones, "mean_prediction": 1.5, "counts": [0, 3, 0]},
        {"scorer": "model", **twos, "mean_prediction": 2.5, "counts": [0, 0, 1]},
        {"scorer": "biases", **twos, "mean_prediction": 1.5, "counts": [0, 1, 0]},
    ]


@pytest.mark.parametrize(("distinct", "groups"), [(12, 12), (13, 5)])
def test_more_than_twelve_labels_are_grouped_into_quintiles(distinct, groups):
    labels = np.repeat(np.arange(distinct, dtype=float), 10)
    lines = histogram_lines(labels, {"model": labels}, np.array([0.0, 50.0]))
    assert len(lines) == groups
    assert sum(line["num_rows"] for line in lines) == len(labels)
    # A fifth of 130 rows is 2.6 labels, so a group has two or three of them.
    assert {line["num_rows"] for line in lines} <= ({10} if distinct == 12 else {20, 30})
    ranges = [(line["low"], line["high"]) for line in lines]
    assert all(high < low for (_, high), (low, _) in itertools.pairwise(ranges))


def test_calibration_has_mean_label_and_prediction_by_quantile_bin():
    predictions = np.array([4.0, 1.0, 2.0, 3.0])
    labels = np.array([9.0, 0.0, 2.0, 5.0])
    low, high = calibration_lines(labels, {"model": predictions}, 2)
    assert low == {"scorer": "model", "num_rows": 2, "mean_prediction": 1.5, "mean_label": 1.0}
    assert high == {"scorer": "model", "num_rows": 2, "mean_prediction": 3.5, "mean_label": 7.0}
    [line] = calibration_lines(labels, {"model": np.full(4, 2.0)}, 10)  # equal ones share a bin
    assert line == {"scorer": "model", "num_rows": 4, "mean_prediction": 2.0, "mean_label": 4.0}
