"""Histories from a log of events, compared with a loop over all events."""

import datetime
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import rankkit as rk

ROWS = {
    "user_id": [*"aabab"],
    "item_id": [*"xyxzw"],
    "timestamp": [10, 30, 20, 20, 20],
    "rating": [1.0, 2.0, 3.0, 4.0, 5.0],
    "action": ["view", "buy", "view", "view", "buy"],
}
HISTORIES = [[], ["x", "z"], [], ["x"], []]  # of the five rows


def brute_force(events, user, time, max_length, column="item_id", action=None):
    """Values of a column of the events before a time, by a loop over all events."""
    past = [
        (event["timestamp"], position, event)
        for position, event in enumerate(events)
        if event["user_id"] == user
        and event["timestamp"] < time
        and action in (None, event["action"])
    ]
    past.sort(key=lambda each: each[:2])
    return [event[column] for _, _, event in past[-max_length:]]


def as_table(events):
    return {name: [event[name] for event in events] for name in events[0]}


def events_of(times):
    event = st.fixed_dictionaries(
        {
            "user_id": st.sampled_from(["a", "b", "c"]),
            "timestamp": times,
            "item_id": st.integers(0, 5),
            "action": st.sampled_from(["view", "buy"]),
        }
    )
    return st.lists(event, min_size=1, max_size=12)


INTEGERS = st.integers(-3, 6).filter(lambda time: time != -1)  # which pads histories
FRACTIONS = st.sampled_from([-1.5, 0, 0.25, 1, 1.5, 2, 3])
QUERIES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "other"]), INTEGERS | FRACTIONS), min_size=1
)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_histories_and_gaps_are_those_of_a_loop_over_all_events(data):
    events = data.draw(events_of(INTEGERS) | events_of(FRACTIONS))
    queries, max_length = data.draw(QUERIES), data.draw(st.integers(1, 4))
    table = {"user_id": [user for user, _ in queries], "timestamp": [time for _, time in queries]}
    for by in (None, "action"):
        log = rk.data.InteractionLog(as_table(events), columns=["item_id", "timestamp"], by=by)
        found = log.add_histories(table, max_length=max_length, gaps=True)
        for action in dict.fromkeys(event["action"] for event in events) if by else [None]:
            prefix = f"history_{action}_" if by else "history_"
            for column in ("item_id", "timestamp"):
                expected = [
                    brute_force(events, user, time, max_length, column, action)
                    for user, time in queries
                ]
                assert found[f"{prefix}{column}"].tolist() == expected
            gaps = [
                [math.floor(time - past) for past in times]
                for (_, time), times in zip(queries, expected, strict=True)
            ]
            assert found[f"{prefix}gap"].tolist() == gaps


@settings(deadline=None, max_examples=40)
@given(events_of(INTEGERS), events_of(INTEGERS), st.data())
def test_events_at_or_after_the_time_of_a_row_change_nothing(events, more, data):
    row = data.draw(st.sampled_from(events))
    query = {name: [row[name]] for name in ("user_id", "timestamp")}
    before = [event for event in events if event["timestamp"] < row["timestamp"]]
    later = [event for event in [*events, *more] if event["timestamp"] >= row["timestamp"]]
    subset = data.draw(st.permutations(later))[: data.draw(st.integers(1, len(later)))]
    changed = [*before, *subset]
    data.draw(st.randoms()).shuffle(order := [True] * len(before) + [False] * len(subset))
    iterators = {True: iter(before), False: iter(subset)}
    changed = [next(iterators[is_before]) for is_before in order]  # later ones in between
    first, second = (
        rk.data.InteractionLog(as_table(each)).add_histories(query, gaps=True)
        for each in (events, changed)
    )
    assert first["history_item_id"].tolist() == second["history_item_id"].tolist()
    assert first["history_gap"].tolist() == second["history_gap"].tolist()


@settings(deadline=None, max_examples=40)
@given(events_of(INTEGERS))
def test_no_event_is_in_its_own_history(events):
    table = as_table(events) | {"event": range(len(events))}
    log = rk.data.InteractionLog(table, columns=["event"])
    for own, history in enumerate(log.add_histories(table)["history_event"].tolist()):
        assert own not in history


@pytest.fixture(scope="module")
def log():
    return rk.data.InteractionLog(ROWS, columns=["item_id", "rating"])


@pytest.fixture(scope="module")
def found(log):
    return log.add_histories(ROWS, gaps=True)


