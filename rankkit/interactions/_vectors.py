"""Checks of the feature vectors that an interaction gets."""

from typing import Any

from rankkit.utils.errors import wrong_type


def listed(vectors: Any) -> list[Any]:
    """Gives vectors, or their shapes, as a list: of a single one, a loaded network has no list."""
    return list(vectors) if isinstance(vectors, list | tuple) else [vectors]


def equal_width(vectors: Any, interaction: str) -> list[Any]:
    """Gives the vectors as a list, and refuses those of different widths.

    Args:
        vectors: Tensors of `(batch, dim)`.
        interaction: What they are to meet in, for the message.

    Raises:
        TypeError: If the widths differ.
    """
    widths = [each.shape[-1] for each in listed(vectors)]
    if len(set(widths)) != 1:
        fix = f"A {interaction} multiplies them: give all layers one embedding_dim."
        raise wrong_type("widths of the vectors", widths, "equal", fix)
    return listed(vectors)
