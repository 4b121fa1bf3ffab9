import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rankkit.data import k_fold, leave_last_out, time_split, cold_start_split

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=40)


def columns(rows):
    users, times = map(np.array, zip(*rows, strict=True))
    return {"user_id": users, "timestamp": times, "row": np.arange(len(rows))}


def assert_whole(train, test, rows):
    """Each row is on one side, in the order in which it came."""
    assert sorted([*train["row"], *test["row"]]) == list(range(len(rows)))
    for side in (train, test):
        assert (np.diff(side["row"]) > 0).all()


@given(ROWS, st.floats(0.05, 0.95))
@settings(max_examples=50, deadline=None)
def test_a_time_split_trains_on_nothing_later(rows, test_fraction):
    try:
        train, test = time_split(columns(rows), timestamp="timestamp", test_fraction=test_fraction)
    except ValueError:
        return
    assert_whole(train, test, rows)
    assert train["timestamp"].max() < test["timestamp"].min()
    assert len(test["row"]) >= round(len(rows) * test_fraction)


def test_rows_of_the_first_time_alone_cannot_be_split():
    rows = {"t": [5, 5, 5, 6]}
    with pytest.raises(ValueError, match="some rows are earlier.*Many are of 5, the first"):
        time_split(rows, timestamp="t", test_fraction=0.5)


@given(ROWS, st.integers(1, 3))
@settings(max_examples=50, deadline=None)
def test_the_last_rows_of_each_user_are_left_out(rows, num_rows):
    sizes = np.bincount([user for user, _ in rows])
    if sizes.max() <= num_rows:
        with pytest.raises(ValueError, match=f"num_rows must be below {sizes.max()}"):
            leave_last_out(columns(rows), timestamp="timestamp", num_rows=num_rows)
        return
    train, test = leave_last_out(columns(rows), timestamp="timestamp", num_rows=num_rows)
    assert_whole(train, test, rows)
    for user in range(len(sizes)):
        of_user = [
            [*zip(side["timestamp"], side["row"], strict=True)]
            for side in (
                {name: column[side["user_id"] == user] for name, column in side.items()}
                for side in (train, test)
            )
        ]
        assert len(of_user[1]) == (num_rows if sizes[user] > num_rows else 0)
        if of_user[1]:
            assert max(of_user[0]) < min(of_user[1])


@given(st.integers(2, 40), st.integers(2, 7), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_each_row_is_tested_on_in_one_fold(num_rows, k, seed):
    if k > num_rows:
        return
    rows = columns([(0, 0)] * num_rows)
    tested = []
    for train, test in k_fold(rows, k, seed=seed):
        assert_whole(train, test, rows["row"])
        assert num_rows // k <= len(test["row"]) <= -(-num_rows // k)
        tested += list(test["row"])
    assert sorted(tested) == list(range(num_rows))


@given(ROWS.filter(lambda rows: len({user for user, _ in rows}) > 2), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_unseen_ids_are_tested_on_with_all_their_rows(rows, seed):
    train, test = cold_start_split(columns(rows), test_fraction=0.4, seed=seed)
    assert_whole(train, test, rows)
    users = [set(side["user_id"]) for side in (train, test)]
    assert not users[0] & users[1]
    assert len(users[1]) == round(0.4 * len(users[0] | users[1]))


def test_another_seed_gives_others():
    rows = columns([(user, 0) for user in range(30)])
    splits = [cold_start_split(rows, seed=seed)[1]["row"].tolist() for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]
    folds = [next(k_fold(rows, seed=seed))[1]["row"].tolist() for seed in (1, 1, 2)]
    assert folds[0] == folds[1] != folds[2]


def test_a_frame_comes_back_as_frames():
    frame = pd.DataFrame(columns([(0, 1), (0, 2), (1, 3), (1, 4)]), index=[9, 8, 7, 6])
    _, test = leave_last_out(frame, timestamp="timestamp")
    assert test.index.tolist() == [8, 6]
    assert time_split(frame, timestamp="timestamp", test_fraction=0.3)[1].index.tolist() == [6]
    assert isinstance(next(k_fold(frame, 2))[0], pd.DataFrame)
    assert isinstance(cold_start_split(frame, test_fraction=0.5)[1], pd.DataFrame)


def test_times_may_be_dates():
    rows = {"when": np.array(["2020-01-02", "2020-01-01"], "datetime64[D]"), "user_id": [1, 1]}
    for train, _ in (
        time_split(rows, timestamp="when", test_fraction=0.5),
        leave_last_out(rows, timestamp="when"),
    ):
        assert train["when"].tolist() == [rows["when"][1]]


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (lambda rows: time_split(rows, timestamp="time"), "Unknown column 'time'.*'timestamp'"),
        (lambda rows: time_split(rows, timestamp="timestamp", test_fraction=0), "between 0 and 1"),
        (lambda rows: leave_last_out(rows, timestamp="timestamp", num_rows=0), "num_rows must be"),
        (lambda rows: k_fold(rows, 1), "k must be a whole number from 2 to 2"),
        (lambda rows: k_fold(rows, 3), "k must be a whole number from 2 to 2"),
        (lambda rows: cold_start_split(rows, ids="user"), "Unknown column 'user'.*'user_id'"),
        (
            lambda rows: cold_start_split(rows, test_fraction=0.1),
            "both sides of 2 values of 'user_id'",
        ),
        (lambda rows: cold_start_split(rows, test_fraction=0.5, seed=-1), "seed must be"),
    ],
)
def test_what_cannot_be_split_is_refused(split, words):
    with pytest.raises(ValueError, match=words):
        split(columns([(0, 1), (1, 2)]))
