"""How much a mean over queries would be another, had other queries been drawn."""

import numpy as np

_WEIGHTS_AT_ONCE = 1 << 23


def bootstrap_means(
    sums: np.ndarray, counts: np.ndarray, *, num_samples: int, seed: int
) -> np.ndarray:
    """Draws as many queries as there are, with replacement, and takes the means over them.

    Args:
        sums: Sum of each value over a query's rows, `(queries, values)`.
        counts: How many rows it has for each value, `(queries, values)`; 0 leaves it out.
        num_samples: How often to draw.
        seed: Chooses the draws.

    Returns:
        The means, `(num_samples, values)`; NaN where no row was drawn.
    """
    rng = np.random.default_rng(seed)
    queries = len(sums)
    at_once = max(1, _WEIGHTS_AT_ONCE // queries)
    means = []
    for start in range(0, num_samples, at_once):
        samples = min(at_once, num_samples - start)
        drawn = rng.integers(queries, size=(samples, queries))
        drawn += queries * np.arange(samples)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=samples * queries)
        weights = weights.reshape(samples, queries).astype(float)
        means.append(means_of(weights @ sums, weights @ counts))
    return np.concatenate(means)


def means_of(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Divides sums by counts, both of one shape; NaN where there is nothing to count."""
    return np.where(counts > 0, sums / np.where(counts > 0, counts, 1), np.nan)
