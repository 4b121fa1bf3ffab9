"""Estimates of the memory that training needs."""

import dataclasses
import math
from typing import Any

import tensorflow as tf

from rankkit.core.chunking import numbers_a_row
from rankkit.models.network import feature_specs
from rankkit.utils.errors import check_integer, unknown, wrong_type
from rankkit.utils.system import available_memory, count_bytes, slots_per_weight


@dataclasses.dataclass(frozen=True)
class MemoryReport:
    """Bytes that training needs, beside the data and TensorFlow itself; prints as a table.

    Attributes:
        weights: Layer to the bytes of its weights, the largest first.
        optimizer: Variables of the optimizer.
        gradients: Gradients of a step, at most: those of embedding tables count as a whole.
        activations: Activations of a batch, forward and backward.
        available: Memory of the host.
    """

    weights: dict[str, int]
    optimizer: int
    gradients: int
    activations: int
    available: float

    @property
    def total(self) -> int:
        """Sums of weights, optimizer, gradients and activations, in bytes."""
        parts = (self.optimizer, self.gradients, self.activations)
        return sum(self.weights.values()) + sum(parts)

    def __str__(self) -> str:
        lines = [(f"weights of {layer}", size) for layer, size in self.weights.items()]
        lines += [("optimizer variables", self.optimizer), ("gradients", self.gradients)]
        lines += [("activations of a batch", self.activations), ("total", self.total)]
        lines += [("available", self.available)]
        width = max(len(name) for name, _ in lines)
        return "\n".join(f"{name:<{width}}  {size / 2**20:>12,.1f} MiB" for name, size in lines)


def memory_report(network: Any, *, optimizer: Any = None, batch_size: int = 8192) -> MemoryReport:
    """Estimates the memory that training a network needs.

    `RankingModel.fit` raises before training if the weights and the variables of the optimizer need
    more than the host has, and so does a layer whose embedding table does.

    Args:
        network: A network, or a `RankingModel`.
        optimizer: A Keras optimizer or its name. Defaults to `None`: the optimizer of a compiled
            model, otherwise `"rmsprop"`.
        batch_size: Rows in a batch. Defaults to `8192`.

    Returns:
        A report in bytes that prints as a table: `weights` by layer, `optimizer`, `gradients`,
        `activations`, their `total` and the `available` memory.

    Raises:
        TypeError: If the input of the network is not a dict.
        ValueError: If the batch size is below 1, or the optimizer is unknown.

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
    slots = slots_per_weight(_get_optimizer(optimizer))
    sizes = {layer.name: count_bytes(layer.weights) for layer in network.layers}
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    trained = count_bytes(network.trainable_weights)
    return MemoryReport(
        {name: size for name, size in largest if size},
        optimizer=slots * trained,
        gradients=trained,
        activations=math.ceil(2 * 4 * batch_size * numbers_a_row(network)),
        available=available_memory(),
    )


def _get_optimizer(optimizer: Any) -> Any:
    try:
        return tf.keras.optimizers.get(optimizer)
    except (ValueError, KeyError):
        if not isinstance(optimizer, str):
            raise wrong_type("optimizer", optimizer, "a Keras optimizer or its name") from None
        base = tf.keras.optimizers.Optimizer
        classes = [each for each in vars(tf.keras.optimizers).values() if isinstance(each, type)]
        known = {each.__name__.lower() for each in classes if issubclass(each, base)}
        raise unknown("optimizer", optimizer, sorted(known - {"optimizer"})) from None
