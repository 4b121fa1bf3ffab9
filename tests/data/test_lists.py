"""Rows grouped by query into lists."""

import collections
import importlib

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

RNG = np.random.default_rng(0)
COUNTS = {"a": 1, "b": 7, "c": 3, "d": 12}
USERS = RNG.permutation(np.repeat(list(COUNTS), list(COUNTS.values())))
ROWS = {
    "user_id": USERS.astype(object),
    "row": np.arange(len(USERS)),
    "rating": RNG.normal(size=len(USERS)),
    "tags": [["x"] * (number % 3) for number in range(len(USERS))],
}


def stream(rows=ROWS):
    numbers = {name: tf.constant(rows[name]) for name in ("user_id", "row", "rating")}
    return tf.data.Dataset.from_tensor_slices(numbers)


def items(batches):
    """The query and the rows of each list, as they come; all columns have to agree."""
    found = []
    for batch in batches:
        for place, mask in enumerate(batch["mask"].numpy()):
            assert mask.any()
            assert mask.tolist() == sorted(mask, reverse=True)
            numbers = batch["row"].numpy()[place]
            np.testing.assert_allclose(
                batch["rating"].numpy()[place], ROWS["rating"][numbers], rtol=1e-6
            )
            users = {each.decode() for each in batch["user_id"].numpy()[place]}
            assert users == set(ROWS["user_id"][numbers])
            assert len(users) == 1
            if "tags" in batch:
                tags = batch["tags"][place].to_list()
                assert [len(each) for each in tags] == [int(number) % 3 for number in numbers]
            found.append((users.pop(), numbers[mask].tolist()))
    return found


SOURCES = {"rows": lambda: ROWS, "stream": stream}
sources = pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))


@sources
def test_each_query_is_one_list_of_its_rows(source):
    batches = rk.data.lists(source(), 3, list_size=12)
    found = items(batches)
    assert [user for user, _ in found] == list(dict.fromkeys(ROWS["user_id"]))
    for user, rows in found:
        assert rows == np.flatnonzero(ROWS["user_id"] == user).tolist()


def test_the_number_of_batches_is_known_and_they_end_with_the_longest():
    batches = rk.data.lists(ROWS, 3)
    assert len(batches) == 2
    first, last = batches
    lengths = [COUNTS[user] for user in dict.fromkeys(ROWS["user_id"])]
    assert first["mask"].shape == (3, max(lengths[:3]))
    assert last["mask"].shape == (1, lengths[3])
    assert first["rating"].dtype == tf.float32
    assert batches.element_spec["row"].shape.as_list() == [None, None]


@sources
def test_longer_queries_are_cut_to_their_first_rows(source):
    for user, rows in items(rk.data.lists(source(), 2, list_size=4)):
        assert rows == np.flatnonzero(ROWS["user_id"] == user)[:4].tolist()


def test_longer_queries_are_sampled_anew_at_each_pass():
    batches = rk.data.lists(ROWS, 2, list_size=4, shuffle=True, seed=1)
    passes = [dict(items(batches)) for _ in range(40)]
    assert all(len(rows) == min(4, COUNTS[user]) for one in passes for user, rows in one.items())
    seen = collections.Counter(row for one in passes for row in one["d"])
    assert len(seen) == 12
    assert max(seen.values()) < 4 * min(seen.values())
    assert passes[0] != passes[1]


@sources
@pytest.mark.parametrize("shuffle", [False, True])
def test_longer_queries_are_split_into_equal_lists(source, shuffle):
    found = items(
        rk.data.lists(source(), 2, list_size=5, overflow="split", shuffle=shuffle, seed=3)
    )
    assert sorted(row for _, rows in found for row in rows) == list(range(len(USERS)))
    lengths = collections.defaultdict(list)
    for user, rows in found:
        lengths[user].append(len(rows))
    assert {user: sorted(each) for user, each in lengths.items()} == {
        "a": [1], "b": [3, 4], "c": [3], "d": [4, 4, 4],
    }  # fmt: skip


def test_longer_queries_may_be_refused():
    with pytest.raises(ValueError, match="rows of user_id 'd' must be at most list_size=11"):
        rk.data.lists(ROWS, 2, list_size=11, overflow="error")
    assert len(items(rk.data.lists(ROWS, 2, list_size=12, overflow="error"))) == 4
    batches = rk.data.lists(stream(), 2, list_size=11, overflow="error")
    words = r"rows of a user_id must be at most list_size=11\. Got: 12\. Make overflow .?'sample"
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        list(batches)
    model = rk.RankingModel(
        rk.models.tower({"user_id": rk.layers.IdEmbedding(["a"], 2)}, hidden_units=[2]),
        label="rating",
    )
    model.compile("adam", loss=rk.losses.SoftmaxLoss())
    with pytest.raises(ValueError, match=words):
        model.fit(batches, verbose=0)


