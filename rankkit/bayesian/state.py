"""State of a Gibbs chain: the residuals of the examples and their noise."""

import numpy as np

from rankkit.bayesian.design import Design

NOISE_DOF = 100.0  # degrees of freedom of the noise of an id: with more, ids differ less


class State:
    """What all updates of a chain share."""

    def __init__(
        self, design: Design, rng: np.random.Generator, held_out: np.ndarray | None = None
    ):
        self.rng = rng
        self.precision = 1.0  # of the noise of an example of weight 1
        # Relative noise precision, 0 for held-out examples, (examples,).
        self.weights = np.ones(len(design.labels), np.float32)
        if held_out is not None:
            self.weights[held_out] = 0
        self.bias = float(np.average(design.labels, weights=self.weights))
        # Label minus score, (examples,).
        self.residual: np.ndarray = design.labels - np.float32(self.bias)
        self._included = self.weights
        self._noise_indices = design.noise_indices
        self._factors = [np.ones(each.max() + 1, np.float32) for each in design.noise_indices]

    def root_precision(self, order: np.ndarray) -> np.ndarray:
        """Returns the root of the noise precision of some examples."""
        return np.sqrt(np.float32(self.precision) * self.weights)[order]

    def bias_equations(
        self, indices: np.ndarray, biases: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the information on each bias, and that times its least squares estimate."""
        weights = np.float32(self.precision) * self.weights
        information = np.bincount(indices, weights, len(biases))
        right = np.bincount(indices, weights * self.residual, len(biases))
        return information, right + information * biases

    def sample_bias(self) -> None:
        """Samples the global bias, whose prior is a standard normal distribution."""
        weights = self.precision * self.weights.astype(np.float64)
        precision = 1 + weights.sum()
        mean = (weights * (self.residual + self.bias)).sum() / precision
        new = mean + self.rng.standard_normal() / np.sqrt(precision)
        self.residual -= np.float32(new - self.bias)
        self.bias = float(new)

    def sample_noise(self) -> None:
        """Samples the noise precision, and a factor of it for each id of each column."""
        squares = self.residual.astype(np.float64) ** 2
        counts = self._included.sum(dtype=np.float64)
        self.precision = self.rng.gamma((1 + counts) / 2) / (
            (1 + (self.weights * squares).sum()) / 2
        )
        for number, indices in enumerate(self._noise_indices):
            others = self.weights / self._factors[number][indices]
            counts = np.bincount(indices, self._included)
            sums = np.bincount(indices, others * squares)
            rate = (NOISE_DOF + self.precision * sums) / 2
            factors = self.rng.gamma((NOISE_DOF + counts) / 2) / rate
            self._factors[number] = factors.astype(np.float32)
            self.weights = others * self._factors[number][indices]


def row_dots(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the dot product of each row of `x` with the same row of `y`."""
    return np.einsum("rk,rk->r", x, y)
