"""Ranking network that averages sampled factorization machines."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.bayesian.design import Design, DesignPlan, Entity, Field
from rankkit.bayesian.gibbs import Chain
from rankkit.interactions import FactorizationMachine
from rankkit.layers import EnsembleMean, IdEmbedding
from rankkit.models.network import ranking_network


@dataclasses.dataclass(frozen=True)
class Samples:
    """Parameters of sampled factorization machines, side by side on the last axis."""

    biases: np.ndarray  # (samples,)
    # For each entity, then each field, (values, samples * (1 + dim)), or (values, samples) for
    # biases alone.
    tables: list[np.ndarray]

    def unstandardize(self, mean: float, std: float) -> "Samples":
        """Returns the parameters for labels of another mean and standard deviation."""
        root = np.float32(np.sqrt(std))  # a dot product has two factors

        def scaled(table: np.ndarray) -> np.ndarray:
            split = table.reshape(len(table), len(self.biases), -1) * root
            split[:, :, 0] *= root
            return split.reshape(table.shape)

        biases = (mean + std * self.biases.astype(np.float64)).astype(np.float32)
        return Samples(biases, list(map(scaled, self.tables)))


class Block:
    """The samples of the biases and vectors of an entity or a field."""

    def __init__(self, field: Entity | Field, num_samples: int, width: int):
        self.group, self.is_entity = field.group, isinstance(field, Entity)
        self.counts = np.bincount(field.indices, minlength=field.size)  # examples of each value
        self.is_unseen = self.counts == 0
        shape = (num_samples, 1 if field.group is None else width)
        self.table = np.zeros((field.size, *shape), np.float32)
        # From the prior mean, of values without examples.
        self.deviations = np.zeros((np.count_nonzero(self.is_unseen), *shape), np.float32)
        self.has_vectors = self.table.shape[-1] > 1

    def concatenated(self) -> np.ndarray:
        """Returns the vectors of all samples side by side, without biases."""
        return self.table[:, :, 1:].reshape(len(self.table), -1)


class SampleStore:
    """Collects `num_samples` samples of each of several chains; `width` is 1 + dim.

    With `use_prior_mean`, values without examples get the mean of their prior, in place of a sample
    from it.
    """

    def __init__(
        self, design: Design, num_chains: int, num_samples: int, width: int, *, use_prior_mean: bool
    ):
        self.use_prior_mean = use_prior_mean
        self.num_samples = num_samples
        self.biases = np.zeros(num_chains * num_samples, np.float32)
        self.num_examples = len(design.labels)
        blocks = (*design.entities, *design.fields)
        self.blocks = [Block(each, len(self.biases), width) for each in blocks]

    def add(self, index: int, chain: Chain) -> None:
        """Stores the current parameters of a chain as the sample at `index`."""
        self.biases[index] = chain.state.bias
        for block, update in zip(self.blocks, (*chain.entities, *chain.fields), strict=True):
            values, deviations = update.vectors.copy(), block.deviations[:, index]
            for table in update.own:
                deviations[:] = table.values[block.is_unseen] - table.mean
            if block.is_entity and block.is_unseen[0]:  # unknown: around the mean of the known
                values[0] = values[1:].mean(axis=0) + (deviations[0] if update.own else 0)
            if self.use_prior_mean:
                values[block.is_unseen] -= deviations
            block.table[:, index] = values

    def stack(self) -> Samples:
        """Returns every sample as a member of an ensemble.

        Values without examples are distributed as in their prior, but centered in each chain: the
        mean of a few samples from the prior would only be an error of their scores.
        """
        for block in self.blocks:
            values, samples, width = block.deviations.shape
            split = block.deviations.reshape(
                values, samples // self.num_samples, self.num_samples, width
            )
            centers = np.broadcast_to(split.mean(axis=2, keepdims=True), split.shape)
            block.table[block.is_unseen] -= centers.reshape(block.deviations.shape)
        tables = [block.table.reshape(len(block.table), -1) for block in self.blocks]
        return Samples(self.biases, tables)

    def compress(self, dim: int) -> Samples:
        """Returns a single model of two groups that approximates the mean of the samples' scores.

        The mean over samples of the dot products of two groups is one dot product of concatenated
        vectors. They are projected to `dim` dimensions so that the dot products of the examples
        change least.
        """
        weighted: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for block in self.blocks:
            if block.group is not None and block.has_vectors:
                is_seen = ~block.is_unseen
                root = np.sqrt(block.counts[is_seen] / self.num_examples, dtype=np.float32)
                weighted[block.group].append(block.concatenated()[is_seen] * root[:, None])
        projections: Sequence[np.ndarray] = ()
        if any(weighted):
            first, second = map(np.concatenate, weighted)
            projections = product_projections(first, second, dim, np.random.default_rng(0))
        tables = []
        for block in self.blocks:
            columns = [block.table[:, :, 0].mean(axis=1, dtype=np.float64)[:, None]]
            if block.group is not None and block.has_vectors:
                projected = block.concatenated() @ projections[block.group]
                columns.append(projected / np.sqrt(len(self.biases)))
            tables.append(np.concatenate(columns, axis=1).astype(np.float32))
        bias = self.biases.mean(dtype=np.float64, keepdims=True).astype(np.float32)
        return Samples(bias, tables)


def build_network(plan: DesignPlan, samples: Samples, *, is_ensemble: bool) -> tf.keras.Model:
    """Builds the network of sampled parameters; with `is_ensemble`, each sample is a member.

    All vectors of an entity are summed into one, so that the network reads the id alone. It keeps
    the precision of the samples, whatever Keras's global policy.
    """
    features: dict[str, Any] = {}
    groups: dict[int, list[int]] = {}
    widths = (table.shape[1] for table in samples.tables)
    for entity in plan.entities:
        name = entity.source
        while name in features or name in plan.fields:
            name += "_"
        groups.setdefault(entity.group, []).append(len(features))
        layer = IdEmbedding(entity.ids, next(widths), name=f"{name}_vectors", dtype="float32")
        features[name] = (entity.source, layer)
    for name, (feature, group) in plan.fields.items():
        if group is not None:
            groups.setdefault(group, []).append(len(features))
        config = {**feature.layer.get_config(), "name": f"{name}_vectors", "dtype": "float32"}
        config["embedding_dim"] = next(widths)
        features[name] = (feature.sources, type(feature.layer).from_config(config))
    interaction = FactorizationMachine(
        groups=list(groups.values()),
        num_members=len(samples.biases) if is_ensemble else 1,
        dtype="float32",
    )
    network = ranking_network(
        features,
        interaction=interaction,
        head=EnsembleMean(dtype="float32") if is_ensemble else None,
        name="sampled_factorization_machine",
    )
    for (_, layer), table in zip(features.values(), samples.tables, strict=True):
        layer.set_weights([table])
    interaction.set_weights([samples.biases])
    return network


_OVERSAMPLING, _POWER_ITERATIONS = 32, 3


def product_projections(
    first: np.ndarray, second: np.ndarray, dim: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Finds projections of two kinds of vectors that change their dot products least.

    A randomized SVD of the matrix of all dot products, which is never computed: Halko, Martinsson
    and Tropp, Finding structure with randomness, SIAM Review 2011.

    The vectors, `(vectors, width)`, are multiplied by the root of their weights. Returns matrices
    to multiply each kind by, `(width, dim)` or narrower.
    """
    dim = min(dim, *first.shape, *second.shape)
    size = min(dim + _OVERSAMPLING, len(first), len(second))
    on_second = rng.standard_normal((len(second), size), np.float32)
    on_first = np.empty(0, np.float32)
    for _ in range(_POWER_ITERATIONS):
        on_first = np.linalg.qr(first @ (second.T @ on_second))[0]
        on_second = np.linalg.qr(second @ (first.T @ on_first))[0]
    left, values, right = np.linalg.svd(
        on_first.T @ first @ (second.T @ on_second), full_matrices=False
    )
    scale = 1 / np.sqrt(np.maximum(values[:dim], 1e-12))
    of_first = second.T @ (on_second @ right[:dim].T) * scale
    of_second = first.T @ (on_first @ left[:, :dim]) * scale
    return of_first, of_second
