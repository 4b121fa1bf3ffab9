"""The vectors of many drawn machines, side by side or as one of few dimensions."""

import dataclasses

import numpy as np

from rankkit.sampling._chain import Chain
from rankkit.sampling._design import Design


@dataclasses.dataclass(frozen=True)
class Draws:
    """Tables of vectors.

    Attributes:
        constants: `(members,)`.
        owners: For each owner of the design, `(owners, members * (1 + dim))`.
        slots: For each slot, `(values, members * (1 + dim))`, or `(values, members)` of biases.
    """

    constants: np.ndarray
    owners: list[np.ndarray]
    slots: list[np.ndarray]


class Keeper:
    """Keeps the draws of chains.

    Args:
        design: What the chains learn from.
        members: How many draws there will be.
        width: `1 + dim`.
    """

    def __init__(self, design: Design, members: int, width: int):
        self.constants = np.zeros(members, np.float32)
        self.owners = [np.zeros((each.size, members, width), np.float32) for each in design.owners]
        self.slots = [
            np.zeros((each.size, members, 1 if each.group is None else width), np.float32)
            for each in design.slots
        ]
        self._unseen = [
            np.bincount(each.codes, minlength=each.size) == 0
            for each in (*design.owners, *design.slots)
        ]

    def keep(self, member: int, chain: Chain) -> None:
        """Keeps what a chain has drawn last.

        Args:
            member: Place of the draw.
            chain: The chain.
        """
        self.constants[member] = chain.state.constant
        unseen = iter(self._unseen)
        for kept, block in zip(self.owners, chain.owners, strict=True):
            kept[:, member] = block.vectors()
            # Of the unknown one nothing is drawn but the prior: the mean stands for it.
            if next(unseen)[0]:
                kept[0, member] = kept[1:, member].mean(axis=0)
        for kept, block in zip(self.slots, chain.slots, strict=True):
            kept[:, member] = block.table.values
            kept[next(unseen), member] = 0

    def side_by_side(self) -> Draws:
        """Gives each draw as a member of an ensemble."""
        owners, slots = (
            [each.reshape(len(each), -1) for each in kept] for kept in (self.owners, self.slots)
        )
        return Draws(self.constants, owners, slots)

    def compressed(self, design: Design, dim: int) -> Draws:
        """Gives one machine whose scores are nearly the mean of the draws'.

        The mean over draws of the products of two groups is a product of vectors as wide as all
        draws together. Of the vectors of the second group, as the first one weights them, the
        largest `dim` principal directions are kept.

        Args:
            design: What the chains have learned from.
            dim: Width of the vectors.
        """
        parts = (*design.owners, *design.slots)
        kept = [*self.owners, *self.slots]
        flat = {
            place: (part.group, each[:, :, 1:].reshape(len(each), -1))
            for place, (part, each) in enumerate(zip(parts, kept, strict=True))
            if part.group is not None
        }
        roots = []
        for group in (0, 1):
            gram = np.float64(0)
            for place, (own, vectors) in flat.items():
                if own == group:
                    rows = np.bincount(parts[place].codes, minlength=len(vectors))
                    gram = gram + (vectors * rows[:, None].astype(np.float32)).T @ vectors
            values, axes = np.linalg.eigh(gram / len(design.labels))
            roots.append(axes * np.sqrt(np.maximum(values, 0)))  # gram = root root'
        left, values, right = np.linalg.svd(roots[0].T @ roots[1])
        scale = 1 / np.sqrt(np.maximum(values[:dim], 1e-12) * len(self.constants))
        # What each group's vectors are multiplied with.
        maps = roots[1] @ right[:dim].T * scale, roots[0] @ left[:, :dim] * scale
        tables = []
        for place, each in enumerate(kept):
            table = [each[:, :, 0].mean(axis=1, dtype=np.float64)[:, None]]
            if place in flat:
                group, vectors = flat[place]
                table.append(vectors @ maps[group])
            tables.append(np.concatenate(table, axis=1).astype(np.float32))
        count = len(self.owners)
        constant = self.constants.mean(dtype=np.float64, keepdims=True).astype(np.float32)
        return Draws(constant, tables[:count], tables[count:])
