"""Vectors of features, as interactions take them."""

from collections.abc import Sequence
from typing import Any

from rankkit._errors import wrong_type


def equal_width(vectors: Any, interaction: str) -> list[Any]:
    """Gives the vectors as a list, and refuses those of different widths.

    Args:
        vectors: Tensors, or shapes, of `(batch, dim)`.
        interaction: What they are to meet in, for the message.

    Raises:
        TypeError: If it is no list, or the widths differ.
    """
    if not isinstance(vectors, Sequence):
        raise wrong_type("vectors", vectors, "a list of vectors, one a feature")
    widths = [getattr(each, "shape", each)[-1] for each in vectors]
    if len(set(widths)) != 1:
        fix = f"A {interaction} multiplies them: give all layers one embedding_dim."
        raise wrong_type("widths of the vectors", widths, "equal", fix)
    return list(vectors)
