"""Gibbs updates of the biases and vectors of fields and entities."""

import functools
from collections.abc import Sequence

import numpy as np
import scipy.sparse

from rankkit.bayesian.design import Entity, Field
from rankkit.bayesian.prior import VectorTable
from rankkit.bayesian.regressions import (
    Examples,
    add_to_diagonals,
    gram_matrix,
    multiply_each,
    solve_ridge,
)
from rankkit.bayesian.state import State, row_dots


class BiasUpdate:
    """Samples the biases of a field without vectors."""

    def __init__(self, field: Field, rng: np.random.Generator):
        self.indices = field.indices
        self.table = VectorTable(field.size, 1, False, rng)
        self.own = [self.table]

    @property
    def vectors(self) -> np.ndarray:
        """Bias of each value, `(values, 1)`."""
        return self.table.values

    def update(self, state: State) -> None:
        """Samples the biases, then their prior."""
        table, size = self.table, len(self.table.values)
        old = table.values[:, 0]
        information, right = state.bias_equations(self.indices, old)
        precision = table.precision[0] + information
        noise = table.rng.standard_normal(size) / np.sqrt(precision)
        table.values = (right / precision + noise).astype(np.float32)[:, None]
        table.sample_prior()
        new = table.values[:, 0]
        gram = (information * new**2).sum()
        table.sample_scale(np.array([[gram]]), np.array([(right * new).sum() - gram]))
        state.residual -= (table.values[:, 0] - old)[self.indices]


class VectorUpdate:
    """What the updates of fields and entities with vectors share."""

    def __init__(self, group: int, indices: np.ndarray, size: int):
        self.group = group
        self.indices = indices  # value of each example, (examples,)
        self.examples = Examples(indices, size)
        self.others: list[tuple[VectorUpdate, np.ndarray]] = []

    @property
    def vectors(self) -> np.ndarray:
        """Bias and vector of each value, `(values, 1 + dim)`."""
        raise NotImplementedError

    def connect(self, updates: "Sequence[VectorUpdate]") -> None:
        """Finds the updates of other groups, with whose vectors these interact."""
        self.others = [
            (each, each.indices[self.examples.order])
            for each in updates
            if each.group != self.group
        ]

    def factors(self) -> np.ndarray:
        """Returns what biases and vectors are multiplied by: 1 and a sum, `(rows, 1 + dim)`."""
        rows, width = len(self.examples.order), self.vectors.shape[1]
        taken = [np.take(other.vectors, indices, axis=0) for other, indices in self.others]
        x = functools.reduce(np.add, taken) if taken else np.zeros((rows, width), np.float32)
        x[:, 0] = 1
        return x


class FieldUpdate(VectorUpdate):
    """Samples all vectors of a field at once: given the rest, each is a separate regression.

    Values with about equally many examples are solved together. An entity without attributes is
    updated as a field.
    """

    def __init__(self, field: Field | Entity, dim: int, rng: np.random.Generator):
        assert field.group is not None
        super().__init__(field.group, field.indices, field.size)
        self.table = VectorTable(field.size, 1 + dim, isinstance(field, Entity), rng)
        self.own = [self.table]

    @property
    def vectors(self) -> np.ndarray:
        return self.table.values

    def update(self, state: State) -> None:
        """Samples the vectors, then their prior."""
        table, examples = self.table, self.examples
        x = self.factors()
        y = state.residual[examples.order] + row_dots(x, table.values[examples.values])
        root = state.root_precision(examples.order) * examples.weights
        weighted_x, weighted_y = x * root[:, None], y * root
        noisy = weighted_y + state.rng.standard_normal(len(y), np.float32)
        new = table.sample_from_prior()
        for values, rows, count in examples.batches:
            batch_x = weighted_x[rows].reshape(len(values), count, -1)
            batch_y = noisy[rows].reshape(len(values), count)
            new[values] = solve_ridge(batch_x, batch_y, new[values], table.precision)
        table.values = new
        table.sample_prior()
        terms = np.empty((len(y), x.shape[1] + 1), np.float32)
        np.multiply(weighted_x, (new - table.mean)[examples.values], out=terms[:, :-1])
        terms[:, -1] = weighted_y - row_dots(weighted_x, new[examples.values])
        products = gram_matrix(terms)
        table.sample_scale(products[:-1, :-1], products[-1, :-1])
        state.residual[examples.order] = y - row_dots(x, table.values[examples.values])


_MAX_STEPS = 20  # of conjugate gradients


