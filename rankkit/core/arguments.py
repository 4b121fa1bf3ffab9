"""The config of layers and losses that keep the arguments of their constructors as attributes."""

import inspect
from itertools import chain, takewhile
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import unknown

# Those of `tf.keras.layers.Layer`.
_KERAS = (
    *("name", "dtype", "trainable", "activity_regularizer", "dynamic", "weights"),
    *("input_shape", "batch_input_shape", "batch_size", "input_dim", "implementation"),
)


def _own_arguments(kind: type) -> list[str]:
    """The arguments of the constructors of a class and of its bases, without those of Keras."""
    bases = takewhile(lambda each: not each.__module__.startswith("tf_keras."), kind.__mro__)
    constructors = [vars(each)["__init__"] for each in bases if "__init__" in vars(each)]
    names = chain.from_iterable(inspect.signature(each).parameters for each in constructors)
    return [name for name in dict.fromkeys(names) if name not in ("self", "args", "kwargs")]


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
        known = _own_arguments(type(self))
        for name in kwargs:
            if name not in (*known, *_KERAS):
                shown = dict.fromkeys([*known, *_KERAS[:4]])
                raise TypeError(str(unknown(f"argument of {type(self).__name__}", name, shown)))
        super().__init__(**kwargs, autocast=self._casts_input)

    def get_config(self) -> dict[str, Any]:
        return {**arguments_of(self), **super().get_config()}
