import gc

import pytest
import tensorflow as tf

from rankkit.data import batches


def _ids(batched):
    return [tuple(batch["id"].numpy().astype(str)) for batch in batched]


def test_cached_rows_are_read_once_and_still_reshuffled():
    reads = []

    def row(number):
        tf.py_function(lambda: reads.append(1), [], [])
        return {"id": tf.strings.as_string(number)}

    source = tf.data.Dataset.range(20).map(row)
    batched = batches(source, 8, shuffle=True, seed=1, cache=True)
    epochs = [_ids(batched) for _ in range(3)]
    assert len(reads) == 20
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_window_bounds_how_far_rows_move():
    numbers = tf.data.Dataset.range(100).map(lambda number: {"number": number})
    batch = next(iter(batches(numbers, 100, shuffle=5, seed=1)))
    # A row can be drawn only once it is among the 5 that are held.
    assert all(number - place < 5 for place, number in enumerate(batch["number"].numpy()))


def test_a_generators_rows_outlive_its_data_set():
    def batched():
        generated = tf.data.Dataset.from_generator(
            lambda: ({"id": str(number)} for number in range(20)),
            output_signature={"id": tf.TensorSpec([], tf.string)},
        )
        return batches(generated, 8, shuffle=True)

    # The shuffling goes past Python's objects, which keep a generator alive elsewhere.
    kept = batched()
    gc.collect()
    assert sorted(sum(_ids(kept), ())) == sorted(str(number) for number in range(20))


def test_a_window_of_no_row(stream):
    text = r"shuffle must be True, False or a window of at least 1 row\. Got: shuffle=-1\. Give"
    with pytest.raises(ValueError, match=text):
        batches(stream, 8, shuffle=-1)


def test_a_data_set_of_tuples():
    text = r"rows must be a data set of dicts\. Got: rows=\(.*\)\. Map them to dicts"
    with pytest.raises(TypeError, match=text):
        batches(tf.data.Dataset.from_tensor_slices(([1], [2])), 8)


def test_a_data_set_of_batches(columns):
    text = r"rows must be a data set of single rows, not of batches\. .*Call rows\.unbatch\(\)"
    with pytest.raises(ValueError, match=text):
        batches(batches(columns, 8), 8)


def test_an_empty_data_set():
    text = r"rows must be at least one row\. .*Was everything filtered out\?"
    with pytest.raises(ValueError, match=text):
        batches(tf.data.Dataset.from_tensor_slices({"id": ["a"]}).take(0), 8)
