import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

TimeSinceEmbedding = rk.layers.TimeSinceEmbedding


def test_reference_is_the_first_timestamp_of_each_id():
    ids, timestamps = ["a", "b", "a", "b"], [100, 1000, 160, 1005]
    layer = TimeSinceEmbedding.from_columns(ids, timestamps, embedding_dim=2, num_buckets=4)
    config = layer.get_config()
    assert (config["ids"], config["references"]) == (["a", "b"], [100, 1000])
    assert config["boundaries"] == [5, 60]
    raw = [tf.constant(["a", "a", "b", "b", "new"]), tf.constant([90, 104, 1005, 1060, 90])]
    assert layer.encode(raw).numpy().tolist() == [1, 1, 2, 3, 0]


def test_missing_timestamps_are_refused():
    for absent in (float("nan"), np.datetime64("NaT"), None):
        times = [np.datetime64(5, "s") if isinstance(absent, np.datetime64) else 5.0, absent]
        with pytest.raises(ValueError, match="timestamps must have .* Got: 1 of 2 rows .*Drop"):
            TimeSinceEmbedding.from_columns(["a", "b"], times, 2)


def test_timestamps_in_another_unit_than_the_references_are_refused():
    seconds, milliseconds = 1_577_934_245, 1_577_934_245_000
    for reference, boundary in ((seconds, 60), (milliseconds, 60_000)):
        layer = TimeSinceEmbedding(["a"], [reference], [boundary], 2, name="age")
        bucket = layer.encode([tf.constant(["a"]), tf.constant([reference + boundary], tf.int64)])
        assert bucket.numpy().tolist() == [2]
        other = milliseconds if reference == seconds else seconds
        text = rf"The timestamp of layer 'age' must be in .* Got: \[?{other}\]?\. (Divide|Convert)"
        with pytest.raises(tf.errors.InvalidArgumentError, match=text):
            layer.encode([tf.constant(["a"]), tf.constant([other], tf.int64)])
