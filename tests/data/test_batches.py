"""Batches of in-memory rows and of data sets."""

import gc
import math

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.data import batches


def ids_of(batched):
    return [tuple(batch["id"].numpy().astype(str)) for batch in batched]


def epochs_of(batched, count):
    return [ids_of(batched) for _ in range(count)]


@pytest.fixture(params=["arrays", "frame", "stream"])
def rows(request, columns, stream):
    return {"arrays": columns, "frame": pd.DataFrame(columns), "stream": stream}[request.param]


def test_batches_keep_the_order_of_rows(rows):
    first, second, third = batches(rows, 8)
    assert list(first) == ["id", "rating", "tags"]
    assert first["id"].numpy().tolist() == [f"u{number}".encode() for number in range(8)]
    assert first["rating"].dtype == tf.float32
    assert second["rating"].numpy().tolist() == [4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5]
    assert third["tags"].to_list() == [[b"x"], [b"x"] * 2, [], [b"x"]]


def test_columns_are_selected_and_remainder_is_dropped(rows):
    batched = batches(rows, 8, columns=["rating", "id"], drop_remainder=True)
    assert list(batched.element_spec) == ["rating", "id"]
    assert [len(batch) for batch in ids_of(batched)] == [8, 8]


@pytest.mark.parametrize("batch_size", [5, 8, 64])
def test_each_shuffled_epoch_has_every_row_once_in_a_new_order(rows, batch_size):
    epochs = epochs_of(batches(rows, batch_size, shuffle=True, seed=3), 3)
    flat = [sum(epoch, ()) for epoch in epochs]
    assert [sorted(ids) for ids in flat] == [sorted(f"u{number}" for number in range(20))] * 3
    assert len(set(flat)) == 3


def test_shuffling_keeps_the_cells_of_a_row_together(rows):
    for batch in batches(rows, 8, shuffle=True, seed=3):
        for name, rating, tags in zip(
            batch["id"].numpy(), batch["rating"].numpy(), batch["tags"].to_list(), strict=True
        ):
            number = int(name[1:])
            assert (rating, tags) == (number / 2, [b"x"] * (number % 3))


def test_seed_fixes_every_epoch_and_initial_epoch_resumes_regardless_of_the_global_seed(rows):
    tf.random.set_seed(1)
    first = epochs_of(batches(rows, 8, shuffle=True, seed=3), 3)
    tf.random.set_seed(2)
    assert first[:2] == epochs_of(batches(rows, 8, shuffle=True, seed=3), 2)
    assert first[:1] != epochs_of(batches(rows, 8, shuffle=True, seed=4), 1)
    resumed = batches(rows, 8, shuffle=True, seed=3, initial_epoch=2)
    assert epochs_of(resumed, 1) == first[2:]


def test_without_a_seed_runs_differ_unless_python_is_seeded(rows):
    first, second = (ids_of(batches(rows, 64, shuffle=True)) for _ in range(2))
    assert first != second
    tf.keras.utils.set_random_seed(7)
    third = ids_of(batches(rows, 64, shuffle=True))
    tf.keras.utils.set_random_seed(7)
    assert ids_of(batches(rows, 64, shuffle=True)) == third


def test_cardinality_is_known(columns):
    assert batches(columns, 8).cardinality() == 3
    assert batches(columns, 8, shuffle=True, drop_remainder=True).cardinality() == 2
    assert batches(columns, 5, shuffle=True).cardinality() == 4
    sized = tf.data.Dataset.from_tensor_slices({"id": columns["id"]})
    assert batches(sized, 8, shuffle=True, cache=True).cardinality() == 3


def test_two_replicas_get_every_row_once_per_epoch(columns, mirrored_strategy):
    rows = {"id": columns["id"], "rating": columns["rating"]}
    batched = batches(rows, 8, shuffle=True, seed=3)
    alone = epochs_of(batches(rows, 8, shuffle=True, seed=3), 2)
    distributed = mirrored_strategy.experimental_distribute_dataset(batched)
    assert distributed.cardinality == 3
    for expected in alone:
        parts = [mirrored_strategy.experimental_local_results(batch["id"]) for batch in distributed]
        whole = [{"id": tf.concat(batch, axis=0)} for batch in parts]
        assert ids_of(whole) == expected


