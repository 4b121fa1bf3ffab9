import numpy as np
import pytest
import tensorflow as tf

from rankkit.data import synthetic_ratings


def test_expected_rating_reaches_the_bound():
    rows, best_rmse = synthetic_ratings(200_000, noise=0.7, seed=3)
    rmse = np.sqrt(np.mean((rows["user_rating"] - rows["expected_rating"]) ** 2))
    # The standard error of an RMSE over n rows is about bound / sqrt(2 n): 0.0011 here.
    assert rmse == pytest.approx(best_rmse, abs=4 * 0.0011)
    assert best_rmse == 0.7


def test_interaction_has_rank_num_factors():
    rows, _ = synthetic_ratings(20_000, num_users=30, num_items=8, num_factors=2)
    table = np.full((30, 8), np.nan)
    users, items = (np.array([int(id_[1:]) for id_ in rows[c]]) for c in ("user_id", "item_id"))
    table[users, items] = rows["expected_rating"]
    assert not np.isnan(table).any()
    centered = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    values = np.linalg.svd(centered, compute_uv=False)
    assert values[1] > 0.1
    assert values[2] < 1e-4


def test_standard_deviation_is_as_documented():
    rows, _ = synthetic_ratings(300_000, num_users=5000, num_items=5000, num_factors=8)
    # 0.4, 0.5 and 0.7 squared add up to 0.9; popular items weigh more, hence the tolerance.
    assert np.std(rows["expected_rating"]) == pytest.approx(0.9**0.5, rel=0.15)
    assert np.mean(rows["expected_rating"]) == pytest.approx(3.5, abs=0.3)


def test_items_follow_zipfs_law_and_users_are_uniform():
    rows, _ = synthetic_ratings(100_000, num_users=10, num_items=10)
    counts = {name: (rows["item_id"] == name).sum() for name in ("i0", "i1", "i4")}
    # Twice as often as the second, five times as often as the fifth.
    assert counts["i0"] == pytest.approx(2 * counts["i1"], rel=0.05)
    assert counts["i0"] == pytest.approx(5 * counts["i4"], rel=0.08)
    assert (rows["user_id"] == "u0").sum() == pytest.approx(10_000, rel=0.05)


def test_seed_fixes_the_rows_regardless_of_the_global_seed():
    first, _ = synthetic_ratings(100, seed=5)
    tf.keras.utils.set_random_seed(2)
    second, _ = synthetic_ratings(100, seed=5)
    other, _ = synthetic_ratings(100, seed=6)
    for name, column in first.items():
        np.testing.assert_array_equal(column, second[name])
    assert (first["user_rating"] != other["user_rating"]).all()


def test_ids_and_dtypes():
    rows, _ = synthetic_ratings(10, num_users=1, num_items=1)
    assert set(rows["user_id"]) == {"u0"}
    assert set(rows["item_id"]) == {"i0"}
    assert rows["user_rating"].dtype == rows["expected_rating"].dtype == np.float32
