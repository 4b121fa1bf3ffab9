"""Ridge regressions, many at a time."""

import numpy as np


def by_rows(
    x: np.ndarray, y: np.ndarray, noise: np.ndarray, prior: np.ndarray, precision: np.ndarray
) -> np.ndarray:
    """Solves ridge regressions by systems as large as they have rows.

    Args:
        x: Regressors, `(regressions, rows, numbers)`.
        y: Targets, `(regressions, rows)`.
        noise: Precisions of the targets, `(regressions, rows)`.
        prior: What the solutions are drawn to, `(regressions, numbers)`.
        precision: Of the prior, `(numbers,)`.

    Returns:
        `(regressions, numbers)`.
    """
    error = y - np.einsum("brk,bk->br", x, prior)
    scaled = x / precision
    if x.shape[1] == 1:
        scale = np.einsum("brk,brk->br", scaled, x) + 1 / noise
        return prior + scaled[:, 0] * (error / scale)
    system = scaled @ x.transpose(0, 2, 1)
    places = np.arange(x.shape[1])
    system[:, places, places] += 1 / noise
    return prior + np.einsum("brk,br->bk", scaled, solved(system, error))


def by_numbers(
    x: np.ndarray, y: np.ndarray, noise: np.ndarray, prior: np.ndarray, precision: np.ndarray
) -> np.ndarray:
    """Solves ridge regressions by systems as large as they have numbers; as `by_rows`."""
    weighted = (x * noise[..., None]).transpose(0, 2, 1)
    system = weighted @ x
    places = np.arange(x.shape[2])
    system[:, places, places] += precision
    return solved(system, np.einsum("bkr,br->bk", weighted, y) + precision * prior)


def solved(systems: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solves systems, each with its own right side.

    Args:
        systems: `(systems, numbers, numbers)`.
        right: `(systems, numbers)`.
    """
    return np.linalg.solve(systems, right[..., None])[..., 0]


def times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Multiplies matrices, each with its own vector.

    Args:
        matrices: `(matrices, numbers, numbers)`.
        vectors: `(matrices, numbers)`.
    """
    return (matrices @ vectors[..., None])[..., 0]