def test_cached_rows_are_read_once_and_reshuffled():
    reads = []

    def row(number):
        tf.py_function(lambda: reads.append(1), [], [])
        return {"id": tf.strings.as_string(number)}

    source = tf.data.Dataset.range(20).map(row)
    epochs = epochs_of(batches(source, 8, shuffle=True, seed=1, cache=True), 3)
    assert len(reads) == 20
    assert len(set(map(tuple, epochs))) == 3


def test_buffer_size_bounds_how_far_rows_move():
    numbers = tf.data.Dataset.range(100).map(lambda number: {"number": number})
    batch = next(iter(batches(numbers, 100, shuffle=5, seed=1)))
    # A row can be drawn only once it is among the 5 of the buffer.
    assert all(number - index < 5 for index, number in enumerate(batch["number"].numpy()))


def test_shuffled_generator_outlives_its_data_set():
    def batched():
        generated = tf.data.Dataset.from_generator(
            lambda: ({"id": str(number)} for number in range(20)),
            output_signature={"id": tf.TensorSpec([], tf.string)},
        )
        return batches(generated, 8, shuffle=True)

    # Shuffling bypasses the Python objects of tf.data that usually keep a generator alive.
    kept = batched()
    gc.collect()
    assert sorted(sum(ids_of(kept), ())) == sorted(str(number) for number in range(20))


def test_times_become_seconds():
    times = pd.Series(pd.to_datetime(["2020-01-02T03:04:05Z"])).dt.tz_convert("Asia/Tokyo")
    for column in (times, times.dt.tz_convert(None), times.tolist()):
        [batch] = batches({"when": column}, 1)
        assert batch["when"].dtype == tf.int64
        assert batch["when"].numpy().tolist() == [1_577_934_245]  # as `date +%s` shows
    with pytest.raises(ValueError, match=r"rows\['when'\] must have .* Got: 1 of 2 rows"):
        batches({"when": [*times, pd.NaT]}, 1)


ROUNDED = "must not have numbers beyond .*float32 rounds"


@pytest.mark.parametrize("cells", [[2.0**24 + 1, 1.0], [1_700_000_001.5, math.nan]])
def test_float64_that_float32_rounds_is_kept_in_memory_and_refused_in_streams(cells):
    for column in (cells, [cells, []]):
        (batch,) = batches({"x": column}, 2)
        np.testing.assert_array_equal(getattr(batch["x"], "flat_values", batch["x"]), cells)
        assert batch["x"].dtype == tf.float64
    for column in (tf.constant(cells, tf.float64), tf.ragged.constant([cells], tf.float64)):
        rows = tf.data.Dataset.from_tensor_slices({"x": column})
        text = f"Column .{{1,3}}x.{{1,3}} {ROUNDED}"
        with pytest.raises(tf.errors.InvalidArgumentError, match=text):
            list(batches(rows, 2))


@pytest.mark.parametrize("change", [lambda data: data, lambda data: data.map(lambda x: x)])
def test_rounded_float64_is_refused_only_by_a_feature_that_reads_it(change):
    rows = {"time": [1.6e9 + 1, 1.6e9 + 7], "item": ["a", "b"], "rating": [1.0, 2.0]}
    data = change(batches(rows, 2))
    features = {"item": rk.layers.IdEmbedding(["a", "b"], 2)}
    for name in ("item", "time"):
        features[name] = features.get(name, rk.layers.NormalizedNumber(1.6e9, 10.0))
        model = rk.RankingModel(rk.models.tower(features, hidden_units=[]), label="rating")
        model.compile("sgd")
        if name == "item":
            model.fit(data, verbose=0)
        else:
            with pytest.raises(ValueError, match=f"Column 'time' {ROUNDED}"):
                model.fit(data, verbose=0)


def test_unsigned_integers_beyond_int64_are_refused():
    [batch] = batches({"x": tf.constant([2**63 - 1], tf.uint64)}, 1)
    assert batch["x"].numpy().tolist() == [2**63 - 1]
    with pytest.raises(ValueError, match=r"rows\['x'\] must be integers below 2\*\*63. Got: .*str"):
        batches({"x": tf.constant([2**63], tf.uint64)}, 1)
