"""Rows, and helpers for models, that several tests of training use."""

import logging

import numpy as np
import pytest
import tensorflow as tf

GENRES = ["drama", "comedy", "crime"]


@pytest.fixture
def rows():
    """403 ratings with features of all kinds."""
    generator = np.random.default_rng(7)
    users = generator.integers(0, 30, 403)
    return {
        "user_id": users.astype(str).astype(object),
        "movie_id": generator.integers(0, 20, 403),
        "age": generator.normal(30.0, 9.0, 403).astype(np.float32),
        "genres": [GENRES[: 1 + user % 3] for user in users],
        "note": [f"a {GENRES[user % 3]} film" * (1 + user % 2) for user in users],
        "weight": generator.uniform(0.5, 2.0, 403).astype(np.float32),
        "rating": generator.integers(1, 6, 403).astype(np.float32),
    }


@pytest.fixture
def log(caplog):
    """The messages that rankkit logs, without those of TensorFlow."""
    caplog.set_level("INFO", logger="rankkit")
    own = logging.Filter("rankkit")
    caplog.handler.addFilter(own)
    yield caplog
    caplog.handler.removeFilter(own)


@pytest.fixture
def reload(tmp_path):
    """Saves a model to a file and loads it."""

    def reload(model):
        model.save(tmp_path / "model.keras")
        return tf.keras.models.load_model(tmp_path / "model.keras")

    return reload


@pytest.fixture
def mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    yield
    tf.keras.mixed_precision.set_global_policy("float32")
