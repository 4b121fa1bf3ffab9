"""Draws of the vectors of an owner and of all that is known of it."""

import numpy as np
import scipy.sparse

from rankkit.sampling._design import Owner
from rankkit.sampling._regressions import solved, times
from rankkit.sampling._state import State, along
from rankkit.sampling._table import Table

# Conjugate gradients end after so many steps, or at this share of the first residual's square.
STEPS, TOLERANCE = 20, 1e-5


class OwnerDraws:
    """Draws the vectors of all fields of an owner together.

    One after the other they would hardly move: what a user's own vector holds, the vectors of its
    titles cannot. Together they are one large regression, of which products alone are needed.

    Args:
        owner: The fields.
        dim: Width of the vectors.
        rng: Draws everything.
    """

    def __init__(self, owner: Owner, dim: int, rng: np.random.Generator):
        self.group = owner.group
        self.size = owner.size
        self.order = np.argsort(owner.codes, kind="stable")
        self.codes = owner.codes[self.order]
        counts = np.bincount(owner.codes, minlength=owner.size)
        ends = np.cumsum(counts)
        self.parts = [  # the owners that have rows, and where these are
            (place, slice(ends[place] - counts[place], ends[place]))
            for place in np.flatnonzero(counts)
        ]
        self.num_own = owner.size if owner.own else 0
        self.own = [Table(owner.size, 1 + dim, True, rng)] if owner.own else []
        self.matrices = [each.astype(np.float32) for each in owner.attributes]
        transposed = [scipy.sparse.csr_array(each.T) for each in self.matrices]
        values = [Table(len(each.indptr) - 1, 1 + dim, False, rng) for each in transposed]
        self.tables = [*self.own, *values]
        empty = scipy.sparse.csr_array((owner.size, 0), dtype=np.float32)
        matrix = scipy.sparse.csr_array(scipy.sparse.hstack([empty, *self.matrices]))
        self.attributes = matrix  # (owners, values of all attributes)
        self.transposed = scipy.sparse.csr_array(matrix.T)
        self.squares = scipy.sparse.csr_array(matrix.multiply(matrix).T)

    def vectors(self) -> np.ndarray:
        """Gives the sum of all that each owner has, `(owners, 1 + dim)`."""
        return self._added(np.concatenate([table.values for table in self.tables]))

    def _added(self, values: np.ndarray) -> np.ndarray:
        added = self.attributes @ values[self.num_own :]
        return added + values[: self.num_own] if self.own else added

    def begin(self, state: State) -> None:
        """Counts the vectors to begin with into the rows.

        Args:
            state: The chain's.
        """
        now = self.vectors()[self.codes]
        x = state.regression(self.group, self.order, now).x
        state.change(self.group, self.order, now, x)

    def draw(self, state: State) -> None:
        """Draws the vectors, then their priors.

        Args:
            state: The chain's.
        """
        values = np.concatenate([table.values for table in self.tables])
        old = self._added(values)[self.codes]
        x, y, precision = state.regression(self.group, self.order, old)
        products, right = self._normal_equations(x, y, precision)
        shape = values.shape[1]
        scale = np.concatenate(
            [np.broadcast_to(each.precision, (len(each.values), shape)) for each in self.tables]
        )
        prior = scale * np.concatenate([table.prior_draw() for table in self.tables])
        to_values = np.concatenate([*([right] if self.own else []), self.transposed @ right])
        new = self._solve(products, scale, prior + to_values, values)
        ends = np.cumsum([len(table.values) for table in self.tables])
        for table, part in zip(self.tables, np.split(new, ends[:-1]), strict=True):
            table.values = part
            table.draw_prior()
        residual = state.residual[self.order] - along(x, self._added(new)[self.codes] - old)
        for table, matrix in zip(self.tables, [None] * len(self.own) + self.matrices, strict=True):
            each = table.values - table.mean
            each = each if matrix is None else matrix @ each
            table.draw_scale(residual, x * each[self.codes], precision)
        state.change(self.group, self.order, self.vectors()[self.codes] - old, x)

    def _normal_equations(
        self, x: np.ndarray, y: np.ndarray, precision: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Gives `x' x` and `x' y` of the rows of each owner, weighted."""
        root = np.sqrt(precision)
        x, y = x * root[:, None], y * root
        products = np.zeros((self.size, x.shape[1], x.shape[1]), np.float32)
        right = np.zeros((self.size, x.shape[1]), np.float32)
        for place, part in self.parts:
            transposed = x[part].T
            products[place] = transposed @ x[part]
            right[place] = transposed @ y[part]
        return products, right

    def _solve(
        self, products: np.ndarray, scale: np.ndarray, right: np.ndarray, begin: np.ndarray
    ) -> np.ndarray:
        """Solves `scale z + A' products A z = right`, with A of the own vectors and attributes.

        The own vectors, which no other owner meets, are eliminated. What is left is well
        conditioned, and solved by conjugate gradients.

        Args:
            products: `(owners, width, width)`.
            scale: `(values, width)`.
            right: `(values, width)`.
            begin: What the conjugate gradients begin with, `(values, width)`.
        """
        own = self.num_own
        if not own:
            return self._conjugate_gradients(products, scale, right, begin)
        diagonal = np.arange(products.shape[1])
        system = products.copy()
        system[:, diagonal, diagonal] += scale[:own]
        if not self.matrices:
            return solved(system, right)
        inverse = np.linalg.inv(system)
        alone = times(inverse, right[:own])
        # What the attributes meet: products - products inverse products, without cancellation.
        left = products @ inverse * scale[:own, None, :]
        left = (left + left.transpose(0, 2, 1)) / 2
        rest = right[own:] - self.transposed @ times(products, alone)
        found = self._conjugate_gradients(left, scale[own:], rest, begin[own:])
        met = times(products, self.attributes @ found)
        return np.concatenate([alone - times(inverse, met), found])

    def _conjugate_gradients(
        self, products: np.ndarray, scale: np.ndarray, right: np.ndarray, begin: np.ndarray
    ) -> np.ndarray:
        def apply(z: np.ndarray) -> np.ndarray:
            return scale * z + self.transposed @ times(products, self.attributes @ z)

        # Preconditioned by the diagonal.
        diagonal = scale + self.squares @ np.diagonal(products, axis1=1, axis2=2)
        found = begin.copy()
        residual = right - apply(found)
        direction = better = residual / diagonal
        error = first = float(np.vdot(residual, better))
        for _ in range(STEPS):
            if error <= TOLERANCE * first:
                break
            change = apply(direction)
            step = np.float32(error / float(np.vdot(direction, change)))
            found += step * direction
            residual -= step * change
            better = residual / diagonal
            last, error = error, float(np.vdot(residual, better))
            direction = better + np.float32(error / last) * direction
        return found
