"""Tells code of the user's own from that of libraries."""

from typing import Any

import tensorflow as tf

_LIBRARIES = ("rankkit", "tf_keras", "tensorflow", "tensorflow_recommenders")


def is_own(part: Any) -> bool:
    """Whether a class, a function or an object of a class is none of the libraries that rank.

    Args:
        part: One of these.
    """
    module = getattr(part, "__module__", None) or type(part).__module__
    return module.partition(".")[0] not in _LIBRARIES


def has_own_layers(network: tf.Module) -> bool:
    """Whether a layer is the user's, which AutoGraph has to convert as it does in Keras.

    A library's needs no conversion, and that takes seconds.

    Args:
        network: A network, or a layer.
    """
    parts = (network, *network.submodules)
    return any(isinstance(part, tf.keras.layers.Layer) and is_own(type(part)) for part in parts)
