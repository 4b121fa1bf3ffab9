"""State of a Gibbs chain, and solvers for batches of ridge regressions."""

from typing import NamedTuple

import numpy as np

from rankkit.bayesian.design import Design


class Regression(NamedTuple):
    """Regression of the labels on the biases and vectors of one field.

    Attributes:
        x: What bias and vector are multiplied by: 1 and the sum of the other groups' vectors,
            `(examples, 1 + dim)`.
        y: Targets, with sampled noise added, `(examples,)`.
        precision: Precision of the noise, `(examples,)`.
    """

    x: np.ndarray
    y: np.ndarray
    precision: np.ndarray


class State:
    """What all updates of a chain share.

    Attributes:
        rng: Random generator of the chain.
        bias: Global bias.
        precision: Noise precision of an example of weight 1.
        weights: Relative noise precision, `(examples,)`.
        residual: Label minus score, `(examples,)`.
        vectors: Sum of the vectors of each group, `(groups, examples, dim)`.
        total: Sum over the groups, `(examples, dim)`.
    """

    def __init__(self, design: Design, dim: int, rng: np.random.Generator):
        self.rng = rng
        num_examples = len(design.labels)
        self.bias = float(design.labels.mean(dtype=np.float64))
        self.precision = 1.0
        self.weights = np.ones(num_examples, np.float32)
        self.residual: np.ndarray = design.labels - np.float32(self.bias)
        self.vectors = np.zeros((design.num_groups, num_examples, dim), np.float32)
        self.total = np.zeros((num_examples, dim), np.float32)

    def regression(self, group: int, order: np.ndarray, current: np.ndarray) -> Regression:
        """Returns the regression of a field, given its current vectors, both sorted by `order`."""
        x = np.empty((len(order), 1 + self.total.shape[1]), np.float32)
        x[:, 0] = 1
        np.subtract(self.total[order], self.vectors[group][order], out=x[:, 1:])
        precision = np.float32(self.precision) * self.weights[order]
        y = self.residual[order] + row_dots(x, current)
        y += self.rng.standard_normal(len(y), np.float32) / np.sqrt(precision)
        return Regression(x, y, precision)

    def add(self, group: int, order: np.ndarray, change: np.ndarray, x: np.ndarray) -> None:
        """Adds a change of biases and vectors, `(examples, 1 + dim)`, sorted by `order`."""
        self.residual[order] -= row_dots(x, change)
        self.vectors[group][order] += change[:, 1:]
        self.total[order] += change[:, 1:]

    def sample_bias(self) -> None:
        """Samples the global bias, which has a flat prior."""
        weight = self.weights.sum(dtype=np.float64)
        mean = self.weights @ self.residual.astype(np.float64) / weight
        step = mean + self.rng.standard_normal() / np.sqrt(self.precision * weight)
        self.bias += step
        self.residual -= np.float32(step)

    def sample_noise(self, noise_indices: np.ndarray | None, dof: float) -> None:
        """Samples the noise precision, and the weight of each noise group."""
        squares = self.residual.astype(np.float64) ** 2
        shape, rate = (1 + len(squares)) / 2, (1 + self.weights @ squares) / 2
        self.precision = self.rng.gamma(shape) / rate
        if noise_indices is not None:
            shape = (dof + np.bincount(noise_indices)) / 2
            rate = (dof + self.precision * np.bincount(noise_indices, squares)) / 2
            self.weights = (self.rng.gamma(shape) / rate).astype(np.float32)[noise_indices]


def row_dots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the dot product of each row of `x` with the same row of `y`."""
    return np.einsum("rk,rk->r", x, y)


def ridge_by_examples(
    x: np.ndarray,  # (regressions, examples, components)
    y: np.ndarray,  # (regressions, examples)
    noise: np.ndarray,  # precision of y, (regressions, examples)
    prior: np.ndarray,  # (regressions, components)
    precision: np.ndarray,  # of the prior, (components,)
) -> np.ndarray:
    """Solves ridge regressions by systems of one equation per example."""
    error = y - np.einsum("brk,bk->br", x, prior)
    scaled = x / precision
    if x.shape[1] == 1:
        scale = np.einsum("brk,brk->br", scaled, x) + 1 / noise
        return prior + scaled[:, 0] * (error / scale)
    system = scaled @ x.transpose(0, 2, 1)
    diagonal = np.arange(x.shape[1])
    system[:, diagonal, diagonal] += 1 / noise
    return prior + np.einsum("brk,br->bk", scaled, solve_each(system, error))


def ridge_by_components(
    x: np.ndarray, y: np.ndarray, noise: np.ndarray, prior: np.ndarray, precision: np.ndarray
) -> np.ndarray:
    """Solves the regressions of `ridge_by_examples` by systems of one equation per component."""
    weighted = (x * noise[..., None]).transpose(0, 2, 1)
    system = weighted @ x
    diagonal = np.arange(x.shape[2])
    system[:, diagonal, diagonal] += precision
    return solve_each(system, np.einsum("bkr,br->bk", weighted, y) + precision * prior)


def solve_each(systems: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solves a batch of linear systems, `(batch, n, n)` and `(batch, n)`."""
    return np.linalg.solve(systems, right[..., None])[..., 0]


def multiply_each(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Multiplies a batch of matrices by one vector each, `(batch, n, n)` and `(batch, n)`."""
    return (matrices @ vectors[..., None])[..., 0]
