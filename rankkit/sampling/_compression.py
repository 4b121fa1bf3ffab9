"""Products of wide vectors as nearly the same products of narrow ones."""

import numpy as np

_EXTRA, _TURNS = 32, 3


def product_maps(
    first: np.ndarray, second: np.ndarray, dim: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Finds how to narrow two kinds of vectors so that their dot products change least.

    Args:
        first: Vectors of the first kind, each times the root of its weight, `(vectors, width)`.
        second: Of the second kind, `(vectors, width)`.
        dim: Width wanted.
        rng: Draws what the search begins with.

    Returns:
        What the vectors of the first and of the second kind are to be multiplied with,
        `(width, dim)` each, or narrower where that loses nothing.

    References:
        Halko, Martinsson and Tropp, Finding structure with randomness, SIAM Review 2011: the
        largest singular vectors of a matrix, here of all products, that is only multiplied with.
    """
    dim = min(dim, *first.shape, *second.shape)
    size = min(dim + _EXTRA, len(first), len(second))
    on_second = rng.standard_normal((len(second), size), np.float32)
    on_first = np.empty(0, np.float32)
    for _ in range(_TURNS):
        on_first = np.linalg.qr(first @ (second.T @ on_second))[0]
        on_second = np.linalg.qr(second @ (first.T @ on_first))[0]
    left, values, right = np.linalg.svd(
        on_first.T @ first @ (second.T @ on_second), full_matrices=False
    )
    scale = 1 / np.sqrt(np.maximum(values[:dim], 1e-12))
    of_first = second.T @ (on_second @ right[:dim].T) * scale
    of_second = first.T @ (on_first @ left[:, :dim]) * scale
    return of_first, of_second
