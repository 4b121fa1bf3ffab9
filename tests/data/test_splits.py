"""Splits: what is in the training and the test rows, and errors."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from rankkit.data import cold_start_split, k_fold, leave_last_out, random_split, time_split

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=40)


def columns(rows):
    users, times = map(np.array, zip(*rows, strict=True))
    return {"user_id": users, "timestamp": times, "row": np.arange(len(rows))}


def assert_complete(train, test, rows):
    """Check that each row is in one of both sets, in the original order."""
    assert sorted([*train["row"], *test["row"]]) == list(range(len(rows)))
    for side in (train, test):
        assert (np.diff(side["row"]) > 0).all()


@given(ROWS, st.floats(0.05, 0.95))
def test_time_split_trains_only_on_earlier_rows(rows, test_fraction):
    try:
        train, test = time_split(columns(rows), timestamp="timestamp", test_fraction=test_fraction)
    except ValueError:
        return
    assert_complete(train, test, rows)
    assert train["timestamp"].max() < test["timestamp"].min()
    assert len(test["row"]) >= round(len(rows) * test_fraction)


@given(ROWS, st.integers(1, 3))
def test_leave_last_out_tests_on_the_last_rows_of_each_user(rows, num_rows):
    sizes = np.bincount([user for user, _ in rows])
    if sizes.max() <= num_rows:
        with pytest.raises(ValueError, match="num_rows must be below .* of a user_id"):
            leave_last_out(columns(rows), timestamp="timestamp", num_rows=num_rows)
        return
    train, test = leave_last_out(columns(rows), timestamp="timestamp", num_rows=num_rows)
    assert_complete(train, test, rows)
    for user, size in enumerate(sizes):
        of_user = sorted((time, row) for row, (each, time) in enumerate(rows) if each == user)
        last = of_user[-num_rows:] if size > num_rows else []
        assert sorted(row for _, row in last) == test["row"][test["user_id"] == user].tolist()


@given(st.integers(2, 40), st.integers(2, 7), st.integers(0, 99))
def test_k_fold_tests_on_each_row_once(num_rows, k, seed):
    if k > num_rows:
        return
    rows = columns([(0, 0)] * num_rows)
    tested = []
    for train, test in k_fold(rows, k, seed=seed):
        assert_complete(train, test, rows["row"])
        assert num_rows // k <= len(test["row"]) <= -(-num_rows // k)
        tested += list(test["row"])
    assert sorted(tested) == list(range(num_rows))


@given(ROWS.filter(lambda rows: len({user for user, _ in rows}) > 2), st.integers(0, 99))
def test_k_fold_keeps_groups_together(rows, seed):
    rows = columns(rows)
    tested, users = [], []
    for train, test in k_fold(rows, 3, group="user_id", seed=seed):
        assert_complete(train, test, rows["row"])
        assert not set(train["user_id"]) & set(test["user_id"])
        tested += list(test["row"])
        users.append(len(set(test["user_id"])))
    assert sorted(tested) == list(range(len(rows["row"])))
    assert max(users) - min(users) <= 1


@given(ROWS.filter(lambda rows: len({user for user, _ in rows}) > 2), st.integers(0, 99))
def test_cold_start_split_separates_ids(rows, seed):
    train, test = cold_start_split(columns(rows), test_fraction=0.4, seed=seed)
    assert_complete(train, test, rows)
    users = [set(side["user_id"]) for side in (train, test)]
    assert not users[0] & users[1]
    assert len(users[1]) == round(0.4 * len(users[0] | users[1]))


def test_seed_determines_the_split():
    rows = columns([(user, 0) for user in range(30)])
    splits = [cold_start_split(rows, seed=seed)[1]["row"].tolist() for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]
    folds = [next(k_fold(rows, seed=seed))[1]["row"].tolist() for seed in (1, 1, 2)]
    assert folds[0] == folds[1] != folds[2]


def test_data_frames_are_split_into_data_frames():
    frame = pd.DataFrame(columns([(0, 1), (0, 2), (1, 3), (1, 4)]), index=[9, 8, 7, 6])
    _, test = leave_last_out(frame, timestamp="timestamp")
    assert test.index.tolist() == [8, 6]
    assert time_split(frame, timestamp="timestamp", test_fraction=0.3)[1].index.tolist() == [6]
    assert isinstance(next(k_fold(frame, 2))[0], pd.DataFrame)
    assert isinstance(cold_start_split(frame, test_fraction=0.5)[1], pd.DataFrame)


def test_timestamps_can_be_datetimes():
    rows = {"when": np.array(["2020-01-02", "2020-01-01"], "datetime64[D]"), "user_id": [1, 1]}
    by_time = time_split(rows, timestamp="when", test_fraction=0.5)
    for train, _ in (by_time, leave_last_out(rows, timestamp="when")):
        assert train["when"].tolist() == [rows["when"][1]]


def test_missing_timestamps_are_refused():
    cells, text = (
        [3, None, 1, None],
        r"Column 'when' must have a finite timestamp.* Got: 2 of 4 row",
    )
    for times in (
        *(cells, [3.0, np.nan, 1.0, np.nan], [3.0, np.inf, 1.0, -np.inf]),
        np.array([3, "NaT", 1, "NaT"], "datetime64[s]"),
        pd.Series(cells, dtype="Int64"),
        pd.Series(pd.to_datetime(cells, utc=True)),
        pd.Series(pd.to_datetime(cells).date, dtype=pd.ArrowDtype(pa.date32())),
        [pd.Timestamp(3), pd.NaT, pd.Timestamp(1), pd.NaT],
    ):
        for split in (time_split, leave_last_out):
            with pytest.raises(ValueError, match=text):
                split({"when": times, "user_id": [1] * 4}, timestamp="when")


def test_timestamps_that_would_be_rounded_are_refused():
    for times, words in (([2**70, 1, 2], "at most 64 bits"), ([2**53 + 1, 0.5, 1], "beyond 2")):
        rows = {"user_id": ["a", "a", "b"], "when": times}
        for split in (time_split, leave_last_out):
            with pytest.raises(ValueError, match=rf"Column 'when' must .*{words}.*{times[0]}"):
                split(rows, timestamp="when")


def test_timestamps_of_all_kinds_have_one_order():
    days = pd.Series(pd.date_range("2020-01-01", periods=4, tz="Europe/Berlin")).iloc[[2, 0, 3, 1]]
    dates = pd.Series(days.dt.date, dtype=pd.ArrowDtype(pa.date32()))
    for times in (
        days,
        days.astype(object),
        days.dt.date,
        dates,
        pd.Series([3, 1, 4, 2], dtype="Int64"),
    ):
        rows = {"when": times, "user_id": [1, 1, 1, 1], "row": [0, 1, 2, 3]}
        assert leave_last_out(rows, timestamp="when")[1]["row"].tolist() == [2]
        _, test = time_split(rows, timestamp="when", test_fraction=0.5)
        assert test["row"].tolist() == [0, 2]


def sha256(rows):
    cells = zip(rows["user_id"], rows["movie_title"], rows["user_rating"], strict=True)
    text = "\n".join(f"{user}\t{title}\t{int(rating)}" for user, title, rating in cells)
    return hashlib.sha256(text.encode()).hexdigest()


def test_random_split_gives_the_rows_and_order_of_the_tensorflow_tutorial(movielens_ratings):
    train, test = random_split(movielens_ratings)
    # Computed with the tutorial's code: set_seed(42), shuffle(100_000, seed=42), take and skip.
    assert sha256(train) == "05986baacbb8811171efb53a035f751eceffe2042c60ecd84af473dab1606005"
    assert sha256(test) == "8443cb1af973f93f2d0589de4e910ad058ad37f1d524fe6fbdba8b159b47c6e5"


@pytest.mark.parametrize(
    ("num_rows", "seed"),
    [(2, 0), (2, 42), (3, 1), (3, 2**31 - 2), (1000, 0), (1000, 42), (2**17 + 1, 2**31 - 2)],
)
def test_random_split_has_the_order_of_tf_data(num_rows, seed):
    tf.random.set_seed(1)  # has no effect
    train, test = random_split({"row": np.arange(num_rows)}, test_fraction=0.4, seed=seed)
    tf.random.set_seed(seed)
    rows = tf.data.Dataset.range(num_rows)
    rows = rows.shuffle(num_rows, seed=seed, reshuffle_each_iteration=False).batch(num_rows)
    expected = rows.get_single_element().numpy()
    assert len(test["row"]) == round(num_rows * 0.4)
    np.testing.assert_array_equal(np.concatenate([train["row"], test["row"]]), expected)


def test_random_split_does_not_change_the_global_seed():
    tf.random.set_seed(1)
    expected = tf.random.uniform([]).numpy()
    tf.random.set_seed(1)
    random_split({"row": np.arange(100)}, seed=5)
    assert tf.random.uniform([]).numpy() == expected


def test_random_split_shuffles_data_frames_like_arrays():
    frame = pd.DataFrame({"row": np.arange(10), "id": list("abcdefghij")}, index=range(10, 20))
    train, test = random_split(frame)
    arrays, _ = random_split({"row": np.arange(10)})
    assert train["row"].tolist() == arrays["row"].tolist() == (train.index - 10).tolist()
    assert list(test.columns) == ["row", "id"]