@pytest.mark.parametrize("make", [dict, pd.DataFrame, pa.table])
def test_tables_and_times_of_any_kind_give_the_same_histories(make):
    dates = [datetime.datetime(2026, 1, 1, second=each) for each in ROWS["timestamp"]]
    seconds = [each.replace(tzinfo=datetime.UTC).timestamp() for each in dates]
    for times in (dates, seconds, np.array(dates, "datetime64[ms]")):
        log = rk.data.InteractionLog(make({**ROWS, "timestamp": times}))
        for of_rows in (dates, seconds):
            found = log.add_histories(make({**ROWS, "timestamp": of_rows}), gaps=True)
            assert found["history_item_id"].tolist() == HISTORIES
            assert found["history_gap"].tolist() == [[], [20, 10], [], [10], []]


def test_events_of_one_second_do_not_see_each_other():
    times = np.array(["2026-01-01T00:00:00.100", "2026-01-01T00:00:00.900"], "datetime64[ms]")
    rows = {"user_id": ["a", "a"], "item_id": ["x", "y"], "timestamp": times}
    found = rk.data.InteractionLog(rows).add_histories(rows)
    assert found["history_item_id"].tolist() == [[], []]


def test_events_of_one_time_keep_the_order_of_rows():
    rows = {"user_id": [*"aaa"], "item_id": [*"zxy"], "timestamp": [5, 5, 5]}
    now = {"user_id": ["a"], "timestamp": [6]}
    found = rk.data.InteractionLog(rows).add_histories(now, max_length=2)
    assert found["history_item_id"].tolist() == [["x", "y"]]


@pytest.mark.parametrize("first", [-1, -1.5])
def test_integers_and_fractions_are_compared_exactly(first):
    log = rk.data.InteractionLog(
        {"user_id": [*"aaa"], "item_id": [*"xyz"], "timestamp": [first, 0, 1]}
    )
    rows = {"user_id": [*"aaaa"], "timestamp": [-0.5, 0, 0.25, 1.5]}
    found = log.add_histories(rows, gaps=True)
    assert found["history_item_id"].tolist() == [["x"], ["x"], ["x", "y"], ["x", "y", "z"]]
    # -0.5 + 1, 0 + 1, 0.25 + 1 and 1.5 + 1, or half a second more
    gaps = [[int(time - first)] for time in rows["timestamp"]]
    assert found["history_gap"].tolist() == [gaps[0], gaps[1], [*gaps[2], 0], [*gaps[3], 1, 0]]


def test_integers_beyond_2_53_are_compared_exactly():
    start = 1_700_000_000_000_000_000  # nanoseconds
    rows = {"user_id": [*"aa"], "item_id": [*"xy"], "timestamp": [start, start + 1]}
    found = rk.data.InteractionLog(rows).add_histories(rows, gaps=True)
    assert found["history_item_id"].tolist() == [[], ["x"]]
    assert found["history_gap"].tolist() == [[], [1]]


def test_a_column_of_histories_is_selected_and_converted_like_an_array(found):
    column = found["history_item_id"]
    assert column.shape == (len(column),) == (5,)
    assert [column[1], column[np.int64(-2)]] == [["x", "z"], ["x"]]
    assert column[1:4].tolist() == list(column)[1:4]
    assert column[np.array([3, 1])].tolist() == [["x"], ["x", "z"]]
    assert column[np.arange(5) > 2].tolist() == [["x"], []]
    assert np.asarray(column).tolist() == HISTORIES
    assert pd.DataFrame(found)["history_item_id"].tolist() == HISTORIES
    assert found["history_rating"].tolist() == [[], [1.0, 4.0], [], [1.0], []]


def as_lists(columns):
    """The same columns with copied lists in place of ranges of the log."""
    return {name: [*map(list, c)] if "history" in name else c for name, c in columns.items()}


FUNCTIONS = {
    "batches": lambda rows: rk.data.batches(rows, 2, shuffle=True, seed=1),
    "in order": lambda rows: rk.data.batches(rows, 2),
    "lists": lambda rows: rk.data.lists(rows, 2, shuffle=True, seed=1),
    "negatives": lambda rows: rk.data.with_negatives(rows, 2, item="item_id", seed=1),
    "lists of negatives": lambda rows: rk.data.with_negatives(
        rows, 2, item="item_id", seed=1, lists=True
    ),
    "candidates": lambda rows: [rk.data.with_candidates(rows, item="item_id")],
    "random split": lambda rows: rk.data.random_split(rows),
    "time split": lambda rows: rk.data.time_split(rows, timestamp="timestamp"),
    "collect": lambda rows: [rk.data.collect(rk.data.batches(rows, 2))],
}


