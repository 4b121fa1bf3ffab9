"""Errors of checks inside TensorFlow graphs, raised again as plain errors."""

import contextlib
import re
import traceback
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

# Marks of a message inside a graph, by which `plain_errors` finds it.
_START, _END = "[rankkit] ", " [end]"
_MARKED = re.compile(f"{re.escape(_START)}(.*?){re.escape(_END)}", re.DOTALL)
NO_BATCH = "x must have at least one batch. Got: 0 batches. Check the filters."
_JOINT = "] ["  # between the parts of a message in a graph


def check_numerics(values: tf.Tensor, message: str) -> tf.Tensor:
    """Returns floating-point values after a check that they are finite."""
    if not tf.executing_eagerly():
        return tf.debugging.check_numerics(values, f"{_START}{message}{_END}")
    assert_in_graph(tf.reduce_all(tf.math.is_finite(values)), message)
    return values


def assert_in_graph(condition: tf.Tensor, *message: Any) -> Any:
    """Makes an operation that checks a condition; the message may have tensors among its parts.

    Outside of a graph, or if the condition is known while tracing, it is checked at once. If it
    is false, the error is a `tf.errors.InvalidArgumentError`.
    """
    holds = tf.get_static_value(condition)
    if holds is None:
        return tf.debugging.Assert(condition, [_START, *message, _END])
    if not holds:
        values = [tf.get_static_value(part) for part in message]
        text = "".join(v.decode() if isinstance(v, bytes) else str(v) for v in values)
        text = text if tf.executing_eagerly() else f"{_START}{text}{_END}"
        raise tf.errors.InvalidArgumentError(None, None, text)
    return tf.no_op()


def marked(error: Exception) -> ValueError | TypeError:
    """Returns an error for Python code that TensorFlow runs, by which `plain_errors` finds it."""
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{_START}{error}{_END}")


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Raises rankkit's own errors as they were written, without the stack of a graph.

    Also names data without a batch, of which Keras reports only that its results are empty.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if found := _MARKED.search(error.message):
            message = found[1].replace(_JOINT, "").replace("\\'", "'")  # TensorFlow escapes quotes
            raise ValueError(message) from None
        if not _is_raised_by_rankkit(error):
            raise
        original = error  # Keras raises a copy with text of its own
        while isinstance(original.__context__, tf.errors.InvalidArgumentError):
            original = original.__context__
        raise ValueError(original.message) from None
    except (ValueError, TypeError) as error:
        if found := _MARKED.search(str(error)):
            raise type(error)(found[1]) from None
        if "(Empty logs)" in str(error) or "(Empty batch_outputs)" in str(error):
            raise ValueError(NO_BATCH) from None
        traced = getattr(error, "ag_error_metadata", None)
        if traced is None or not _is_raised_by_rankkit(error):
            raise
        message = traced.cause_message.removeprefix(f"{type(error).__name__}: ")
        raise type(error)(message) from None


def _is_raised_by_rankkit(error: Exception) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[-1].f_globals.get("__name__", "").startswith("rankkit.")
