"""Gibbs updates of the biases and vectors of fields, and of their priors."""

import numpy as np
import scipy.sparse

from rankkit.bayesian.design import Entity, Field
from rankkit.bayesian.state import (
    State,
    multiply_each,
    ridge_by_components,
    ridge_by_examples,
    row_dots,
    solve_each,
)


class FieldUpdate:
    """Samples all vectors of a field at once: given the rest, each is a separate regression.

    Values with the same number of examples are solved together, by the smaller of two equivalent
    systems: one equation per example, or one per component of a vector.
    """

    def __init__(self, field: Field, group: int, dim: int, rng: np.random.Generator):
        self.group = group
        self.order = np.argsort(field.indices, kind="stable")
        self.indices = field.indices[self.order]
        self.table = VectorTable(field.size, 1 + dim, False, rng)
        counts = np.bincount(field.indices, minlength=field.size)
        first = np.cumsum(counts) - counts
        self.batches = []  # values that have equally many examples, and where these are
        for count in np.unique(counts[counts > 0]):
            values = np.flatnonzero(counts == count)
            self.batches.append((values, first[values, None] + np.arange(count)))

    def start(self, state: State) -> None:
        """Adds the initial vectors to the scores."""
        current = self.table.values[self.indices]
        x = state.regression(self.group, self.order, current).x
        state.add(self.group, self.order, current, x)

    def update(self, state: State) -> None:
        """Samples the vectors, then their prior."""
        table = self.table
        old = table.values[self.indices]
        x, y, precision = state.regression(self.group, self.order, old)
        new = prior = table.sample_from_prior()
        for values, examples in self.batches:
            solve = ridge_by_examples if examples.shape[1] < x.shape[1] else ridge_by_components
            batch = x[examples], y[examples], precision[examples]
            new[values] = solve(*batch, prior[values], table.precision)
        table.values = new
        table.sample_prior()
        current = new[self.indices]
        residual = state.residual[self.order] - row_dots(x, current - old)
        table.sample_scale(residual, x * current, precision)
        state.add(self.group, self.order, table.values[self.indices] - old, x)


class BiasUpdate:
    """Samples the biases of a field without vectors."""

    def __init__(self, field: Field, rng: np.random.Generator):
        self.indices = field.indices
        self.table = VectorTable(field.size, 1, False, rng)

    def update(self, state: State) -> None:
        """Samples the biases, then their prior."""
        table, size = self.table, len(self.table.values)
        old = table.values[:, 0]
        weights = np.float32(state.precision) * state.weights
        precision = table.precision[0] + np.bincount(self.indices, weights, size)
        right = np.bincount(self.indices, weights * (state.residual + old[self.indices]), size)
        noise = table.rng.standard_normal(size) / np.sqrt(precision)
        new = (right / precision + noise).astype(np.float32)
        state.residual -= (new - old)[self.indices]
        table.values = new[:, None]
        table.sample_prior()
        table.sample_scale(state.residual, table.values[self.indices], weights)


_MAX_STEPS = 20  # of conjugate gradients


