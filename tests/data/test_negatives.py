"""Clicks beside candidates that were not clicked."""

import collections

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

RNG = np.random.default_rng(0)
# The user 'most' has clicked all but one.
CLICKS = sorted({(f"u{u}", f"i{i}") for u, i in RNG.integers(0, 12, (60, 2))})
CLICKS += [("most", f"i{i}") for i in range(11)]
ROWS = {
    "user_id": np.array([user for user, _ in CLICKS], object),
    "item_id": np.array([item for _, item in CLICKS], object),
    "hour": np.arange(len(CLICKS)),
    "year": np.array([1990 + int(item[1:]) for _, item in CLICKS]),
}
ITEMS = sorted(set(ROWS["item_id"]))


def rows_of(batches):
    return [
        dict(zip(batch, row, strict=True))
        for batch in batches
        for row in zip(*(column.numpy().tolist() for column in batch.values()), strict=True)
    ]


@pytest.mark.parametrize("popularity", [0.0, 0.75])
def test_no_click_is_drawn_as_a_negative_and_none_is_lost(popularity):
    batches = rk.data.with_negatives(
        ROWS, 16, item="item_id", num_negatives=3, popularity=popularity, seed=1
    )
    assert len(batches) == -(-len(CLICKS) // 16)
    for _ in range(3):
        found = rows_of(batches)
        clicks = [(row["user_id"].decode(), row["item_id"].decode()) for row in found]
        labels = [row["click"] for row in found]
        assert labels == [1.0, 0.0, 0.0, 0.0] * len(CLICKS)
        assert sorted(clicks[::4]) == sorted(CLICKS)
        negatives = {click for click, label in zip(clicks, labels, strict=True) if not label}
        assert not negatives & set(CLICKS)
        assert {item for user, item in negatives if user == "most"} == {"i11"}
        # A negative has all else from its click.
        for click, negative in zip(found[::4], found[1::4], strict=True):
            assert (click["user_id"], click["hour"]) == (negative["user_id"], negative["hour"])


def test_a_seed_fixes_each_epoch():
    def epochs(**kwargs):
        batches = rk.data.with_negatives(ROWS, 16, item="item_id", seed=5, **kwargs)
        return [rows_of(batches) for _ in range(3)]

    first = epochs()
    assert first == epochs()
    assert first[0] != first[1]
    assert epochs(initial_epoch=1)[:2] == first[1:]


def counts_of(popularity, rounds=60):
    rows = {"user_id": ["u"] * 10, "item_id": ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d"]}
    rows = {name: [*column, "v"] for name, column in rows.items()}
    batches = rk.data.with_negatives(
        rows, 64, item="item_id", num_negatives=50, popularity=popularity, seed=2,
        candidates={"item_id": ["v", "a", "b", "c", "d"]},
    )  # fmt: skip
    found = [row for _ in range(rounds) for row in rows_of(batches) if row["user_id"] == b"v"]
    return collections.Counter(row["item_id"] for row in found if not row["click"])


@pytest.mark.parametrize(("popularity", "shares"), [(0, [1, 1, 1, 1]), (1, [4, 3, 2, 1])])
def test_candidates_are_drawn_by_their_popularity(popularity, shares):
    counts = counts_of(popularity)
    found = np.array([counts[item] for item in (b"a", b"b", b"c", b"d")]) / sum(counts.values())
    np.testing.assert_allclose(found, np.array(shares) / sum(shares), atol=0.03)


def test_candidates_bring_their_own_columns():
    candidates = {"item_id": ITEMS, "year": [1990 + int(item[1:]) for item in ITEMS]}
    batches = rk.data.with_negatives(ROWS, 16, item="item_id", candidates=candidates, seed=1)
    assert all(row["year"] == 1990 + int(row["item_id"][1:]) for row in rows_of(batches))


def test_a_click_and_its_negatives_may_be_a_list():
    batches = rk.data.with_negatives(ROWS, 16, item="item_id", num_negatives=2, lists=True, seed=1)
    batch = next(iter(batches))
    assert batch["click"].numpy().tolist() == [[1.0, 0.0, 0.0]] * 16
    assert batch["mask"].numpy().all()
    assert batch["item_id"].shape == (16, 3)
    assert all(len(set(users)) == 1 for users in batch["user_id"].numpy().tolist())


def drawn(batches):
    found = [row for row in rows_of(batches) if not row["click"]]
    return {(row["user_id"].decode(), row["item_id"].decode()) for row in found}


@pytest.mark.parametrize("popularity", [0.0, 1.0])
def test_clicks_beside_the_rows_are_excluded(popularity):
    known = {name: column[::2] for name, column in ROWS.items()}
    rest = {name: column[1::2] for name, column in ROWS.items()}
    settings = {"item": "item_id", "num_negatives": 200, "seed": 1, "popularity": popularity}
    found = drawn(rk.data.with_negatives(rest, 16, exclude=known, **settings))
    assert not found & set(CLICKS)
    # Their items are candidates: all pairs that are no click come up.
    users = set(rest["user_id"])
    assert found == {(u, i) for u in users for i in ITEMS} - set(CLICKS)
    assert drawn(rk.data.with_negatives(rest, 16, **settings)) & set(CLICKS)


def test_outcomes_are_those_of_the_click_alone():
    rows = {**ROWS, "rating": np.arange(len(CLICKS)) % 5}
    batches = rk.data.with_negatives(rows, 16, item="item_id", outcomes=["rating"], seed=1)
    for row in rows_of(batches):
        assert (row["rating"] == row["hour"] % 5) if row["click"] else np.isnan(row["rating"])
    lists = rk.data.with_negatives(rows, 16, item="item_id", outcomes="rating", lists=True, seed=1)
    batch = next(iter(lists))
    np.testing.assert_array_equal(np.isnan(batch["rating"]), batch["click"] == 0)


def test_rows_to_validate_on_stay_the_same():
    batches = rk.data.with_negatives(ROWS, 16, item="item_id", shuffle=False, seed=3)
    first = rows_of(batches)
    assert first == rows_of(batches)
    assert [row["hour"] for row in first[::5]] == list(range(len(CLICKS)))
    other = rk.data.with_negatives(ROWS, 16, item="item_id", shuffle=False, seed=4)
    assert rows_of(other) != first


@pytest.mark.parametrize("popularity", [1.0, 2.0, 2000.0])
def test_whoever_chose_what_is_popular_is_drawn_for_at_once(popularity):
    many = 5_000
    rows = {
        "user_id": ["u", *(f"v{number}" for number in range(many))],
        "item_id": ["a", *["a"] * (many - 1), "b"],
    }
    batches = rk.data.with_negatives(rows, 512, item="item_id", popularity=popularity, seed=1)
    found = drawn(batches)
    assert {item for user, item in found if user == "u"} == {"b"}
    assert {item for user, item in found if user == f"v{many - 1}"} == {"a"}


def test_what_is_left_is_drawn_in_proportion():
    # 'u' has chosen b and d; of a, c and e there are 1, 2 and 5 choices, and f has none.
    items = ["b", "d", *"a", *"cc", *"eeeee"]
    users = ["u", "u", *(f"v{number}" for number in range(8))]
    batches = rk.data.with_negatives(
        {"user_id": users, "item_id": items}, 16, item="item_id", num_negatives=4000,
        popularity=1.0, candidates={"item_id": list("fedcba")}, seed=1,
    )  # fmt: skip
    found = [row for row in rows_of(batches) if row["user_id"] == b"u" and not row["click"]]
    counts = collections.Counter(row["item_id"].decode() for row in found)
    assert set(counts) == set("ace")
    shares = [counts[item] / len(found) for item in "ace"]
    np.testing.assert_allclose(shares, np.array([1, 2, 5]) / 8, atol=0.02)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"item": "item"}, ValueError, "Unknown item 'item'"),
        ({"query": "user"}, ValueError, "Unknown query 'user'"),
        ({"num_negatives": 0}, ValueError, "num_negatives"),
        ({"popularity": -1}, ValueError, "popularity must be"),
        ({"popularity": np.nan}, ValueError, "popularity must be"),
        ({"popularity": np.inf}, ValueError, "popularity must be"),
        ({"popularity": "0.75"}, TypeError, "popularity must be a number"),
        ({"initial_epoch": 2}, ValueError, "seed must be a number when initial_epoch is not 0"),
        ({"outcomes": ["rating"]}, ValueError, "Unknown column in outcomes 'rating'"),
        ({"outcomes": ["item_id"]}, ValueError, "outcomes must be columns of neither"),
        ({"exclude": {"user_id": ["u1"]}}, ValueError, "Unknown column 'item_id'"),
        ({"label": "year"}, ValueError, "none named 'year'"),
        ({"candidates": {"item_id": ["i1", "i1"]}}, ValueError, "candidates must be 1 different"),
        ({"candidates": {"item_id": ["i1"]}}, ValueError, "has not chosen must be at least 1"),
        ({"candidates": {"year": [1990]}}, TypeError, "'item_id' among them"),
    ],
)
def test_what_cannot_be_drawn_is_named(change, error, words):
    with pytest.raises(error, match=words):
        rk.data.with_negatives(ROWS, 16, **{"item": "item_id", **change})


def test_a_stream_of_clicks_is_refused():
    stream = tf.data.Dataset.from_tensor_slices({"user_id": ["u"], "item_id": ["a"]})
    with pytest.raises(TypeError, match="rows must be in memory.*All clicks of a query"):
        rk.data.with_negatives(stream, 16, item="item_id")