class EntityUpdate(VectorUpdate):
    """Samples the vectors of all fields of an entity together.

    Sampled in turn they would mix slowly, because a user's own vector and the vectors of the items
    that the user has rated explain the same ratings. Together they are one large regression, which
    conjugate gradients solve by matrix products alone. The entity has at least one attribute.
    """

    def __init__(self, entity: Entity, dim: int, rng: np.random.Generator):
        super().__init__(entity.group, entity.indices, entity.size)
        self.size = entity.size
        self.tolerance = 1e-5  # squared residual to stop at, as a share of the first
        self.num_own = entity.size if entity.has_vectors else 0
        self.own = []
        if entity.has_vectors:
            self.own.append(VectorTable(entity.size, 1 + dim, True, rng))
        self.matrices = [each.astype(np.float32) for each in entity.attributes]
        sizes = [len(each.tocsc().indptr) - 1 for each in self.matrices]
        self.tables = [*self.own, *(VectorTable(size, 1 + dim, False, rng) for size in sizes)]
        matrix = scipy.sparse.csr_array(scipy.sparse.hstack(self.matrices))
        self.attributes = matrix  # (entities, values of all attributes)
        self.transposed = scipy.sparse.csr_array(matrix.T)
        self.squares = scipy.sparse.csr_array(matrix.multiply(matrix).T)
        self._vectors = self._sum_per_entity()

    @property
    def vectors(self) -> np.ndarray:
        return self._vectors

    def _sum_per_entity(self) -> np.ndarray:
        """Returns the sum of the vectors of each entity, `(entities, 1 + dim)`."""
        values = np.concatenate([table.values for table in self.tables])
        total = self.attributes @ values[self.num_own :]
        return total + values[: self.num_own] if self.own else total

    def update(self, state: State) -> None:
        """Samples the vectors, then their priors."""
        examples = self.examples
        x = self.factors()
        y = state.residual[examples.order] + row_dots(x, self.vectors[examples.values])
        products, right, noise = self._normal_equations(x, y, state)
        noisy = right + noise
        ridge = np.concatenate(  # prior precision of each component, (values, 1 + dim)
            [np.broadcast_to(each.precision, each.values.shape) for each in self.tables]
        )
        prior = ridge * np.concatenate([table.sample_from_prior() for table in self.tables])
        per_value = np.concatenate([*([noisy] if self.own else []), self.transposed @ noisy])
        initial = np.concatenate([table.values for table in self.tables])
        new = self._solve(products, ridge, prior + per_value, initial)
        ends = np.cumsum([len(table.values) for table in self.tables])
        for table, part in zip(self.tables, np.split(new, ends[:-1]), strict=True):
            table.values = part
            table.sample_prior()
        for table, matrix in zip(self.tables, [None] * len(self.own) + self.matrices, strict=True):
            slopes = right - multiply_each(products, self._sum_per_entity())
            deviations = table.values - table.mean
            deviations = deviations if matrix is None else matrix @ deviations
            gram = np.einsum("ej,ejk,ek->jk", deviations, products, deviations, optimize=True)
            table.sample_scale(gram, np.einsum("ek,ek->k", slopes, deviations))
        self._vectors = self._sum_per_entity()
        state.residual[examples.order] = y - row_dots(x, self.vectors[examples.values])

    def _normal_equations(
        self, x: np.ndarray, y: np.ndarray, state: State
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the weighted `x' x`, `x' y` and `x' noise` of the examples of each entity."""
        root = state.root_precision(self.examples.order) * self.examples.weights
        weighted = x * root[:, None]
        targets = np.stack([y * root, state.rng.standard_normal(len(y), np.float32)], axis=1)
        products = np.zeros((self.size, x.shape[1], x.shape[1]), np.float32)
        right = np.zeros((self.size, x.shape[1], 2), np.float32)
        for values, rows, count in self.examples.batches:
            batch = weighted[rows].reshape(len(values), count, -1)
            transposed = batch.transpose(0, 2, 1)
            products[values] = transposed @ batch
            right[values] = transposed @ targets[rows].reshape(len(values), count, 2)
        return products, right[..., 0], right[..., 1]

    def _solve(
        self, products: np.ndarray, ridge: np.ndarray, right: np.ndarray, initial: np.ndarray
    ) -> np.ndarray:
        """Solves `ridge z + A' products A z = right`, with A of the own vectors and attributes."""
        # The own vectors do not interact with those of other entities and are eliminated. The rest
        # is well conditioned and solved by conjugate gradients from `initial`.
        own = self.num_own
        if not own:
            return self._conjugate_gradients(products, ridge, right, initial)
        system = products.copy()
        add_to_diagonals(system, ridge[:own])
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