class EntityUpdate:
    """Samples the vectors of all fields of an entity together.

    Sampled in turn they would mix slowly, because a user's own vector and the vectors of the items
    that the user has rated explain the same ratings. Together they are one large regression, which
    conjugate gradients solve by matrix products alone.

    Args:
        entity: The entity.
        dim: Dimension of the vectors.
        rng: Random generator of the chain.
        tolerance: Squared residual at which the conjugate gradients stop, as a share of the first.
    """

    def __init__(
        self, entity: Entity, dim: int, rng: np.random.Generator, *, tolerance: float = 1e-5
    ):
        self.group = entity.group
        self.size = entity.size
        self.tolerance = tolerance
        self.order = np.argsort(entity.indices, kind="stable")
        self.indices = entity.indices[self.order]
        counts = np.bincount(entity.indices, minlength=entity.size)
        ends = np.cumsum(counts)
        self.examples = [  # of each entity that has any
            (index, slice(ends[index] - counts[index], ends[index]))
            for index in np.flatnonzero(counts)
        ]
        self.num_own = entity.size if entity.has_vectors else 0
        self.own = [VectorTable(entity.size, 1 + dim, True, rng)] if entity.has_vectors else []
        self.matrices = [each.astype(np.float32) for each in entity.attributes]
        sizes = [len(each.tocsc().indptr) - 1 for each in self.matrices]
        self.tables = [*self.own, *(VectorTable(size, 1 + dim, False, rng) for size in sizes)]
        empty = scipy.sparse.csr_array((entity.size, 0), dtype=np.float32)
        matrix = scipy.sparse.csr_array(scipy.sparse.hstack([empty, *self.matrices]))
        self.attributes = matrix  # (entities, values of all attributes)
        self.transposed = scipy.sparse.csr_array(matrix.T)
        self.squares = scipy.sparse.csr_array(matrix.multiply(matrix).T)

    def vectors(self) -> np.ndarray:
        """Returns the sum of the vectors of each entity, `(entities, 1 + dim)`."""
        return self._sum_per_entity(np.concatenate([table.values for table in self.tables]))

    def _sum_per_entity(self, values: np.ndarray) -> np.ndarray:
        total = self.attributes @ values[self.num_own :]
        return total + values[: self.num_own] if self.own else total

    def start(self, state: State) -> None:
        """Adds the initial vectors to the scores."""
        current = self.vectors()[self.indices]
        x = state.regression(self.group, self.order, current).x
        state.add(self.group, self.order, current, x)

    def update(self, state: State) -> None:
        """Samples the vectors, then their priors."""
        values = np.concatenate([table.values for table in self.tables])
        old = self._sum_per_entity(values)[self.indices]
        x, y, precision = state.regression(self.group, self.order, old)
        products, right = self._normal_equations(x, y, precision)
        ridge = np.concatenate(  # prior precision of each component, (values, 1 + dim)
            [np.broadcast_to(each.precision, each.values.shape) for each in self.tables]
        )
        prior = ridge * np.concatenate([table.sample_from_prior() for table in self.tables])
        per_value = np.concatenate([*([right] if self.own else []), self.transposed @ right])
        new = self._solve(products, ridge, prior + per_value, values)
        ends = np.cumsum([len(table.values) for table in self.tables])
        for table, part in zip(self.tables, np.split(new, ends[:-1]), strict=True):
            table.values = part
            table.sample_prior()
        change = self._sum_per_entity(new)[self.indices] - old
        residual = state.residual[self.order] - row_dots(x, change)
        for table, matrix in zip(self.tables, [None] * len(self.own) + self.matrices, strict=True):
            deviations = table.values - table.mean
            deviations = deviations if matrix is None else matrix @ deviations
            table.sample_scale(residual, x * deviations[self.indices], precision)
        state.add(self.group, self.order, self.vectors()[self.indices] - old, x)

    def _normal_equations(
        self, x: np.ndarray, y: np.ndarray, precision: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the weighted `x' x` and `x' y` of the examples of each entity."""
        root = np.sqrt(precision)
        x, y = x * root[:, None], y * root
        products = np.zeros((self.size, x.shape[1], x.shape[1]), np.float32)
        right = np.zeros((self.size, x.shape[1]), np.float32)
        for index, examples in self.examples:
            transposed = x[examples].T
            products[index] = transposed @ x[examples]
            right[index] = transposed @ y[examples]
        return products, right

    def _solve(
        self, products: np.ndarray, ridge: np.ndarray, right: np.ndarray, initial: np.ndarray
    ) -> np.ndarray:
        """Solves `ridge z + A' products A z = right`, with A of the own vectors and attributes.

        The own vectors do not interact with those of other entities and are eliminated. The rest is
        well conditioned and solved by conjugate gradients from `initial`.
        """
        own = self.num_own
        if not own:
            return self._conjugate_gradients(products, ridge, right, initial)
        diagonal = np.arange(products.shape[1])
        system = products.copy()
        system[:, diagonal, diagonal] += ridge[:own]
        if not self.matrices:
            return solve_each(system, right)
        inverse = np.linalg.inv(system)
        alone = multiply_each(inverse, right[:own])
        # Schur complement: products - products inverse products, without cancellation.
        complement = products @ inverse * ridge[:own, None, :]
        complement = (complement + complement.transpose(0, 2, 1)) / 2
        rest = right[own:] - self.transposed @ multiply_each(products, alone)
        found = self._conjugate_gradients(complement, ridge[own:], rest, initial[own:])
        effect = multiply_each(products, self.attributes @ found)
        return np.concatenate([alone - multiply_each(inverse, effect), found])

    def _conjugate_gradients(
        self, products: np.ndarray, ridge: np.ndarray, right: np.ndarray, initial: np.ndarray
    ) -> np.ndarray:
        def apply(z: np.ndarray) -> np.ndarray:
            return ridge * z + self.transposed @ multiply_each(products, self.attributes @ z)

        preconditioner = ridge + self.squares @ np.diagonal(products, axis1=1, axis2=2)
        found = initial.copy()
        residual = right - apply(found)
        direction = scaled = residual / preconditioner
        error = first = float(np.vdot(residual, scaled))
        for _ in range(_MAX_STEPS):
            if error <= self.tolerance * first:
                break
            change = apply(direction)
            step = np.float32(error / float(np.vdot(direction, change)))
            found += step * direction
            residual -= step * change
            scaled = residual / preconditioner
            last, error = error, float(np.vdot(residual, scaled))
            direction = scaled + np.float32(error / last) * direction
        return found


# Prior of a precision: Gamma(SHAPE / 2, RATE / 2). The prior of a mean weighs MEAN_WEIGHT vectors.
SHAPE, RATE, MEAN_WEIGHT = 5.0, 0.1, 1.0
_INITIAL_STD = 0.1


class VectorTable:
    """Biases and vectors of the values of a field, with their hierarchical prior.

    Args:
        size: Number of values.
        width: `1 + dim`, or 1 for biases alone.
        has_mean: Whether the prior has a mean; otherwise it is zero.
        rng: Random generator of the chain.

    Attributes:
        values: `(size, width)`.
        mean: Mean of the prior, `(width,)`.
        precision: Precision of the prior, `(width,)`.
    """

    def __init__(self, size: int, width: int, has_mean: bool, rng: np.random.Generator):
        self.rng = rng
        self.values: np.ndarray = _INITIAL_STD * rng.standard_normal((size, width), np.float32)
        self.values[:, 0] = 0
        self.has_mean = has_mean
        self.mean = np.zeros(width, np.float32)
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

    def sample_scale(self, residual: np.ndarray, terms: np.ndarray, precision: np.ndarray) -> None:
        """Samples a factor for each dimension of the vectors and of the prior precision.

        The precision hardly moves while the vectors are fixed, nor they while it is fixed: the
        vectors of many values with few examples each would keep their initial size. This
        Metropolis-Hastings step moves both together. It proposes a factor from the likelihood of
        the examples, and accepts it with a probability that depends on the prior.

        Args:
            residual: Label minus score of each example, changed in place.
            terms: Share of each dimension in the score of each example, means excluded,
                `(examples, width)`.
            precision: Noise precision of each example, `(examples,)`.
        """
        weighted = terms * precision[:, None]
        information = np.einsum("rk,rk->k", terms, weighted)
        free = int(self.has_mean)  # the prior of the mean has the same precision
        factors = np.ones_like(self.mean)
        for k in np.flatnonzero(information > 0):
            mean = 1 + float(weighted[:, k] @ residual) / float(information[k])
            factor = mean + self.rng.standard_normal() / np.sqrt(float(information[k]))
            if factor <= 0:
                continue
            squares = RATE + free * MEAN_WEIGHT * float(self.mean[k]) ** 2
            rate = squares * float(self.precision[k]) / 2
            log_ratio = -(SHAPE + 1 + free) * np.log(factor) - rate * (factor**-2 - 1)
            if np.log(self.rng.random()) < log_ratio:
                residual -= np.float32(factor - 1) * terms[:, k]
                factors[k] = factor
        self.values = self.mean + factors * (self.values - self.mean)
        self.precision = self.precision / factors**2
