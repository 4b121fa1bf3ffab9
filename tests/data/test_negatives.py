"""Sampled negatives, and pairs of queries with all candidates."""

import collections

import numpy as np
import pandas as pd
import pytest

import rankkit as rk
import tensorflow as tf

RNG = np.random.default_rng(0)
# The user 'most' has clicked all items but one.
CLICKS = sorted({(f"u{u}", f"i{i}") for u, i in RNG.integers(0, 12, (60, 2))})
CLICKS += [("most", f"i{i}") for i in range(11)]
ROWS = {
    "user_id": np.array([user for user, _ in CLICKS], object),
    "item_id": np.array([item for _, item in CLICKS], object),
    "hour": np.arange(len(CLICKS)),
    "year": np.array([1990 + int(item[1:]) for _, item in CLICKS]),
}
ITEMS = sorted(set(ROWS["item_id"]))


def as_dicts(batches):
    return [
        dict(zip(batch, row, strict=True))
        for batch in batches
        for row in zip(*(column.numpy().tolist() for column in batch.values()), strict=True)
    ]


def with_negatives(rows=ROWS, **settings):
    return rk.data.with_negatives(rows, 16, **{"item": "item_id", "seed": 1, **settings})


@pytest.mark.parametrize("popularity", [0.0, 0.75])
def test_every_click_comes_once_per_epoch_and_is_never_a_negative(popularity):
    batches = with_negatives(num_negatives=3, popularity=popularity)
    assert len(batches) == -(-len(CLICKS) // 16)
    for _ in range(3):
        found = as_dicts(batches)
        clicks = [(row["user_id"].decode(), row["item_id"].decode()) for row in found]
        labels = [row["click"] for row in found]
        assert labels == [1.0, 0.0, 0.0, 0.0] * len(CLICKS)
        assert sorted(clicks[::4]) == sorted(CLICKS)
        negatives = {click for click, label in zip(clicks, labels, strict=True) if not label}
        assert not negatives & set(CLICKS)
        assert {item for user, item in negatives if user == "most"} == {"i11"}
        # The other columns of a negative are those of its click.
        for click, negative in zip(found[::4], found[1::4], strict=True):
            assert (click["user_id"], click["hour"]) == (negative["user_id"], negative["hour"])


def test_seed_fixes_each_epoch_and_initial_epoch_resumes_it():
    def epochs(count, **kwargs):
        batches = with_negatives(seed=5, **kwargs)
        return [as_dicts(batches) for _ in range(count)]

    first = epochs(3)
    assert first[:1] == epochs(1)
    assert first[0] != first[1]
    assert epochs(2, initial_epoch=1) == first[1:]


def sampled_shares(rows, candidates, user, popularity):
    """Fraction of each item among the negatives of a user."""
    settings = {"num_negatives": 8000, "popularity": popularity, "seed": 2}
    batches = with_negatives(rows, candidates={"item_id": candidates}, **settings)
    negatives = [row for row in as_dicts(batches) if row["user_id"] == user and not row["click"]]
    found = [row["item_id"].decode() for row in negatives]
    return {item: count / len(found) for item, count in collections.Counter(found).items()}


@pytest.mark.parametrize(("popularity", "weights"), [(0, [1, 1, 1, 1]), (1, [4, 3, 2, 1])])
def test_negatives_are_sampled_by_popularity(popularity, weights):
    rows = {"user_id": [*"uuuuuuuuuu", "v"], "item_id": [*"aaaabbbccd", "v"]}
    shares = sampled_shares(rows, list("vabcd"), b"v", popularity)
    expected = dict(zip("abcd", np.array(weights) / sum(weights), strict=True))
    assert shares == pytest.approx(expected, abs=0.02)


def test_candidates_left_after_exclusion_keep_their_proportions():
    # 'u' has clicked b and d; a, c and e have 1, 2 and 5 clicks, f has none.
    users = ["u", "u", *(f"v{number}" for number in range(8))]
    rows = {"user_id": users, "item_id": ["b", "d", *"acceeeee"]}
    shares = sampled_shares(rows, list("fedcba"), b"u", 1.0)
    assert shares == pytest.approx({"a": 1 / 8, "c": 2 / 8, "e": 5 / 8}, abs=0.02)


def test_columns_of_candidates_replace_those_of_the_click():
    candidates = {"item_id": ITEMS, "year": [1990 + int(item[1:]) for item in ITEMS]}
    found = as_dicts(with_negatives(candidates=candidates))
    assert all(row["year"] == 1990 + int(row["item_id"][1:]) for row in found)


def test_click_and_its_negatives_can_form_a_list():
    batch = next(iter(with_negatives(num_negatives=2, lists=True)))
    assert batch["click"].numpy().tolist() == [[1.0, 0.0, 0.0]] * 16
    assert batch["mask"].numpy().all()
    assert batch["item_id"].shape == (16, 3)
    assert all(len(set(users)) == 1 for users in batch["user_id"].numpy().tolist())


def negative_pairs(batches):
    found = [row for row in as_dicts(batches) if not row["click"]]
    return {(row["user_id"].decode(), row["item_id"].decode()) for row in found}


@pytest.mark.parametrize("popularity", [0.0, 1.0])
def test_items_of_excluded_clicks_are_candidates_but_not_negatives_of_their_query(popularity):
    known = {name: column[::2] for name, column in ROWS.items()}
    rest = {name: column[1::2] for name, column in ROWS.items()}
    settings = {"num_negatives": 200, "popularity": popularity}
    found = negative_pairs(with_negatives(rest, exclude=known, **settings))
    assert not found & set(CLICKS)
    # All other pairs are sampled.
    users = set(rest["user_id"])
    assert found == {(u, i) for u in users for i in ITEMS} - set(CLICKS)
    assert negative_pairs(with_negatives(rest, **settings)) & set(CLICKS)


def test_outcomes_are_nan_for_negatives():
    rows = {**ROWS, "rating": np.arange(len(CLICKS)) % 5}
    for row in as_dicts(with_negatives(rows, outcomes=["rating"])):
        assert (row["rating"] == row["hour"] % 5) if row["click"] else np.isnan(row["rating"])
    batch = next(iter(with_negatives(rows, outcomes=["rating"], lists=True)))
    np.testing.assert_array_equal(np.isnan(batch["rating"]), batch["click"] == 0)


def test_without_shuffle_every_epoch_is_the_same():
    batches = with_negatives(shuffle=False, seed=3)
    first = as_dicts(batches)
    assert first == as_dicts(batches)
    assert [row["hour"] for row in first[::5]] == list(range(len(CLICKS)))
    assert as_dicts(with_negatives(shuffle=False, seed=4)) != first


@pytest.mark.parametrize("popularity", [1.0, 2.0, 2000.0])
def test_queries_that_clicked_nearly_all_popularity_get_the_other_item(popularity):
    many = 5_000
    users = ["u", *(f"v{number}" for number in range(many))]
    rows = {"user_id": users, "item_id": ["a"] * many + ["b"]}
    found = negative_pairs(with_negatives(rows, popularity=popularity))
    assert {item for user, item in found if user == "u"} == {"b"}
    assert {item for user, item in found if user == f"v{many - 1}"} == {"a"}


HELD_OUT = {"user_id": ["u2", "u1", "u2"], "item_id": ["a", "b", "c"], "age": [30, 20, 31]}
KNOWN = {"user_id": ["u1", "u3", "u2", "u2"], "item_id": ["c", "d", "d", "a"]}


def as_tensors(columns):
    return {name: tf.constant(column) for name, column in columns.items()}


def as_bytes(columns):
    return {name: np.array(column).astype("S") for name, column in columns.items()}


@pytest.mark.parametrize("kind", [dict, pd.DataFrame])
def test_with_candidates_pairs_queries_with_all_items_but_excluded_ones(kind):
    found = rk.data.with_candidates(kind(HELD_OUT), item="item_id", exclude=kind(KNOWN))
    expected = {
        (user, item, float((user, item) in {("u2", "a"), ("u1", "b"), ("u2", "c")}))
        for user in ("u1", "u2")
        for item in "abcd"
        if (user, item) not in {("u1", "c"), ("u2", "d")}
    }
    columns = (found[name].tolist() for name in ("user_id", "item_id", "click"))
    assert sorted(zip(*columns, strict=True)) == sorted(expected)
    # Other columns are those of the first row of the user.
    assert set(found["age"][found["user_id"] == "u2"].tolist()) == {30}
    assert set(found["age"][found["user_id"] == "u1"].tolist()) == {20}


def test_ids_of_bytes_are_those_of_text():
    pool = {"item_id": [*"abcd"]}
    expected = rk.data.with_candidates(HELD_OUT, item="item_id", exclude=KNOWN, candidates=pool)
    for kind in (as_tensors, as_bytes):
        settings = {"item": "item_id", "exclude": kind(KNOWN), "candidates": kind(pool)}
        found = rk.data.with_candidates(HELD_OUT, **settings)
        assert {k: v.tolist() for k, v in found.items()} == {
            k: v.tolist() for k, v in expected.items()
        }
        found = negative_pairs(with_negatives(HELD_OUT, **settings, num_negatives=99))
        assert found == {("u1", "a"), ("u1", "d"), ("u2", "b")}


@pytest.mark.parametrize("function", [with_negatives, rk.data.with_candidates])
def test_ids_of_numbers_are_never_those_of_text(function):
    clicks = {"user_id": [1, 2], "item_id": ["a", "b"]}
    for settings in (
        {"exclude": {"user_id": ["1"], "item_id": ["b"]}},
        {"exclude": {"user_id": [1], "item_id": [3]}},
        {"candidates": {"item_id": [1, 2, 3]}},
    ):
        with pytest.raises(
            TypeError, match="Each (user|item)_id must be of the type of .* in rows"
        ):
            function(clicks, item="item_id", **settings)


def test_with_candidates_takes_columns_of_candidates():
    pool = {"item_id": ["c", "a", "x", "b"], "year": [1, 2, 3, 4]}
    found = rk.data.with_candidates(HELD_OUT, item="item_id", candidates=pool)
    assert found["year"].tolist() == [1, 2, 3, 4] * 2
    assert found["user_id"].tolist() == ["u2"] * 4 + ["u1"] * 4
    assert found["click"].tolist() == [1, 1, 0, 0, 0, 0, 0, 1]
    assert found["click"].dtype == np.float32


def test_with_candidates_feeds_evaluate_ranking():
    found = rk.data.with_candidates(HELD_OUT, item="item_id", exclude=KNOWN)
    report = rk.evaluate_ranking(
        lambda columns: columns["item_id"] == b"c", found, train=found, label="click", relevant=1
    )
    # u2 has c first; the three candidates of u1 are tied, and b was clicked.
    assert report.metrics["mrr"] == pytest.approx((1 + (1 + 1 / 2 + 1 / 3) / 3) / 2)
