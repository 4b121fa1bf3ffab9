"""Batches of ridge regressions: examples sorted by regression, and their solvers."""

from typing import NamedTuple

import numpy as np


class Batch(NamedTuple):
    """Regressions with about equally many examples."""

    values: np.ndarray  # values of the field, one per regression, (regressions,)
    rows: slice  # of `Examples`: regressions * num_examples examples in a row
    num_examples: int  # of each regression, padding included


_BATCH_ROWS = 2**15  # at most, unless a single value has more: fits into the cache
_MAX_PADDING = 0.2


class Examples:
    """Examples of a field, sorted so that the values of a batch lie side by side.

    A value with fewer examples than others of its batch has its last example several times, all but
    once with weight 0. There are batches of the values with at least one example.
    """

    def __init__(self, indices: np.ndarray, size: int):
        counts = np.bincount(indices, minlength=size)
        by_value = np.argsort(indices, kind="stable")
        first = np.cumsum(counts) - counts
        by_count = np.argsort(counts, kind="stable")
        by_count = by_count[counts[by_count] > 0]
        sorted_counts = counts[by_count]
        self.batches: list[Batch] = []
        orders, weights, start, row = [], [], 0, 0
        while start < len(by_count):
            largest = int(sorted_counts[start] * (1 + _MAX_PADDING))
            stop = int(np.searchsorted(sorted_counts, largest, side="right"))
            stop = min(stop, start + max(1, _BATCH_ROWS // largest))
            values, count = by_count[start:stop], sorted_counts[stop - 1]
            positions, last = np.arange(count), counts[values, None] - 1
            orders.append(by_value[first[values, None] + np.minimum(positions, last)].ravel())
            weights.append((positions <= last).astype(np.float32).ravel())
            self.batches.append(Batch(values, slice(row, row + len(orders[-1])), int(count)))
            start, row = stop, row + len(orders[-1])
        self.order = np.concatenate([np.empty(0, np.intp), *orders])  # of the examples, (rows,)
        self.weights = np.concatenate([np.empty(0, np.float32), *weights])
        self.values = indices[self.order]


def solve_ridge(
    x: np.ndarray,  # (regressions, examples, components), noise of precision 1
    y: np.ndarray,  # (regressions, examples)
    prior: np.ndarray,  # (regressions, components)
    precision: np.ndarray,  # of the prior, (components,)
) -> np.ndarray:
    """Solves ridge regressions by the smaller of two systems: of examples or of components."""
    transposed = x.transpose(0, 2, 1)
    if x.shape[1] < x.shape[2]:
        scaled = transposed / precision[:, None]
        systems = x @ scaled
        add_to_diagonals(systems, 1)
        solution = solve_each(systems, y - multiply_each(x, prior))
        return prior + multiply_each(scaled, solution)
    systems = transposed @ x
    add_to_diagonals(systems, precision)
    return solve_each(systems, multiply_each(transposed, y) + precision * prior)


def add_to_diagonals(matrices: np.ndarray, values: np.ndarray | float) -> None:
    """Adds values to the diagonals of a batch of matrices, in place."""
    diagonal = np.arange(matrices.shape[1])
    matrices[:, diagonal, diagonal] += values


_GRAM_ROWS = 512


def gram_matrix(x: np.ndarray) -> np.ndarray:
    """Returns `x' x`, by products so small that BLAS does not split them between threads.

    Chains run in threads of their own; threads of BLAS beside these only wait for each other.
    """
    whole = len(x) // _GRAM_ROWS * _GRAM_ROWS
    parts = x[:whole].reshape(-1, _GRAM_ROWS, x.shape[1])
    rest = x[whole:]
    return (parts.transpose(0, 2, 1) @ parts).sum(axis=0) + rest.T @ rest


_SYSTEMS_AT_ONCE = 4096


def solve_each(systems: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solves a batch of positive definite systems, `(batch, n, n)` and `(batch, n)`.

    Gaussian elimination of all systems at once; LAPACK takes several times as long for small ones.
    """
    found = np.empty_like(right)
    for start in range(0, len(right), _SYSTEMS_AT_ONCE):
        part = slice(start, start + _SYSTEMS_AT_ONCE)
        matrix = np.ascontiguousarray(systems[part].transpose(1, 2, 0))
        z = np.ascontiguousarray(right[part].T)
        for k in range(len(z) - 1):
            factors = matrix[k + 1 :, k] / matrix[k, k]
            matrix[k + 1 :, k + 1 :] -= factors[:, None] * matrix[k, k + 1 :]
            z[k + 1 :] -= factors * z[k]
        for k in reversed(range(len(z))):
            z[k] -= np.einsum("kb,kb->b", matrix[k, k + 1 :], z[k + 1 :])
            z[k] /= matrix[k, k]
        found[part] = z.T
    return found


def multiply_each(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Multiplies a batch of matrices by one vector each, `(batch, m, n)` and `(batch, n)`."""
    return (matrices @ vectors[..., None])[..., 0]
