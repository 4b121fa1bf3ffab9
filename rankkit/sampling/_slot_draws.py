"""Draws of the vectors of a field of which each row has one value."""

import numpy as np

from rankkit.sampling._design import Slot
from rankkit.sampling._regressions import by_numbers, by_rows
from rankkit.sampling._state import State, along
from rankkit.sampling._table import Table


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
