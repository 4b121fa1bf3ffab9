"""What a chain holds of each row: residual, weight, and the vectors of its groups."""

from typing import NamedTuple

import numpy as np

from rankkit.sampling._design import Design


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
        self.residual = design.labels - np.float32(self.constant)
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
