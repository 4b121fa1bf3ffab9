"""The config of layers that keep the arguments of their constructor as attributes."""

import inspect
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf


class ArgumentsLayer(tf.keras.layers.Layer):
    """A layer whose constructors keep their arguments as attributes of the same names.

    Its config holds these attributes; arguments that are passed on or kept under other names are
    up to `get_config` of the class.
    """

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
