import numpy as np

from rankkit.evaluation.diagnosis import error_line, error_lines_by_count


def test_errors_are_rooted_means_of_squares_and_means():
    line = error_line("all", np.array([3.0, -4.0]), np.array([1.0, 1.0]))
    assert line == {
        "rows": "all", "column": None, "low": None, "high": None, "num_rows": 2,
        "rmse": np.sqrt(12.5), "mean_error": -0.5, "biases_rmse": 1.0, "biases_mean_error": 1.0,
    }  # fmt: skip


def test_rows_are_put_together_by_the_training_rows_of_their_id():
    train = np.repeat(["once", "twice", "3", "9", "10", "1000"], [1, 2, 3, 9, 10, 1000])
    ids = np.array(["new", "once", "twice", "3", "9", "10", "1000", "1000"])
    errors = np.arange(8.0)
    lines = error_lines_by_count("item", ids, train, errors, -errors)
    found = [
        (line["low"], line["high"], line["num_rows"], line["mean_error"], line["biases_mean_error"])
        for line in lines
    ]
    assert found == [
        (0, 0, 1, 0.0, 0.0),
        (1, 2, 2, 1.5, -1.5),
        (3, 9, 2, 3.5, -3.5),
        (10, 29, 1, 5.0, -5.0),
        (1000, 2999, 2, 6.5, -6.5),
    ]
    assert [line["rows"] for line in lines] == [
        "item with no training rows",
        "item with 1 to 2 training rows",
        "item with 3 to 9 training rows",
        "item with 10 to 29 training rows",
        "item with 1,000 to 2,999 training rows",
    ]
    assert {line["column"] for line in lines} == {"item"}


def test_ids_without_training_rows_alone_have_one_line():
    [line] = error_lines_by_count("item", np.array([7]), np.array([1, 2]), np.ones(1), np.ones(1))
    assert (line["low"], line["high"]) == (0, 0)