@sources
def test_a_seed_fixes_the_order_of_each_epoch(source):
    def three(**kwargs):
        batches = rk.data.lists(source(), 2, list_size=5, shuffle=True, seed=7, **kwargs)
        return [items(batches) for _ in range(3)]

    first = three()
    assert first == three()
    assert first[0] != first[1]
    assert three(initial_epoch=1)[:2] == first[1:]


def test_a_stream_is_grouped_in_windows():
    found = items(rk.data.lists(stream(), 2, list_size=12, shuffle=10, seed=1))
    assert sorted(row for _, rows in found for row in rows) == list(range(len(USERS)))
    assert len(found) > 4  # queries are in several windows


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_stream_of_known_length_is_grouped_in_windows_too(monkeypatch, shuffle):
    monkeypatch.setattr(importlib.import_module("rankkit.data.lists"), "WINDOW", 10)
    assert len(stream()) == len(USERS)
    found = items(rk.data.lists(stream(), 2, list_size=12, shuffle=shuffle, seed=1))
    assert sorted(row for _, rows in found for row in rows) == list(range(len(USERS)))
    assert len(found) > 4


def test_a_stream_sorted_by_query_gives_whole_lists_shuffled_or_not():
    rows = {"user_id": np.repeat([f"u{n}" for n in range(40)], 5), "row": np.arange(200)}
    sorted_rows = tf.data.Dataset.from_tensor_slices(rows)
    batches = rk.data.lists(sorted_rows, 4, list_size=5, shuffle=50, seed=1)

    def pass_over():
        return [
            (users[0].decode(), each[mask].tolist())
            for batch in batches
            for users, each, mask in zip(
                *(batch[name].numpy() for name in ("user_id", "row", "mask")), strict=True
            )
        ]

    first, second = pass_over(), pass_over()
    for found in (first, second):
        assert len(found) == 40
        assert all(len(each) == 5 for _, each in found)
    assert first != second
    assert {user for user, _ in first[:10]} == {f"u{n}" for n in range(10)}  # of one window
    assert [user for user, _ in first[:10]] != [f"u{n}" for n in range(10)]
    assert first[0][1] != sorted(first[0][1])


@sources
def test_all_batches_may_have_one_shape(source):
    settings = {"list_size": 13, "trim": False, "drop_remainder": True}
    batches = rk.data.lists(source(), 3, **settings)
    assert [batch["mask"].shape for batch in batches] == [(3, 13)]
    [batch] = batches
    assert {batch[name].shape for name in ("user_id", "row", "rating")} == {(3, 13)}
    if source is not stream:
        assert len(batches) == 1
    whole = rk.data.lists(source(), 3, list_size=13, trim=False)
    assert [len(batch["mask"]) for batch in whole] == [3, 1]


def test_queries_may_be_numbers_and_columns_chosen():
    rows = {"user": [3, 1, 3], "rating": [1.0, 2.0, 3.0], "other": [0, 0, 0]}
    [batch] = rk.data.lists(rows, 2, query="user", columns=["user", "rating"])
    assert set(batch) == {"user", "rating", "mask"}
    assert batch["user"].numpy().tolist() == [[3, 3], [1, 1]]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"query": "user"}, "Unknown query 'user'.*Did you mean 'user_id'"),
        ({"list_size": 1}, "list_size must be"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"shuffle": True, "initial_epoch": 3}, "seed must be a number when initial_epoch is not"),
        ({"overflow": "cut"}, "Unknown overflow 'cut'"),
        ({"shuffle": 5}, "shuffle must be"),
        ({"columns": ["rating"]}, "Unknown query 'user_id'"),
        ({"rows": stream()}, "list_size must be"),
        ({"rows": {**ROWS, "mask": ROWS["row"]}}, "none named 'mask'"),
    ],
)
def test_what_makes_no_lists_is_named(change, words):
    settings = {"rows": ROWS, "batch_size": 2, **change}
    with pytest.raises(ValueError, match=words):
        rk.data.lists(settings.pop("rows"), settings.pop("batch_size"), **settings)