def plain(column):
    """Cells as Python values, text as `str`."""
    convert = getattr(column, "to_list", None) or getattr(column, "tolist", None)
    return repr(convert() if convert else column.numpy().tolist()).replace("b'", "'")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_data_treat_histories_like_lists(found, name):
    expected, batches = FUNCTIONS[name](as_lists(found)), FUNCTIONS[name](found)
    for one, other in zip(batches, expected, strict=True):
        assert one.keys() == other.keys()
        for column in one:
            assert plain(one[column]) == plain(other[column])


def test_histories_may_be_as_long_as_the_log(log):
    assert log.add_histories(ROWS, max_length=10**30)["history_item_id"].tolist() == HISTORIES


def test_padded_histories_have_a_static_shape(found):
    column = found["history_item_id"][1:4]
    assert column(tf.constant([[0, 2]]), static=True).shape == (1, 2, 3)  # events of a
    padded = column(tf.range(3), static=True).numpy()[:, :3].tolist()
    assert padded == [[b"x", b"z", b""], [b"", b"", b""], [b"x", b"", b""]]
    gaps = found["history_gap"](tf.range(2), static=True).numpy()[:, :3].tolist()
    assert gaps == [[-1, -1, -1], [20, 10, -1]]


def make_model(items):
    tf.keras.utils.set_random_seed(1)
    features = {
        "item_id": rk.layers.IdEmbedding(items, 2),
        "history_item_id": rk.layers.TagsEmbedding(items, 2),
    }
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([4]))
    return rk.RankingModel(network, label="rating")


@pytest.mark.parametrize(("of_text", "jit_compile"), [(True, True), (False, "auto")])
def test_training_equals_that_on_lists(of_text, jit_compile):
    rows = ROWS if of_text else {**ROWS, "item_id": [1, 2, 1, 3, 4]}
    items = sorted({*rows["item_id"]})
    found = rk.data.InteractionLog(rows).add_histories(rows, max_length=3)
    losses = []
    for columns in (found, as_lists(found)):
        model = make_model(items)
        # Encoded one by one and padded to one length, which XLA compiles.
        model.compile("adam", jit_compile=jit_compile if columns is found else False)
        history = model.fit(rk.data.batches(columns, 2, shuffle=True, seed=1), epochs=3, verbose=0)
        losses.append([*history.history["loss"], *model.predict(columns, verbose=0).ravel()])
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_rank_takes_the_histories_of_now(log):
    model = make_model([*"wxyz"])
    now = log.add_histories({"user_id": ["a", "new"], "timestamp": [40, 40]})
    candidates = {"item_id": [*"xyz"]}
    ranked = rk.rank(model, now, candidates)
    assert now["history_item_id"].tolist() == [["x", "z", "y"], []]
    for row, expected in enumerate(ranked):
        alone = rk.rank(model, {"history_item_id": now["history_item_id"][row]}, candidates)
        assert [item for item, _ in alone] == [item for item, _ in expected]
        assert [s for _, s in alone] == pytest.approx([s for _, s in expected], rel=1e-6)


