"""Precomputed indices, passed to feature layers during a training step."""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

_NONE: dict[Any, tf.Tensor] = {}
_GIVEN: contextvars.ContextVar[Mapping[Any, tf.Tensor]] = contextvars.ContextVar(
    "indices", default=_NONE
)


@contextlib.contextmanager
def precomputed_indices(indices: Mapping[Any, tf.Tensor]) -> Iterator[None]:
    """Within the context, layers use these results of their `encode` instead of their inputs."""
    token = _GIVEN.set(indices)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def is_step_in_memory() -> bool:
    """Whether a step over examples in memory is being traced: its columns are of equal length."""
    return _GIVEN.get() is not _NONE


def indices_for(layer: tf.keras.layers.Layer) -> tf.Tensor | None:
    """The precomputed indices of a layer, `None` where it has to encode raw values."""
    return _GIVEN.get().get(layer)
