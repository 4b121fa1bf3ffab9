"""The config of layers and losses that keep the arguments of their constructors as attributes."""

import functools
import inspect
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import unknown

# Those of `tf.keras.layers.Layer`.
_KERAS = (
    *("name", "dtype", "trainable", "activity_regularizer", "dynamic", "weights"),
    *("input_shape", "batch_input_shape", "batch_size", "input_dim", "implementation"),
)


def _own_arguments(kind: type) -> dict[str, inspect.Parameter]:
    """The arguments of the constructors of a class and of its bases, without those of Keras."""
    bases = takewhile(lambda each: not each.__module__.startswith("tf_keras."), kind.__mro__)
    constructors = [vars(each)["__init__"] for each in bases if "__init__" in vars(each)]
    found: dict[str, inspect.Parameter] = {}
    for each in constructors:
        found = {**inspect.signature(each).parameters, **found}
    return {name: each for name, each in found.items() if name not in ("self", "args", "kwargs")}


def _unknown(subject: str, name: str, own: Iterable[str]) -> TypeError:
    return TypeError(
        str(unknown(f"argument of {subject}", name, dict.fromkeys([*own, *_KERAS[:4]])))
    )


def checked_keywords(method: Callable[..., Any]) -> Any:
    """Makes a class method that computes arguments of the constructor: those without a default.

    It names the keywords that neither it nor the rest of the constructor takes.
    """
    taken = [name for name in inspect.signature(method).parameters if name not in ("cls", "kwargs")]

    @functools.wraps(method)
    def checked(cls: type, *args: Any, **kwargs: Any) -> Any:
        known = [*taken, *_with_default(cls)]
        for name in kwargs:
            if name not in (*known, *_KERAS):
                raise _unknown(f"{cls.__name__}.{method.__name__}", name, known)
        return method(cls, *args, **kwargs)

    return classmethod(checked)


def _with_default(kind: type) -> list[str]:
    return [name for name, each in _own_arguments(kind).items() if each.default is not each.empty]


def arguments_of(instance: Any) -> dict[str, Any]:
    """The arguments that an object keeps as attributes of the same names, for its config."""
    names = [name for name in _own_arguments(type(instance)) if hasattr(instance, name)]
    return {name: _as_config(getattr(instance, name)) for name in names}


def _as_config(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    # Layers, initializers, regularizers and constraints can be called.
    return tf.keras.saving.serialize_keras_object(value) if callable(value) else value


class ArgumentsLayer(tf.keras.layers.Layer):
    """A layer whose constructors keep their arguments as attributes of the same names.

    Its config holds these attributes; arguments that are passed on or kept under other names are
    up to `get_config` of the class.
    """

    _casts_input = False  # raw values stay exact, and inner layers cast their own input

    def __init__(self, **kwargs: Any):
        kind = type(self)
        for name in kwargs:
            if name not in (*_own_arguments(kind), *_KERAS):
                # Those of base classes that have no default are passed by the class itself.
                own = [*inspect.signature(kind.__init__).parameters][1:]
                shown = [each for each in (*own, *_with_default(kind)) if each != "kwargs"]
                raise _unknown(kind.__name__, name, shown)
        super().__init__(**kwargs, autocast=self._casts_input)

    def get_config(self) -> dict[str, Any]:
        return {**arguments_of(self), **super().get_config()}
