"""A loaded TensorFlow Lite file checks its inputs as the layers do in a graph."""

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
ROWS = {
    "price": np.array([1.0, 2.0], np.float32),
    "size": np.array([1.0, 2.0], np.float32),
    "age": np.array([1.0, np.nan], np.float32),
    "user": np.array(["a", "b"]),
    "when": np.array([1_700_000_000, 1_700_009_000]),
    "since": np.array([1_700_000_000_000, 1_700_009_000_000]),
}


def make_network():
    dense = tf.keras.Sequential([tf.keras.layers.Reshape((1,)), tf.keras.layers.Dense(2, "relu")])
    dense.feature_spec = tf.TensorSpec((None,), tf.float32)
    features = {
        "price": L.BucketEmbedding([1.5], 2),
        "size": dense,
        "age": L.NormalizedNumber(0.0, 1.0, missing="learn"),
        "when": L.CalendarEmbedding("hour_of_day", 2),
        "elapsed": (
            ("user", "since"),
            L.TimeSinceEmbedding(["a", "b"], [1_600_000_000_000] * 2, [10**12], 2),
        ),
    }
    return rk.ranking_network(features, head=L.DenseRatingHead([4]))


WRONG = {
    "price": (np.array([1.0, np.nan], np.float32), "'price' must be finite"),
    "size": (np.array([np.nan, 1.0], np.float32), "'size' must be finite"),
    "age": (np.array([np.inf, 1.0], np.float32), "'age' must be finite"),
    "when": (1_000 * ROWS["when"], "'when' must be in seconds"),
    "since": (ROWS["since"] // 1_000, "'since' must be in the unit of the references"),
}


def test_checks_of_layers_are_repeated(tmp_path):
    network = make_network()
    rk.export.save(network, tmp_path / "1", sample=ROWS)
    rk.export.to_tflite(tmp_path / "1", tmp_path / "m.tflite")
    loaded = rk.export.load(tmp_path / "m.tflite")
    expected = network({name: tf.constant(values) for name, values in ROWS.items()})
    np.testing.assert_allclose(loaded(ROWS), expected, atol=1e-5)
    for name, (values, message) in WRONG.items():
        with pytest.raises(ValueError, match=f"^Feature {message}"):
            loaded({**ROWS, name: values})
        with pytest.raises(ValueError, match=f"^Feature {message}"):
            rk.rank(loaded, {}, {**ROWS, name: values})
