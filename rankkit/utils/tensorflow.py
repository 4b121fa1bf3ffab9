"""Helpers for tf.function, tf.data and custom Keras layers."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf


@contextlib.contextmanager
def tracing_expected() -> Iterator[None]:
    """Keeps TensorFlow from warning that functions are traced often: each model has its own."""

    def unrelated(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = tf.get_logger()
    logger.addFilter(unrelated)
    try:
        yield
    finally:
        logger.removeFilter(unrelated)


def dataset_graph(data: tf.data.Dataset) -> tf.compat.v1.GraphDef:
    """Gives a data set as TensorFlow writes it to send it elsewhere; its state is not asked for.

    Args:
        data: The data set.
    """
    variant = tf.data.experimental.to_variant(data)
    written = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1)
    return tf.compat.v1.GraphDef.FromString(written.numpy())


_LIBRARIES = ("rankkit", "tf_keras", "tensorflow", "tensorflow_recommenders")


def is_own(part: Any) -> bool:
    """Whether a class, a function or an object of a class is none of the libraries that rank.

    Args:
        part: One of these.
    """
    module = getattr(part, "__module__", None) or type(part).__module__
    return module.partition(".")[0] not in _LIBRARIES


def has_own_layers(network: tf.Module) -> bool:
    """Whether a layer is the user's, which AutoGraph has to convert as it does in Keras.

    A library's needs no conversion, and that takes seconds.

    Args:
        network: A network, or a layer.
    """
    parts = (network, *network.submodules)
    return any(isinstance(part, tf.keras.layers.Layer) and is_own(type(part)) for part in parts)


def sample_of(num_rows: int, most: int = 64) -> list[int]:
    """Gives a few rows of so many, the first and the last among them.

    Args:
        num_rows: How many rows there are.
        most: How many to give, at most.
    """
    return np.unique(np.linspace(0, num_rows - 1, most, dtype=int)).tolist()


def has_servers(strategy: tf.distribute.Strategy) -> bool:
    """Whether parameter servers hold the weights of what is made in a strategy's scope."""
    return isinstance(strategy, tf.distribute.ParameterServerStrategy)
