"""Errors of checks inside TensorFlow graphs, raised again as plain errors."""

import contextlib
import re
import traceback
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_START, _END = "[rankkit] ", " [end]"
_MARKED = re.compile(f"{re.escape(_START)}(.*?){re.escape(_END)}", re.DOTALL)
# How TensorFlow joins the parts of a message: in a graph, and eagerly.
_JOINTS = re.compile(r"\] \[|['\"]\n([^\n]*)\nb['\"]")


def in_graph(message: str) -> str:
    """Marks the message of a check inside a graph, so that `plain_errors` finds it."""
    return f"{_START}{message}{_END}"


def assert_in_graph(condition: tf.Tensor, before: str, value: tf.Tensor, after: str) -> Any:
    """Makes an operation that checks a condition; the message shows a value of the graph."""
    return tf.debugging.Assert(condition, [f"{_START}{before}", value, f"{after}{_END}"])


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Raises rankkit's own errors as they were written, without the stack of TensorFlow or Keras.

    Raises:
        ValueError: If a check inside a graph failed whose message was marked.
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        found = _MARKED.search(error.message)
        if not found:
            raise
        message = _JOINTS.sub(lambda joint: f"{joint[1] or ''}", found[1]).replace("\\'", "'")
        raise ValueError(message) from None
    except (ValueError, TypeError) as error:
        traced = getattr(error, "ag_error_metadata", None)
        if traced is None or not _is_raised_by_rankkit(error):
            raise
        message = traced.cause_message.removeprefix(f"{type(error).__name__}: ")
        raise type(error)(message) from None


def _is_raised_by_rankkit(error: Exception) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[-1].f_globals.get("__name__", "").startswith("rankkit.")
