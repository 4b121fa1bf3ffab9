"""Which values each row has: the fields of a factorization machine, as codes."""

import dataclasses

import numpy as np
import scipy.sparse


@dataclasses.dataclass(frozen=True)
class Slot:
    """A field of which each row has one value.

    Attributes:
        group: The group that it is part of; `None` for biases alone.
        codes: Value of each row, `(rows,)`.
        size: How many values there are.
    """

    group: int | None
    codes: np.ndarray
    size: int


@dataclasses.dataclass(frozen=True)
class Owner:
    """Fields that depend on one column alone, such as a user, its titles and its age.

    Attributes:
        group: The group that they are part of.
        codes: Owner of each row, `(rows,)`.
        size: How many owners there are.
        own: Whether each owner has a vector of its own, besides those of its values.
        attributes: One matrix a field, of `(owners, values)`: how much of each value they have.
    """

    group: int
    codes: np.ndarray
    size: int
    own: bool = True
    attributes: tuple[scipy.sparse.csr_array, ...] = ()


@dataclasses.dataclass(frozen=True)
class Design:
    """The rows that a chain learns from.

    Attributes:
        labels: `(rows,)`, of mean 0 and deviation 1, for which the priors are made.
        num_groups: How many groups there are.
        owners: The fields of owners.
        slots: All other fields.
        sources: Source of each row's noise, `(rows,)`, or `None`.
    """

    labels: np.ndarray
    num_groups: int
    owners: tuple[Owner, ...]
    slots: tuple[Slot, ...] = ()
    sources: np.ndarray | None = None
