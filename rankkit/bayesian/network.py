"""Network that averages the Gibbs samples."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.bayesian.design import Design, Reading
from rankkit.bayesian.gibbs import Chain
from rankkit.interactions import FactorizationMachine
from rankkit.layers import EnsembleMean, IdEmbedding
from rankkit.models.network import ranking_network


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

    def rescaled(self, mean: float, deviation: float) -> "Draws":
        """Gives machines for labels that have been brought to mean 0 and deviation 1.

        Args:
            mean: Of the labels as they were.
            deviation: Of the labels as they were.
        """
        members = len(self.constants)

        def scaled(table: np.ndarray) -> np.ndarray:
            split = table.reshape(len(table), members, -1)
            split = split * np.float32(np.sqrt(deviation))  # a product has two of them
            split[:, :, 0] *= np.float32(np.sqrt(deviation))
            return split.reshape(table.shape)

        constants = (mean + deviation * self.constants.astype(np.float64)).astype(np.float32)
        return Draws(constants, list(map(scaled, self.owners)), list(map(scaled, self.slots)))


class Keeper:
    """Keeps the draws of chains.

    Args:
        design: What the chains learn from.
        members: How many draws there will be.
        width: `1 + dim`.
        means: Whether what no row tells of has its prior's mean, in place of draws from it.
    """

    def __init__(self, design: Design, members: int, width: int, *, means: bool):
        self.means = means
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
            vectors, without = block.vectors(), next(unseen)
            if without[0]:  # the unknown owner: around the mean of all that the known ones have
                vectors[0] = vectors[1:].mean(axis=0)
                for table in block.own:
                    vectors[0] += table.values[0] - table.mean
            for table in block.own if self.means else ():
                vectors[without] += table.mean - table.values[without]
            kept[:, member] = vectors
        for kept, block in zip(self.slots, chain.slots, strict=True):
            kept[:, member] = block.table.values
            without = next(unseen)
            if self.means:
                kept[without, member] = 0

    def side_by_side(self) -> Draws:
        """Gives each draw as a member of an ensemble."""
        owners, slots = (
            [each.reshape(len(each), -1) for each in kept] for kept in (self.owners, self.slots)
        )
        return Draws(self.constants, owners, slots)

    def compressed(self, design: Design, dim: int) -> Draws:
        """Gives one machine whose scores are nearly the mean of the draws'.

        The mean over the draws of the products of two groups' vectors is the product of vectors as
        wide as all draws together. They are narrowed so that the products of the rows' vectors
        change least.

        Args:
            design: What the chains have learned from, of two groups.
            dim: Width of the vectors.
        """
        parts = (*design.owners, *design.slots)
        kept = [*self.owners, *self.slots]
        wide = {
            place: (part.group, each[:, :, 1:].reshape(len(each), -1))
            for place, (part, each) in enumerate(zip(parts, kept, strict=True))
            if part.group is not None
        }
        weighted: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for place, (group, vectors) in wide.items():
            rows = np.bincount(parts[place].codes, minlength=len(vectors))
            there = rows > 0
            root = np.sqrt(rows[there] / len(design.labels), dtype=np.float32)
            weighted[group].append(vectors[there] * root[:, None])
        first, second = (np.concatenate(each) for each in weighted)
        maps = product_maps(first, second, dim, np.random.default_rng(0))
        members = len(self.constants)
        tables = []
        for place, each in enumerate(kept):
            table = [each[:, :, 0].mean(axis=1, dtype=np.float64)[:, None]]
            if place in wide:
                group, vectors = wide[place]
                table.append(vectors @ maps[group] / np.sqrt(members))
            tables.append(np.concatenate(table, axis=1).astype(np.float32))
        constant = self.constants.mean(dtype=np.float64, keepdims=True).astype(np.float32)
        count = len(self.owners)
        return Draws(constant, tables[:count], tables[count:])


def network_of(reading: Reading, draws: Draws, *, as_members: bool) -> tf.keras.Model:
    """Builds the network whose tables hold drawn vectors.

    All that an owner has is added up into one vector, so that its id alone is read.

    Args:
        reading: The features.
        draws: Vectors of the owners and of the slots.
        as_members: Whether each draw is a member of an ensemble, not part of one vector.
    """
    features: dict[str, Any] = {}
    groups: dict[int, list[int]] = {}

    def add(name: str, sources: Any, layer: Any, group: int | None) -> None:
        if group is not None:
            groups.setdefault(group, []).append(len(features))
        features[name] = (sources, layer)

    for owned, table in zip(reading.owned, draws.owners, strict=True):
        name = owned.source
        while name in features or name in reading.slots:
            name += "_"
        layer = IdEmbedding(owned.ids, table.shape[1], name=f"{name}_vectors")
        add(name, owned.source, layer, owned.group)
    for (name, (part, group)), table in zip(reading.slots.items(), draws.slots, strict=True):
        config = {**part.layer.get_config(), "embedding_dim": table.shape[1]}
        config["name"] = f"{name}_vectors"
        add(name, part.sources, type(part.layer).from_config(config), group)
    machine = FactorizationMachine(
        groups=list(groups.values()), num_members=len(draws.constants) if as_members else 1
    )
    network = ranking_network(
        features,
        interaction=machine,
        head=EnsembleMean() if as_members else None,
        name="sampled_factorization_machine",
    )
    for (_, layer), table in zip(features.values(), (*draws.owners, *draws.slots), strict=True):
        layer.set_weights([table])
    machine.set_weights([draws.constants])
    return network


_EXTRA, _TURNS = 32, 3


def product_maps(
    first: np.ndarray, second: np.ndarray, dim: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Finds how to narrow two kinds of vectors so that their dot products change least.

    Args:
        first: Vectors of the first kind, each times the root of its weight, `(vectors, width)`.
        second: Of the second kind, `(vectors, width)`.
        dim: Width wanted.
        rng: Draws what the search begins with.

    Returns:
        What the vectors of the first and of the second kind are to be multiplied with,
        `(width, dim)` each, or narrower where that loses nothing.

    References:
        Halko, Martinsson and Tropp, Finding structure with randomness, SIAM Review 2011: the
        largest singular vectors of a matrix, here of all products, that is only multiplied with.
    """
    dim = min(dim, *first.shape, *second.shape)
    size = min(dim + _EXTRA, len(first), len(second))
    on_second = rng.standard_normal((len(second), size), np.float32)
    on_first = np.empty(0, np.float32)
    for _ in range(_TURNS):
        on_first = np.linalg.qr(first @ (second.T @ on_second))[0]
        on_second = np.linalg.qr(second @ (first.T @ on_first))[0]
    left, values, right = np.linalg.svd(
        on_first.T @ first @ (second.T @ on_second), full_matrices=False
    )
    scale = 1 / np.sqrt(np.maximum(values[:dim], 1e-12))
    of_first = second.T @ (on_second @ right[:dim].T) * scale
    of_second = first.T @ (on_first @ left[:, :dim]) * scale
    return of_first, of_second
