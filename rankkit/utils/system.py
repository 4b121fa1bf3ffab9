"""Memory of the host, and what weights and optimizers need of it."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf

from rankkit.utils.tensorflow import has_servers

_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def available_memory() -> float:
    """The bytes of memory of the host, or of the container if it has a lower limit."""
    if not hasattr(os, "sysconf"):  # Windows
        return math.inf
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _CONTAINER_LIMIT.read_text().strip() if _CONTAINER_LIMIT.is_file() else "max"
    return min(memory, int(limit)) if limit.isdecimal() else memory


def count_bytes(weights: Iterable[Any]) -> int:
    """The bytes that weights take."""
    return sum(math.prod(each.shape) * tf.as_dtype(each.dtype).size for each in weights)


def slots_per_weight(optimizer: Any) -> int:
    """How many numbers an optimizer keeps for each number of a weight."""
    optimizer = type(optimizer).from_config(optimizer.get_config())
    weight = tf.Variable(tf.zeros((2, 3)))
    if hasattr(optimizer, "build"):
        optimizer.build([weight])
        kept = optimizer.variables
    else:  # legacy optimizers create their variables in the first step
        optimizer.apply_gradients([(tf.zeros((2, 3)), weight)])
        kept = optimizer.variables()
    return sum(each.shape == weight.shape for each in kept)


def check_table_memory(layer: str, num_rows: int, dim: int) -> None:
    """Raises a ValueError if the memory is too small for an embedding table."""
    _check(4 * num_rows * dim, f"The {num_rows:,} x {dim} embedding table of layer {layer!r} needs")


def check_training_memory(weights: Iterable[Any], optimizer: Any) -> None:
    """Raises a ValueError if the memory is too small for weights and optimizer variables."""
    needed = count_bytes(weights) * (1 + slots_per_weight(optimizer))
    _check(needed, f"The weights and the variables of {type(optimizer).__name__} need")


def _check(needed: int, subject: str) -> None:
    if has_servers(tf.distribute.get_strategy()):  # they hold the weights, not this host
        return
    available = available_memory()
    if needed > available:
        raise ValueError(
            f"{subject} {needed / 2**30:.1f} GiB of memory, and the host has "
            f"{available / 2**30:.1f} GiB. Leave rare ids out of the vocabulary (min_count of "
            "rankkit.data.vocabularies), hash the ids, or reduce embedding_dim."
        )
