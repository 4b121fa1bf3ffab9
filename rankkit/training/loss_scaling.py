"""Scaling of the loss by Keras's optimizer, which keeps gradients in float16 from vanishing."""

import warnings
from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rankkit.utils.tensorflow import layers_of


def policy_of(networks: Iterable[tf.keras.Model]) -> str:
    """The dtype policy of a model, by which Keras decides whether to scale its loss."""
    # Keras's global policy may differ from that of the layers, as it does where a file is loaded.
    layers = [layer for network in networks for layer in layers_of(network)]
    policies = {each.dtype_policy.name for each in layers if not isinstance(each, tf.keras.Model)}
    is_scaled = "mixed_float16" in policies
    return "mixed_float16" if is_scaled else "float32"


def add_name(optimizer: Any) -> None:
    """Names an optimizer that scales the loss: Keras reads the name where it loads a file."""
    if hasattr(optimizer, "inner_optimizer") and not hasattr(optimizer, "name"):
        optimizer.name = optimizer.inner_optimizer.name


def warn_about_overflow(optimizer: Any) -> None:
    """Warns if gradients were infinite with the smallest scale of the loss."""
    if getattr(optimizer, "dynamic", False) and float(optimizer.loss_scale) <= 1.0:
        warnings.warn(
            "Gradients were beyond 65,504, the largest number of float16, in steps that left the "
            "weights unchanged. Rescale labels or sample weights, or use mixed_bfloat16.",
            stacklevel=4,
        )
