"""Puts the process in the state that every test counts on, before TensorFlow starts."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Spark's Java starts in half the time, and would need longer than tests last to make up for it.
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")

import rankkit as rk  # isort: skip
import numpy as np
import pytest
import tensorflow as tf

# Two devices to mirror over. TensorFlow lays them out once, when it first runs an operation; all
# that names no device runs on the first one, as ever.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


def pytest_collection_finish():
    """Spares the garbage collector what is imported, and stays: a search collects at each trial."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeds():
    tf.keras.utils.set_random_seed(7)


@pytest.fixture(scope="session")
def mirrored_strategy():
    """Two replicas on this machine's CPU.

    One for the whole run: each strategy numbers its collective operations from the same start, and
    two that meet in a process abort each other with a shape mismatch.
    """
    # Collectives of one process remember shapes from strategy to strategy.
    across = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"], cross_device_ops=across)


@pytest.fixture(scope="session")
def _movielens_ratings():
    return rk.data.movielens("100k", columns=["user_id", "movie_title", "user_rating"])


@pytest.fixture
def movielens_ratings(_movielens_ratings) -> dict[str, np.ndarray]:
    """The 100,000 ratings of MovieLens 100K: read once, a fresh dict for every test."""
    return dict(_movielens_ratings)
