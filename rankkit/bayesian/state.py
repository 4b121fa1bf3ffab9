"""State of the chain, and the hierarchical priors."""

from typing import NamedTuple

import numpy as np

from rankkit.bayesian.design import Design


class Regression(NamedTuple):
    """What the rows, in the order of a field's values, say of that field.

    Attributes:
        x: What its bias and vector are multiplied with: 1 and the sum of the other groups'
            vectors, `(rows, 1 + dim)`.
        y: What they are to come to, with noise of the labels' own size added, `(rows,)`.
        precision: Of that noise, `(rows,)`.
    """

    x: np.ndarray
    y: np.ndarray
    precision: np.ndarray


class State:
    """The rows in the middle of a chain.

    Attributes:
        rng: Draws everything.
        constant: Part of every score.
        precision: Of the noise of a row of weight 1.
        weights: Of the rows, `(rows,)`.
        residual: Label less score, `(rows,)`.
        vectors: Sum of the vectors of each group's fields, `(groups, rows, dim)`.
        together: Sum over the groups, `(rows, dim)`.
    """

    def __init__(self, design: Design, dim: int, rng: np.random.Generator):
        self.rng = rng
        rows = len(design.labels)
        self.constant = float(design.labels.mean(dtype=np.float64))
        self.precision = 1.0
        self.weights = np.ones(rows, np.float32)
        self.residual: np.ndarray = design.labels - np.float32(self.constant)
        self.vectors = np.zeros((design.num_groups, rows, dim), np.float32)
        self.together = np.zeros((rows, dim), np.float32)

    def normal(self, *shape: int) -> np.ndarray:
        """Draws standard normal numbers, as `float32`."""
        return self.rng.standard_normal(shape, np.float32)

    def regression(self, group: int, order: np.ndarray, now: np.ndarray) -> Regression:
        """Gives the regression of a field on what it meets.

        Args:
            group: The field's group.
            order: Places of the rows.
            now: What it gives each of these rows now, `(rows, 1 + dim)`.
        """
        x = np.empty((len(order), 1 + self.together.shape[1]), np.float32)
        x[:, 0] = 1
        np.subtract(self.together[order], self.vectors[group][order], out=x[:, 1:])
        precision = np.float32(self.precision) * self.weights[order]
        y = self.residual[order] + along(x, now)
        y += self.normal(len(y)) / np.sqrt(precision)
        return Regression(x, y, precision)

    def change(self, group: int, order: np.ndarray, change: np.ndarray, x: np.ndarray) -> None:
        """Adds to the vectors of a group.

        Args:
            group: The group.
            order: Places of the rows.
            change: What their biases and vectors change by, `(rows, 1 + dim)`.
            x: What these are multiplied with.
        """
        self.residual[order] -= along(x, change)
        self.vectors[group][order] += change[:, 1:]
        self.together[order] += change[:, 1:]

    def draw_constant(self) -> None:
        """Draws the constant, under a flat prior."""
        weight = self.weights.sum(dtype=np.float64)
        mean = self.weights @ self.residual.astype(np.float64) / weight
        step = mean + self.rng.standard_normal() / np.sqrt(self.precision * weight)
        self.constant += step
        self.residual -= np.float32(step)

    def draw_noise(self, sources: np.ndarray | None, freedom: float) -> None:
        """Draws the precision of the noise, and the weight of each of its sources.

        Args:
            sources: Source of each row, such as its user; `None` if all are alike.
            freedom: Degrees of freedom of the weights: the higher, the nearer they are to 1.
        """
        squares = self.residual.astype(np.float64) ** 2
        shape, rate = (1 + len(squares)) / 2, (1 + self.weights @ squares) / 2
        self.precision = self.rng.gamma(shape) / rate
        if sources is not None:
            shape = (freedom + np.bincount(sources)) / 2
            rate = (freedom + self.precision * np.bincount(sources, squares)) / 2
            self.weights = (self.rng.gamma(shape) / rate).astype(np.float32)[sources]


def along(x: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Gives the dot product of each two rows."""
    return np.einsum("rk,rk->r", x, vectors)


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
