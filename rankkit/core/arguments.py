"""The config of layers that keep the arguments of their constructor as attributes."""

import inspect
from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import unknown

# Those of `tf.keras.layers.Layer`.
_KERAS = (
    *("name", "dtype", "trainable", "activity_regularizer", "autocast", "dynamic", "weights"),
    *("input_shape", "batch_input_shape", "batch_size", "input_dim", "implementation"),
)


def check_keywords(layer: type, keywords: Iterable[str]) -> None:
    """Raises for keyword arguments that neither a layer class nor Keras has."""
    constructors = [vars(each)["__init__"] for each in layer.__mro__ if "__init__" in vars(each)]
    own = chain.from_iterable(inspect.signature(each).parameters for each in constructors)
    known = [name for name in dict.fromkeys(own) if name not in ("self", "args", "kwargs")]
    for name in keywords:
        if name not in (*known, *_KERAS):
            shown = dict.fromkeys([*known, *_KERAS[:4]])
            raise TypeError(str(unknown(f"argument of {layer.__name__}", name, shown)))


class ArgumentsLayer(tf.keras.layers.Layer):
    """A layer whose constructors keep their arguments as attributes of the same names.

    Its config holds these attributes; arguments that are passed on or kept under other names are
    up to `get_config` of the class.
    """

    def __init__(self, **kwargs: Any):
        check_keywords(type(self), kwargs)
        super().__init__(**kwargs)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        bases = [each for each in type(self).__mro__ if issubclass(each, ArgumentsLayer)]
        constructors = [vars(each)["__init__"] for each in bases if "__init__" in vars(each)]
        for name in chain.from_iterable(
            inspect.signature(each).parameters for each in constructors
        ):
            if name not in config and hasattr(self, name):
                value = getattr(self, name)
                config[name] = value.tolist() if isinstance(value, np.ndarray) else value
        return config
