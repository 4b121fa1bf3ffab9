"""Gibbs updates of the parameters of one field."""

import numpy as np
import scipy.sparse

from rankkit.bayesian.design import Owner, Slot
from rankkit.bayesian.state import State, along, by_numbers, by_rows, solved, times


class SlotDraws:
    """Draws all vectors of a field at once: given the rest, each is a regression of its own.

    Values of equally many rows are solved together. Of fewer rows than a vector has numbers, the
    system is that of the rows, otherwise that of the numbers.

    Args:
        slot: The field.
        group: Its group.
        dim: Width of the vectors.
        rng: Draws everything.
    """

    def __init__(self, slot: Slot, group: int, dim: int, rng: np.random.Generator):
        self.group = group
        self.order = np.argsort(slot.codes, kind="stable")
        self.codes = slot.codes[self.order]
        self.table = Table(slot.size, 1 + dim, False, rng)
        counts = np.bincount(slot.codes, minlength=slot.size)
        first = np.cumsum(counts) - counts
        # For each number of rows: the values that have so many, and where those rows are.
        self.batches = []
        for count in np.unique(counts[counts > 0]):
            values = np.flatnonzero(counts == count)
            self.batches.append((values, first[values, None] + np.arange(count)))

    def begin(self, state: State) -> None:
        """Counts the vectors to begin with into the rows.

        Args:
            state: The chain's.
        """
        now = self.table.values[self.codes]
        x = state.regression(self.group, self.order, now).x
        state.change(self.group, self.order, now, x)

    def draw(self, state: State) -> None:
        """Draws the vectors, then their prior.

        Args:
            state: The chain's.
        """
        table = self.table
        old = table.values[self.codes]
        x, y, precision = state.regression(self.group, self.order, old)
        new = prior = table.prior_draw()
        for values, rows in self.batches:
            solve = by_rows if rows.shape[1] < x.shape[1] else by_numbers
            new[values] = solve(x[rows], y[rows], precision[rows], prior[values], table.precision)
        table.values = new
        table.draw_prior()
        now = new[self.codes]
        residual = state.residual[self.order] - along(x, now - old)
        table.draw_scale(residual, x * now, precision)
        state.change(self.group, self.order, table.values[self.codes] - old, x)


class BiasDraws:
    """Draws the biases of a field without vectors.

    Args:
        slot: The field.
        rng: Draws everything.
    """

    def __init__(self, slot: Slot, rng: np.random.Generator):
        self.codes = slot.codes
        self.table = Table(slot.size, 1, False, rng)

    def begin(self, state: State) -> None:
        """Does nothing: biases begin at zero."""

    def draw(self, state: State) -> None:
        """Draws the biases, then their prior.

        Args:
            state: The chain's.
        """
        table, size = self.table, len(self.table.values)
        old = table.values[:, 0]
        weights = np.float32(state.precision) * state.weights
        precision = table.precision[0] + np.bincount(self.codes, weights, size)
        right = np.bincount(self.codes, weights * (state.residual + old[self.codes]), size)
        spread = table.rng.standard_normal(size) / np.sqrt(precision)
        new = (right / precision + spread).astype(np.float32)
        state.residual -= (new - old)[self.codes]
        table.values = new[:, None]
        table.draw_prior()
        table.draw_scale(state.residual, table.values[self.codes], weights)


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
        self.values: np.ndarray = _BEGIN * rng.standard_normal((size, width), np.float32)
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
