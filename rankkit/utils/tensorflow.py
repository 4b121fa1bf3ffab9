"""Helpers for tf.function, tf.data, strategies and custom Keras layers."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

_LIBRARIES = ("rankkit", "tf_keras", "tensorflow", "tensorflow_recommenders")


@contextlib.contextmanager
def expect_retracing() -> Iterator[None]:
    """Silences TensorFlow's warning about frequent tracing: each model has functions of its own."""

    def is_other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger = tf.get_logger()
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def dataset_graph(data: tf.data.Dataset) -> tf.compat.v1.GraphDef:
    """The graph of a data set, without the state of its lookup tables and iterators."""
    variant = tf.data.experimental.to_variant(data)
    written = tf.raw_ops.DatasetToGraphV2(input_dataset=variant, external_state_policy=1)
    return tf.compat.v1.GraphDef.FromString(written.numpy())


def is_user_code(part: Any) -> bool:
    """Whether a class, function or object comes from none of the libraries used for ranking."""
    module = getattr(part, "__module__", None) or type(part).__module__
    return module.partition(".")[0] not in _LIBRARIES


def has_user_layers(network: tf.Module) -> bool:
    """Whether a layer is a custom one, which AutoGraph has to convert; this takes seconds."""
    return any(is_user_code(type(layer)) for layer in layers_of(network))


def layers_of(module: tf.Module) -> list[tf.keras.layers.Layer]:
    """A layer or network, and all layers inside it."""
    parts = (module, *module.submodules)
    return [part for part in parts if isinstance(part, tf.keras.layers.Layer)]


def sample_indices(num_rows: int, most: int = 64) -> list[int]:
    """Evenly spaced row indices, the first and the last among them."""
    return np.unique(np.linspace(0, num_rows - 1, most, dtype=int)).tolist()


def has_servers(strategy: tf.distribute.Strategy) -> bool:
    """Whether parameter servers hold the weights created in a strategy's scope."""
    return isinstance(strategy, tf.distribute.ParameterServerStrategy)
