"""Sequences of users, cut into parts and batched by length."""

import numpy as np
import pandas as pd
import pytest
import rankkit as rk
from hypothesis import given, settings
from hypothesis import strategies as st

ROWS = {
    "user_id": [*"abab"],
    "item_id": [*"wxyz"],
    "timestamp": [4, 2, 3, 1],
    "rating": [1.0, 2.0, 3.0, 4.0],
}


def as_lists(batches):
    """Each sequence of all batches as a list, the last item at its end."""
    for batch in batches:
        history = batch["history_item_id"].to_list()
        last = batch["item_id"].numpy().tolist()
        for items, item in zip(history, last, strict=True):
            yield [*items, item]


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    max_length=st.integers(1, 6),
    batch_size=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_each_event_is_in_one_sequence_in_the_order_of_time(lengths, max_length, batch_size, seed):
    users = np.repeat(np.arange(len(lengths)), lengths)
    order = np.random.default_rng(seed).permutation(len(users))
    rows = {"user_id": users[order], "item_id": order, "timestamp": order}
    batches = rk.data.sequences(rows, batch_size, max_length=max_length, seed=seed)
    found = [*as_lists(batches)]
    assert sorted(event for each in found for event in each) == [*range(len(users))]
    for each in found:
        assert each == [*range(each[0], each[0] + len(each))]  # consecutive events
        assert len(set(users[each])) == 1
        assert len(each) <= max_length + 1
    assert len(found) == sum(-(-length // (max_length + 1)) for length in lengths)


def test_batches_hold_sequences_of_like_length_and_differ_between_epochs():
    users = np.repeat(np.arange(200), np.random.default_rng(0).integers(1, 40, 200))
    rows = {"user_id": users, "item_id": np.arange(len(users)), "timestamp": np.arange(len(users))}
    batches = rk.data.sequences(rows, 16, seed=3)
    epochs = [[*as_lists(batches)] for _ in range(2)]
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1])
    again = rk.data.sequences(rows, 16, seed=3, initial_epoch=1)
    assert [*as_lists(again)] == epochs[1]
    padded = sum(batch["history_item_id"].to_tensor().shape[1] * 16 for batch in batches)
    assert padded < 1.3 * (len(users) - 200)


def test_further_columns_and_times_of_all_kinds():
    tables = [ROWS, pd.DataFrame(ROWS), {**ROWS, "timestamp": pd.to_datetime(ROWS["timestamp"])}]
    for rows in tables:
        batches = rk.data.sequences(rows, 2, columns=["rating"], shuffle=False, prefix="past_")
        (batch,) = batches
        assert batch["past_item_id"].to_list() == [[b"y"], [b"z"]]
        assert batch["past_rating"].to_list() == [[3.0], [4.0]]
        assert batch["item_id"].numpy().tolist() == [b"w", b"x"]
    for rows, timestamp in ((ROWS, None), ({**ROWS, "timestamp": [5] * 4}, "timestamp")):
        (batch,) = rk.data.sequences(rows, 2, timestamp=timestamp, shuffle=False)
        assert [*as_lists([batch])] == [[b"w", b"y"], [b"x", b"z"]]


@pytest.mark.parametrize(
    ("changes", "arguments", "error"),
    [
        ({"item_id": [*"wxy", None]}, {}, "item_id"),
        ({"item_id": [*"wxy", ""]}, {}, "different from '', which pads histories"),
        ({"item_id": [b"w", b"x", b"", b"y"]}, {}, "different from ''"),
        ({"item_id": [1, 2, -1, 3]}, {}, "different from -1, which pads histories"),
        ({"rating": [1, 2, 3, -1]}, {"columns": ["rating"]}, "'rating' must be different from -1"),
        ({"user_id": [1, 2, 1, None]}, {}, "user_id"),
        ({"timestamp": [1.0, 2.0, 3.0, float("nan")]}, {}, "timestamp"),
        ({}, {"columns": ["price"]}, "price"),
        ({}, {"max_length": 0}, "max_length must be an integer of at least 1"),
        ({}, {"timestamp": "time"}, "time"),
        ({key: [] for key in ROWS}, {}, "row"),
    ],
)
def test_rows_that_are_no_sequences_are_refused(changes, arguments, error):
    with pytest.raises((TypeError, ValueError), match=error):
        rk.data.sequences({**ROWS, **changes}, 2, **arguments)