@pytest.mark.parametrize("by", [None, "action"])
def test_files_are_read_into_the_log_and_looked_up_while_they_are_read(tmp_path, by):
    rng = np.random.default_rng(1)
    rows = {
        "user_id": rng.integers(5, size=60).astype(str).astype(object),
        "item_id": rng.integers(9, size=60),
        "timestamp": rng.integers(20, size=60),
        "action": rng.choice(["view", "buy"], 60).astype(object),
    }
    pq.write_table(pa.table(rows), tmp_path / "rows.parquet")
    types = {"user_id": str, "item_id": int, "timestamp": int, "action": str}
    batches = rk.data.read_parquet(tmp_path / "rows.parquet", types, 7)
    log = rk.data.InteractionLog(batches, by=by)
    streamed = log.add_histories(batches, max_length=3, gaps=True)
    found = rk.data.InteractionLog(rows, by=by).add_histories(rows, max_length=3, gaps=True)
    collected = rk.data.collect(streamed)
    assert collected.keys() == found.keys()
    for name, column in found.items():
        assert plain(collected[name]) == plain(column)


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"user_id": ["a", None, *"aab"]}, TypeError, r"rows\['user_id'\]\[1\] must be an id"),
        ({"timestamp": [1, None, 2, 3, 4]}, ValueError, r"finite timestamp in every row"),
        ({"timestamp": [1, math.nan, 2, 3, 4]}, ValueError, r"finite timestamp in every row"),
        ({"timestamp": [1, math.inf, 2, 3, 4]}, ValueError, r"finite timestamp in every row"),
        ({"timestamp": [1, 1e300, 2, 3, 4]}, ValueError, r"must be below 2\*\*62"),
        ({"timestamp": [*"12345"]}, TypeError, r"must be numbers or datetime64"),
        ({"timestamp": [1, 10**12, 2, 3, 4]}, ValueError, r"must be below 10\^11.* 1000000000000"),
        ({"timestamp": [10**12, 1, 2, 3, 4]}, ValueError, r"must be of at least 10\^11"),
        ({"rating": [1.0, 2.0]}, ValueError, r"columns of equal length"),
        ({"item_id": [["x"], *"yxzw"]}, TypeError, r"must have a single value in each row"),
        ({"item_id": ["x", None, *"xzw"]}, TypeError, r"must not be missing"),
        ({"item_id": ["x", "", *"xzw"]}, ValueError, r"column 'item_id' must be different from ''"),
        ({"item_id": [b"x", b"", *[b"z"] * 3]}, ValueError, r"must be different from '', which"),
        ({"rating": [1, 2, 3, -1, 4]}, ValueError, r"column 'rating' must be different from -1"),
        ({"rating": [1, 2, 3, -1.0, 4.5]}, ValueError, r"'rating' must be different from -1"),
    ],
)
def test_rows_of_a_log_are_checked(changed, error, text):
    with pytest.raises(error, match=text):
        rk.data.InteractionLog({**ROWS, **changed}, columns=["item_id", "rating"])


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"user_id": ["a", None]}, TypeError, r"rows\['user_id'\]\[1\] must be an id"),
        ({"user_id": [1, 2]}, TypeError, r"Each user_id must be of the type of 'a' in the log"),
        ({"timestamp": [1, None]}, ValueError, r"finite timestamp in every row"),
        ({"timestamp": [1, 10**12]}, ValueError, r"must be below 10\^11, as the first one"),
        ({"timestamp": [1]}, ValueError, r"columns of equal length"),
        ({"history_item_id": [[], []]}, ValueError, r"InteractionLog.add_histories adds"),
    ],
)
def test_rows_to_look_up_are_checked(log, changed, error, text):
    rows = {"user_id": ["a", "b"], "timestamp": [1, 2], **changed}
    with pytest.raises(error, match=text):
        log.add_histories(rows)


def test_missing_columns_and_values_that_are_no_names_are_named(log):
    with pytest.raises(ValueError, match="Unknown column 'timestamp'. Known: 'user_id'"):
        log.add_histories({"user_id": ["a"]})
    with pytest.raises(ValueError, match="Unknown column 'titel'"):
        rk.data.InteractionLog(ROWS, columns=["titel"])
    gap = rk.data.InteractionLog({**ROWS, "gap": ROWS["rating"]}, columns=["gap"])
    with pytest.raises(ValueError, match="gaps must be False, as the log has a column 'gap'"):
        gap.add_histories(ROWS, gaps=True)
    spaced = rk.data.InteractionLog({**ROWS, "action": ["add to cart"] * 5}, by="action")
    with pytest.raises(ValueError, match="Column name must be .* 'history_add to cart_item_id'"):
        spaced.add_histories(ROWS)


@pytest.mark.parametrize(
    "wrong", [{"max_length": 0}, {"max_length": "5"}, {"prefix": None}, {"gaps": 1}]
)
def test_arguments_are_refused_by_name(log, wrong):
    with pytest.raises((TypeError, ValueError), match=f"^{next(iter(wrong))} must be"):
        log.add_histories(ROWS, **wrong)


def test_errors_of_a_data_set_are_named(log):
    rows = tf.data.Dataset.from_tensor_slices({"user_id": ["a", ""], "timestamp": [1.0, math.nan]})
    with pytest.raises(ValueError, match="a data set of batches, not of single rows"):
        log.add_histories(rows)
    with pytest.raises(tf.errors.InvalidArgumentError, match="finite timestamp in every row"):
        list(log.add_histories(rows.batch(2)))
