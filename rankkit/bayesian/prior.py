"""Biases and vectors with their hierarchical prior."""

import numpy as np

# Prior of a precision: Gamma(SHAPE / 2, RATE / 2). The prior of a mean weighs MEAN_WEIGHT vectors.
SHAPE, RATE, MEAN_WEIGHT = 5.0, 0.1, 1.0
_INITIAL_STD = 0.1


class VectorTable:
    """Biases and vectors of the values of a field, `(size, width)`, with their hierarchical prior.

    The width is 1 + dim, or 1 for biases alone. Without `has_mean` the mean of the prior is zero.
    """

    def __init__(self, size: int, width: int, has_mean: bool, rng: np.random.Generator):
        self.rng = rng
        self.values: np.ndarray = _INITIAL_STD * rng.standard_normal((size, width), np.float32)
        self.values[:, 0] = 0
        self.has_mean = has_mean
        self.mean = np.zeros(width, np.float32)  # of the prior, as is the precision
        self.precision = np.full(width, 10, np.float32)

    def sample_from_prior(self) -> np.ndarray:
        """Samples vectors from the prior, `(size, width)`."""
        normal = self.rng.standard_normal(self.values.shape, np.float32)
        return self.mean + normal / np.sqrt(self.precision)

    def sample_prior(self) -> None:
        """Samples the precision and the mean of the prior, given the vectors."""
        values, mean = self.values.astype(np.float64), self.mean.astype(np.float64)
        free = int(self.has_mean)
        squares = ((values - mean) ** 2).sum(axis=0) + free * MEAN_WEIGHT * mean**2
        shape = (SHAPE + len(values) + free) / 2
        precision = self.rng.gamma(shape, size=len(mean)) / ((RATE + squares) / 2)
        if free:
            weight = len(values) + MEAN_WEIGHT
            noise = self.rng.standard_normal(len(mean)) / np.sqrt(weight * precision)
            self.mean = (values.sum(axis=0) / weight + noise).astype(np.float32)
        self.precision = precision.astype(np.float32)

    def sample_scale(self, gram: np.ndarray, slopes: np.ndarray) -> None:
        """Samples a factor for each dimension of the vectors and of the prior precision.

        The precision hardly moves while the vectors are fixed, nor they while it is fixed: the
        vectors of many values with few examples each would keep their initial size. This
        Metropolis-Hastings step moves both together. It proposes a factor from the likelihood of
        the examples, and accepts it with a probability that depends on the prior.

        Args:
            gram: Products of the dimensions' shares in the scores, means excluded and weighted by
                the noise precision, summed over the examples, `(width, width)`.
            slopes: Products of these shares with the residuals, `(width,)`.
        """
        free = int(self.has_mean)  # the prior of the mean has the same precision
        factors, slopes = np.ones_like(self.mean), slopes.astype(np.float64)
        for k in np.flatnonzero(np.diagonal(gram) > 0):
            mean = 1 + slopes[k] / gram[k, k]
            factor = mean + self.rng.standard_normal() / np.sqrt(gram[k, k])
            if factor <= 0:
                continue
            squares = RATE + free * MEAN_WEIGHT * float(self.mean[k]) ** 2
            rate = squares * float(self.precision[k]) / 2
            log_ratio = -(SHAPE + 1 + free) * np.log(factor) - rate * (factor**-2 - 1)
            if np.log(self.rng.random()) < log_ratio:
                slopes -= (factor - 1) * gram[:, k]
                factors[k] = factor
        self.values = self.mean + factors * (self.values - self.mean)
        self.precision = self.precision / factors**2
