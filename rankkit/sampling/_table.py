"""The vectors of one field's values, and the prior that they are drawn under."""

import numpy as np

# Prior of the precisions: Gamma(SHAPE / 2, RATE / 2); and of a mean: this many vectors' worth.
SHAPE, RATE, MEAN_WEIGHT = 5.0, 0.1, 1.0
_BEGIN = 0.1  # standard deviation of the vectors that a chain begins with


class Table:
    """Biases and vectors of the values of a field.

    Args:
        size: How many values there are.
        width: `1 + dim`, or 1 for biases alone.
        has_mean: Whether the prior has a mean of its own; zero otherwise.
        rng: Draws everything.

    Attributes:
        values: `(size, width)`.
        mean: Of the prior, `(width,)`.
        precision: Of the prior, `(width,)`.
    """

    def __init__(self, size: int, width: int, has_mean: bool, rng: np.random.Generator):
        self.rng = rng
        self.values = _BEGIN * rng.standard_normal((size, width), np.float32)
        self.values[:, 0] = 0
        self.has_mean = has_mean
        self.mean = np.zeros(width, np.float32)
        self.precision = np.full(width, 10, np.float32)

    def prior_draw(self) -> np.ndarray:
        """Draws vectors from the prior, `(size, width)`."""
        normal = self.rng.standard_normal(self.values.shape, np.float32)
        return self.mean + normal / np.sqrt(self.precision)

    def draw_prior(self) -> None:
        """Draws the prior's precisions, and its mean, given the vectors."""
        values, mean = self.values.astype(np.float64), self.mean.astype(np.float64)
        free = int(self.has_mean)
        squares = ((values - mean) ** 2).sum(axis=0) + free * MEAN_WEIGHT * mean**2
        shape = (SHAPE + len(values) + free) / 2
        precision = self.rng.gamma(shape, size=len(mean)) / ((RATE + squares) / 2)
        if free:
            weight = len(values) + MEAN_WEIGHT
            spread = self.rng.standard_normal(len(mean)) / np.sqrt(weight * precision)
            self.mean = (values.sum(axis=0) / weight + spread).astype(np.float32)
        self.precision = precision.astype(np.float32)

    def draw_scale(self, residual: np.ndarray, met: np.ndarray, precision: np.ndarray) -> None:
        """Draws how large the vectors are, their proportions kept.

        The prior's precision hardly moves as long as the vectors stay, nor they as long as it
        stays: a field of many values with few rows each would keep the size that it began with.
        This moves both together, by what the rows say.

        The new factor of each dimension is drawn from the rows' likelihood, and taken or not by
        the prior of what it makes of the precision, a Metropolis-Hastings step.

        Args:
            residual: Of each row, changed in place.
            met: What each dimension of the deviations from the mean gives to the score of each
                row, `(rows, width)`.
            precision: Of the noise of each row, `(rows,)`.
        """
        weighted = met * precision[:, None]
        spreads = np.einsum("rk,rk->k", met, weighted)
        free = int(self.has_mean)  # the mean's own prior has that precision too
        factors = np.ones_like(self.mean)
        for place in np.flatnonzero(spreads > 0):
            mean = 1 + float(weighted[:, place] @ residual) / float(spreads[place])
            factor = mean + self.rng.standard_normal() / np.sqrt(float(spreads[place]))
            if factor <= 0:
                continue
            squares = RATE + free * MEAN_WEIGHT * float(self.mean[place]) ** 2
            rate = squares * float(self.precision[place]) / 2
            log_ratio = -(SHAPE + 1 + free) * np.log(factor) - rate * (factor**-2 - 1)
            if np.log(self.rng.random()) < log_ratio:
                residual -= np.float32(factor - 1) * met[:, place]
                factors[place] = factor
        self.values = self.mean + factors * (self.values - self.mean)
        self.precision = self.precision / factors**2
