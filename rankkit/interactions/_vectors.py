"""Inputs of interactions."""

from typing import Any


def as_vectors(inputs: Any) -> list[Any]:
    """The vectors as a list; a loaded Keras network passes a single one as a tensor."""
    return list(inputs) if isinstance(inputs, list | tuple) else [inputs]


def unequal_dims(dims: list[int], interaction: str) -> TypeError:
    """A `TypeError` for vectors of different dimensions."""
    return TypeError(
        f"All vectors must have the same dimension. Got: {dims}. A {interaction} multiplies them: "
        "give all feature layers the same embedding_dim."
    )
