"""Lists of the rows of a query."""

import collections

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


def items(batches, rows=ROWS):
    """The query and the row numbers of each list, after checking that its columns agree."""
    found = []
    for batch in batches:
        names = ("mask", "row", "rating", "user_id")
        columns = zip(*(batch[name].numpy() for name in names), strict=True)
        for mask, numbers, ratings, users in columns:
            assert mask.any()
            assert mask.tolist() == sorted(mask, reverse=True)
            np.testing.assert_allclose(ratings, rows["rating"][numbers], rtol=1e-6)
            [user] = {each.decode() for each in users}
            assert {user} == set(rows["user_id"][numbers])
            found.append((user, numbers[mask].tolist()))
        if "tags" in batch:
            lengths = [[len(cell) for cell in cells] for cells in batch["tags"].to_list()]
            np.testing.assert_array_equal(lengths, batch["row"].numpy() % 3)
    return found


SOURCES = {"rows": lambda: ROWS, "stream": stream}
sources = pytest.mark.parametrize("source", SOURCES.values(), ids=list(SOURCES))


@sources
def test_each_query_is_one_list_of_its_rows_in_order(source):
    batches = rk.data.lists(source(), 3, list_size=12)
    found = items(batches)
    assert [user for user, _ in found] == list(dict.fromkeys(ROWS["user_id"]))
    for user, rows in found:
        assert rows == np.flatnonzero(ROWS["user_id"] == user).tolist()


def test_batches_are_counted_and_trimmed_to_their_longest_list():
    batches = rk.data.lists(ROWS, 3)
    assert len(batches) == 2
    first, last = batches
    lengths = [COUNTS[user] for user in dict.fromkeys(ROWS["user_id"])]
    assert first["mask"].shape == (3, max(lengths[:3]))
    assert last["mask"].shape == (1, lengths[3])
    assert first["rating"].dtype == tf.float32
    assert batches.element_spec["row"].shape.as_list() == [None, None]


@sources
def test_overflow_sample_takes_the_first_rows_without_shuffle(source):
    for user, rows in items(rk.data.lists(source(), 2, list_size=4)):
        assert rows == np.flatnonzero(ROWS["user_id"] == user)[:4].tolist()


def test_overflow_sample_takes_a_new_random_sample_in_each_epoch():
    batches = rk.data.lists(ROWS, 2, list_size=4, shuffle=True, seed=1)
    epochs = [dict(items(batches)) for _ in range(20)]
    assert all(len(rows) == min(4, COUNTS[user]) for one in epochs for user, rows in one.items())
    seen = collections.Counter(row for one in epochs for row in one["d"])
    assert len(seen) == 12
    assert max(seen.values()) < 4 * min(seen.values())
    assert epochs[0] != epochs[1]


@sources
@pytest.mark.parametrize("shuffle", [False, True])
def test_overflow_split_makes_lists_of_nearly_equal_length(source, shuffle):
    settings = {"list_size": 5, "overflow": "split", "shuffle": shuffle, "seed": 3}
    found = items(rk.data.lists(source(), 2, **settings))
    assert sorted(row for _, rows in found for row in rows) == list(range(len(USERS)))
    lengths = collections.defaultdict(list)
    for user, rows in found:
        lengths[user].append(len(rows))
    assert {user: sorted(each) for user, each in lengths.items()} == {
        "a": [1], "b": [3, 4], "c": [3], "d": [4, 4, 4],
    }  # fmt: skip


def test_overflow_error_names_the_longest_query():
    message = r"Each user_id must have at most list_size=11 rows\. Got: 12 rows of 'd'\. Pass"
    with pytest.raises(ValueError, match=message):
        rk.data.lists(ROWS, 2, list_size=11, overflow="error")
    assert len(items(rk.data.lists(ROWS, 2, list_size=12, overflow="error"))) == 4


def test_overflow_error_of_a_stream_is_raised_by_iteration_and_by_fit():
    batches = rk.data.lists(stream(), 2, list_size=11, overflow="error")
    message = r"Each user_id must have at most list_size=11 rows\. Got: "
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        list(batches)
    features = {"user_id": rk.layers.IdEmbedding(["a"], 2)}
    model = rk.RankingModel(rk.models.tower(features, hidden_units=[2]), label="rating")
    model.compile("adam", loss=rk.losses.SoftmaxLoss())
    with pytest.raises(ValueError, match=rf"^{message}12\. Pass overflow='sample'"):
        model.fit(batches, verbose=0)


@sources
def test_seed_fixes_the_order_of_each_epoch_and_initial_epoch_resumes_it(source):
    def epochs(count, **kwargs):
        batches = rk.data.lists(source(), 2, list_size=5, shuffle=True, seed=7, **kwargs)
        return [items(batches) for _ in range(count)]

    first = epochs(3)
    assert first[:1] == epochs(1)
    assert first[0] != first[1]
    assert epochs(2, initial_epoch=1) == first[1:]


def test_stream_is_grouped_one_buffer_at_a_time():
    found = items(rk.data.lists(stream(), 2, list_size=12, shuffle=10, seed=1))
    assert sorted(row for _, rows in found for row in rows) == list(range(len(USERS)))
    assert len(found) > 4  # queries are in several buffers


@pytest.mark.parametrize("shuffle", [False, True])
def test_default_buffer_has_100_000_rows_even_if_the_size_is_known(shuffle):
    rows = tf.data.Dataset.from_tensor_slices({"user_id": tf.zeros(100_001, tf.int32)})
    batches = rk.data.lists(rows, 2, list_size=2, shuffle=shuffle)
    assert [batch["mask"].numpy().tolist() for batch in batches] == [[[True, True]], [[True]]]


def test_sorted_stream_gives_whole_shuffled_lists():
    users = [f"u{n}" for n in range(40)]
    rows = {"user_id": np.repeat(users, 5), "row": np.arange(200), "rating": np.zeros(200)}
    batches = rk.data.lists(stream(rows), 4, list_size=5, shuffle=50, seed=1)
    first, second = items(batches, rows), items(batches, rows)
    for found in (first, second):
        assert len(found) == 40
        assert all(len(each) == 5 for _, each in found)
    assert first != second
    first_buffer = [user for user, _ in first[:10]]
    assert set(first_buffer) == set(users[:10])
    assert first_buffer != users[:10]
    assert first[0][1] != sorted(first[0][1])


@sources
def test_batches_have_one_shape_without_trim_and_remainder(source):
    settings = {"list_size": 13, "trim": False, "drop_remainder": True}
    batches = rk.data.lists(source(), 3, **settings)
    assert [batch["mask"].shape for batch in batches] == [(3, 13)]
    [batch] = batches
    assert {batch[name].shape for name in ("user_id", "row", "rating")} == {(3, 13)}
    if source is not stream:
        assert len(batches) == 1
    whole = rk.data.lists(source(), 3, list_size=13, trim=False)
    assert [len(batch["mask"]) for batch in whole] == [3, 1]


def test_queries_can_be_numbers_and_columns_are_selected():
    rows = {"user": [3, 1, 3], "rating": [1.0, 2.0, 3.0], "other": [0, 0, 0]}
    [batch] = rk.data.lists(rows, 2, query="user", columns=["user", "rating"])
    assert set(batch) == {"user", "rating", "mask"}
    assert batch["user"].numpy().tolist() == [[3, 3], [1, 1]]
