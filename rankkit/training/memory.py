"""Estimate of the memory that training needs."""

import dataclasses
import math
from typing import Any

import tensorflow as tf

from rankkit.core.chunking import numbers_a_row
from rankkit.models.network import feature_specs
from rankkit.utils.errors import check_integer
from rankkit.utils.system import bytes_of, machine_bytes, slots_of


@dataclasses.dataclass(frozen=True)
class MemoryReport:
    """Bytes that training takes, beside the data and TensorFlow itself.

    Its text is a table of them.

    Attributes:
        weights: Layer to the bytes of its weights, the largest first.
        optimizer: What the optimizer keeps of the weights.
        gradients: The gradients of a step, those of tables as large as the tables.
        activations: What a batch is in the network, forward and backward.
        machine: What the machine has.
    """

    weights: dict[str, int]
    optimizer: int
    gradients: int
    activations: int
    machine: float

    @property
    def total(self) -> int:
        """All in all, at most."""
        parts = (self.optimizer, self.gradients, self.activations)
        return sum(self.weights.values()) + sum(parts)

    def __str__(self) -> str:
        lines = [(f"weights of {layer}", size) for layer, size in self.weights.items()]
        lines += [("kept by the optimizer", self.optimizer), ("gradients", self.gradients)]
        lines += [("a batch in the network", self.activations), ("in all", self.total)]
        lines += [("the machine has", self.machine)]
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {size / 2**20:>12,.1f} MiB" for name, size in lines)


def memory_report(network: Any, *, optimizer: Any = None, batch_size: int = 8192) -> MemoryReport:
    """Says what training a network will take of the memory, before it takes it.

    `RankingModel.fit` refuses to begin where the weights and what the optimizer keeps of them are
    more than the machine has, and so does a layer whose table alone is.

    Args:
        network: A network, or a `RankingModel`.
        optimizer: A Keras optimizer or its name. Defaults to `None`: that of a compiled model,
            `"rmsprop"` otherwise.
        batch_size: Rows a step. Defaults to `8192`.

    Returns:
        Bytes: `weights` by layer, `optimizer`, `gradients`, `activations`, their `total`, and what
        the `machine` has. Its text is a table of them.

    Raises:
        TypeError: If the network has no dict as its input.
        ValueError: If the batch size is below 1, or the optimizer unknown.

    Example:
        >>> import rankkit as rk
        >>> layer = rk.layers.IdEmbedding(["7", "42"], 8, name="users")
        >>> network = rk.ranking_network({"user_id": layer}, head=rk.layers.DenseRatingHead([4]))
        >>> report = rk.memory_report(network, optimizer="adam")
        >>> report.weights["users"], report.optimizer  # 3 rows of 8; twice all 65 weights
        (96, 520)
    """
    check_integer("batch_size", batch_size)
    if optimizer is None:
        optimizer = getattr(network, "optimizer", None) or "rmsprop"
    network = getattr(network, "network", network)
    feature_specs(network)
    slots = slots_of(tf.keras.optimizers.get(optimizer))
    sizes = {layer.name: bytes_of(layer.weights) for layer in network.layers}
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    trained = bytes_of(network.trainable_weights)
    return MemoryReport(
        {name: size for name, size in largest if size},
        optimizer=slots * trained,
        gradients=trained,
        activations=math.ceil(2 * 4 * batch_size * numbers_a_row(network)),
        machine=machine_bytes(),
    )
