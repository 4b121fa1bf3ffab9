"""Item transitions, against a direct computation of their formula."""

import numpy as np
import pandas as pd
import pytest
import rankkit as rk
import tensorflow as tf
from rankkit.models import item_transitions

ItemTransitions = rk.models.ItemTransitions
ROWS = {"user_id": [1, 1, 2, 2, 2], "item_id": ["a", "b", "a", "c", "b"], "timestamp": range(5)}
HISTORIES = [["a"], [], ["c", "unknown", "a"], ["a", "a", "b", "c"], ["unknown"]]


def expected_scores(rows, histories, items, decay, gap_decay, power, max_gap):
    """The formula, pair by pair."""
    order = sorted(range(len(rows["item_id"])), key=lambda i: rows["timestamp"][i])
    sequences = {}
    for i in order:
        sequences.setdefault(rows["user_id"][i], []).append(rows["item_id"][i])
    pairs, counts = {}, {}
    for sequence in sequences.values():
        for place, second in enumerate(sequence):
            counts[second] = counts.get(second, 0) + 1
            for gap, first in enumerate(reversed(sequence[:place]), 1):
                weight = gap_decay ** (gap - 1) if gap <= max_gap else 0
                pairs[first, second] = pairs.get((first, second), 0) + weight
    return [
        [
            sum(
                decay**distance * pairs.get((first, item), 0) / counts[first] ** power
                for distance, first in enumerate(reversed([i for i in history if i in counts]))
            )
            for item in items
        ]
        for history in histories
    ]


@pytest.mark.parametrize("as_id", [int, str], ids=["integers", "text"])
@pytest.mark.parametrize(
    "settings",
    [
        {"decay": 0.5, "gap_decay": 0.6, "power": 0.5, "max_gap": 50},
        {"decay": 1.0, "gap_decay": 1.0, "power": 0.0, "max_gap": 3},
        {"decay": 0.0, "gap_decay": 0.0, "power": 1.0, "max_gap": 1},
    ],
)
def test_scores_follow_the_formula_in_all_ways_to_compute_them(as_id, settings, monkeypatch):
    monkeypatch.setattr(item_transitions, "_MAX_PAIRS", 40)  # sums in parts
    monkeypatch.setattr(item_transitions, "_MAX_SCORES", 30)  # of 2 histories
    rng = np.random.default_rng(1)
    rows = {
        "user_id": rng.integers(8, size=90).tolist(),
        "item_id": list(map(as_id, rng.integers(12, size=90))),
        "timestamp": rng.permutation(90).tolist(),
    }
    histories = [list(map(as_id, rng.integers(14, size=length))) for length in range(9)]
    items = list(map(as_id, rng.permutation(14)))
    transitions = ItemTransitions(rows, **settings)
    expected = np.array(expected_scores(rows, histories, items, **settings))
    scores = transitions.score_items(histories, items)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    np.testing.assert_array_equal(
        transitions.score_items(list(map(np.array, histories))),
        scores[:, [items.index(each) for each in transitions.items]],
    )
    rankings = rk.rank(transitions, {"history_item_id": histories}, {"item_id": items})
    for ranking, row in zip(rankings, expected, strict=True):
        ranked = dict(ranking)
        np.testing.assert_allclose([ranked[each] for each in items], row, rtol=1e-5)


def test_rank_takes_a_history_of_any_length_and_excludes_it():
    transitions = ItemTransitions(ROWS)
    for history in HISTORIES:
        ranked = rk.rank(
            transitions, {"history_item_id": history}, {"item_id": ["a", "b", "c"]}, exclude=history
        )
        assert {item for item, _ in ranked} == {"a", "b", "c"} - set(history)


def test_padding_and_unknown_ids_change_nothing():
    transitions = ItemTransitions(ROWS)
    scores = transitions.score_items(HISTORIES)
    padded = [["new", *history, "", "new"] for history in HISTORIES]
    np.testing.assert_array_equal(transitions.score_items(padded), scores)
    np.testing.assert_array_equal(scores[1], 0)


def test_users_with_a_single_event_have_no_transitions():
    transitions = ItemTransitions({**ROWS, "user_id": list("abcde")})
    np.testing.assert_array_equal(transitions.score_items(HISTORIES), np.zeros((5, 3)))


def test_rows_are_sorted_by_time_and_ties_keep_their_order():
    table = pd.DataFrame({**ROWS, "timestamp": pd.to_datetime([3, 4, 1, 1, 2], unit="s")})
    scores = ItemTransitions(ROWS, timestamp=None).score_items(HISTORIES)
    np.testing.assert_array_equal(ItemTransitions(table).score_items(HISTORIES), scores)
    shuffled = table.iloc[[4, 2, 1, 3, 0]]
    np.testing.assert_array_equal(ItemTransitions(shuffled).score_items(HISTORIES), scores)


