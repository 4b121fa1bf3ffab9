"""Precomputed indices, passed to feature layers during a training step."""

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf

_NONE: dict[Any, tf.Tensor] = {}
_GIVEN: contextvars.ContextVar[Mapping[Any, tf.Tensor]] = contextvars.ContextVar(
    "codes", default=_NONE
)


@contextlib.contextmanager
def given_codes(codes: Mapping[Any, tf.Tensor]) -> Iterator[None]:
    """Within it, these layers take these codes, whatever raw values they are called with.

    Args:
        codes: Layer to what its `encode` gave for the rows of the batch.
    """
    token = _GIVEN.set(codes)
    try:
        yield
    finally:
        _GIVEN.reset(token)


def codes_for(layer: tf.keras.layers.Layer) -> tf.Tensor | None:
    """Gives the codes of a layer, or `None` where it has to encode raw values."""
    return _GIVEN.get().get(layer)
