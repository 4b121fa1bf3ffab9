"""TensorFlow's warning of frequent tracing, which does not apply here."""

import contextlib
import logging
from collections.abc import Iterator

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