def test_scores_of_evaluations_with_a_column_of_histories():
    rows = {
        "user_id": [1, 1, 2, 2],
        "history_item_id": [["a"], ["a"], [], []],
        "item_id": ["b", "new", "b", "a"],
        "click": [1, 0, 1, 0],
    }
    report = rk.evaluate_ranking(ItemTransitions(ROWS), rows, label="click", relevant=1)
    assert report.metrics["auc"] == 0.75
    assert "log_loss" not in report.metrics  # scores are an order


def test_ids_as_bytes_are_their_text():
    rows = {**ROWS, "item_id": [each.encode() for each in ROWS["item_id"]]}
    transitions = ItemTransitions(rows)
    assert transitions.items == ["a", "b", "c"]
    expected = ItemTransitions(ROWS).score_items([["a"]])
    np.testing.assert_array_equal(transitions.score_items([[b"a"]]), expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"timestamp": [1, 2, np.nan, 4, 5]}, ValueError, "finite timestamp in every row"),
        ({"timestamp": list("abcde")}, TypeError, "numbers or datetime64"),
        ({"item_id": ["a", "", "b", "c", "d"]}, ValueError, "different from ''"),
        ({"item_id": [1, 2, -1, 3, 4]}, ValueError, "different from -1"),
        ({"item_id": ["a", None, "b", "c", "d"]}, TypeError, "id"),
        ({"item_id": [0.5, 1.5, 1, 1, 1]}, TypeError, "must be str or int"),
        ({"user_id": [1, 2, None, 3, 4]}, TypeError, "rows['user_id'][2] must be an id"),
        ({"user_id": [1, 2]}, ValueError, "equal length"),
        ({name: [] for name in ROWS}, ValueError, "at least one row"),
    ],
)
def test_bad_rows_raise_an_error(change, error, message):
    with pytest.raises(error) as raised:
        ItemTransitions({**ROWS, **change})
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("decay", 1.1),
        ("decay", np.nan),
        ("gap_decay", -0.1),
        ("power", -1),
        ("power", np.inf),
        ("max_gap", 0),
        ("max_gap", True),
        ("history", "item_id"),
    ],
)
def test_bad_arguments_raise_an_error_that_names_them(argument, value):
    with pytest.raises(ValueError, match=f"{argument} must be"):
        ItemTransitions(ROWS, **{argument: value})


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        ("ab", "histories must be a list of histories"),
        (["ab"], r"histories\[0\] must be a list of past items"),
        ([["a"], None], r"histories\[1\] must be a list of past items"),
        ([["a", None]], "each id in histories must be str or int"),
        ([[1, 2]], "of the type of the training rows, such as 'a'"),
        ([["a", 1]], "all str or all int"),
    ],
)
def test_bad_histories_raise_an_error(histories, message):
    with pytest.raises(TypeError, match=f"(?i){message}"):
        ItemTransitions(ROWS).score_items(histories)


def test_missing_history_column_raises_an_error():
    with pytest.raises(ValueError, match="Missing feature 'history_item_id'"):
        rk.rank(ItemTransitions(ROWS), {}, {"item_id": ["a"]})


def test_network_has_the_scores_of_the_followers_it_keeps(check_exports):
    rng = np.random.default_rng(0)
    rows = {
        "user_id": rng.integers(0, 40, 600),
        "item_id": [f"i{i}" for i in rng.integers(0, 30, 600)],
        "timestamp": rng.permutation(600),
    }
    transitions = ItemTransitions(rows, decay=0.7, gap_decay=0.5)
    histories = [["i1", "new", "i2"], [], ["i3"] * 60, ["", "i4", ""]]
    items = [*transitions.items, "new"]
    expected = transitions.score_items([["i1", "i2"], [], ["i3"] * 50, ["i4"]], items)
    network = transitions.network(1000)
    for history, scores in zip(histories, expected, strict=True):
        ranked = dict(rk.rank(network, {"history_item_id": history}, {"item_id": items}))
        np.testing.assert_allclose([ranked[each] for each in items], scores, rtol=1e-5)
    lists = tf.ragged.constant(histories).to_tensor("")
    columns = {"history_item_id": lists, "item_id": tf.constant(["i1", "i2", "i4", "new"])}
    check_exports(network, columns)
    long = dict(rk.rank(transitions.network(1000, max_length=60), {"history_item_id": ["i3"] * 60},
                        {"item_id": items}))  # fmt: skip
    scores = transitions.score_items([["i3"] * 60], items)[0]
    np.testing.assert_allclose([long[each] for each in items], scores, rtol=1e-5)
    # Those with the smallest numbers are left out.
    few = dict(rk.rank(transitions.network(3), {"history_item_id": ["i1"]}, {"item_id": items}))
    alone = transitions.score_items([["i1"]], items)[0]
    kept = np.sort(alone)[-3:]
    np.testing.assert_allclose(np.sort([*few.values()])[-3:], kept, rtol=1e-5)
    assert sum(score > 0 for score in few.values()) == 3
