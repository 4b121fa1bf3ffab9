import numpy as np
import tensorflow as tf

from rankkit.evaluation import BiasBaseline

ROWS = {"user_id": ["a", "a", "b", "b", "c"], "rating": [5.0, 3.0, 4.0, 1.0, 2.0]}


def test_biases_are_the_ridge_regression_solution():
    rng = np.random.default_rng(1)
    rows = {
        "user_id": rng.integers(0, 6, 80),
        "item_id": rng.integers(0, 5, 80),
        "rating": rng.normal(3, 1, 80),
    }
    baseline = BiasBaseline(rows, ["user_id", "item_id"], label="rating", regularization=2.0)
    design = np.hstack([np.eye(6)[rows["user_id"]], np.eye(5)[rows["item_id"]]])
    mean = rows["rating"].mean()
    ridge = design.T @ design + 2.0 * np.eye(11)
    solution = np.linalg.solve(ridge, design.T @ (rows["rating"] - mean))
    np.testing.assert_allclose(baseline(rows), mean + design @ solution, atol=1e-4)


def test_unknown_ids_and_no_ids_predict_the_mean():
    baseline = BiasBaseline(ROWS, ["user_id"], label="rating")
    assert baseline({"user_id": ["new"]}) == [3.0]
    assert baseline({"user_id": tf.constant(["new"])}) == [3.0]
    assert baseline({"user_id": tf.constant(["a"])}) == baseline({"user_id": ["a"]}) != [3.0]
    assert BiasBaseline(ROWS, [], label="rating")({"user_id": ["a"]}) == [3.0]
