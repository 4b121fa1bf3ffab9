"""Design matrices of the Gibbs sampler, built from feature layers and columns."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import tensorflow as tf

from rankkit.core.columns import as_list, to_tensor
from rankkit.core.features import Feature, as_features
from rankkit.data.columns import as_columns
from rankkit.layers import Attribute, IdEmbedding
from rankkit.layers.base import EmbeddingLayer
from rankkit.utils.errors import check_sequence, invalid, unknown, wrong_type


@dataclasses.dataclass(frozen=True)
class Field:
    """A categorical field with one value per example."""

    group: int | None  # `None` for biases without vectors
    indices: np.ndarray  # value of each example, (examples,)
    size: int  # number of values


@dataclasses.dataclass(frozen=True)
class Entity:
    """All fields that depend on one column, such as an item id and the genres of the item."""

    group: int
    indices: np.ndarray  # entity of each example, (examples,)
    size: int  # number of entities
    has_vectors: bool = True  # of its own, beside those of its attributes
    attributes: tuple[scipy.sparse.csr_array, ...] = ()  # weights, (entities, values) each


@dataclasses.dataclass(frozen=True)
class Design:
    """The training data of a chain."""

    labels: np.ndarray  # (examples,), standardized: the priors assume mean 0 and std 1
    num_groups: int
    entities: tuple[Entity, ...]
    fields: tuple[Field, ...] = ()  # those of no entity
    # The id of each example, (examples,), of each column of ids: ids differ in their noise.
    noise_indices: tuple[np.ndarray, ...] = ()


@dataclasses.dataclass(frozen=True)
class EntityPlan:
    """Features of one group that read the same column."""

    source: str
    group: int
    ids: list  # index 0 of the design is for unknown ids, which are not among these
    layers: list[Any]


@dataclasses.dataclass(frozen=True)
class DesignPlan:
    """Features sorted into entities and fields, in the order of the design."""

    entities: list[EntityPlan]  # of the features that read one column of ids
    fields: dict[str, tuple[Feature, int | None]]  # the other features, with their groups
    num_groups: int
    width: int  # 1 + dim, a bias and a vector


_FIX = "Wrap it in rankkit.layers.Attribute if it depends on an id, or leave the feature out."


def plan_design(features: Mapping[str, Any], groups: Sequence[Sequence[str]]) -> DesignPlan:
    """Checks features and groups, and sorts the features into entities and fields."""
    parsed = as_features(features)
    first: dict[int, str] = {}
    for name, feature in parsed.items():
        if (other := first.setdefault(id(feature.layer), name)) != name:
            raise ValueError(
                f"Each feature must have its own layer. Got: features {other!r} and {name!r} share "
                "a layer. Build the layer twice."
            )
    widths = {
        name: _embedding_layer(name, each.layer).embedding_dim for name, each in parsed.items()
    }
    group_of = _groups_by_feature(parsed, groups)
    if len(wide := {width for width in widths.values() if width > 1}) > 1:
        raise ValueError(
            "All features must have the same embedding_dim, 1 + dim, or 1 for a bias. Got: "
            f"{widths}. Build their layers with equal dimensions."
        )
    # Groups without vectors are dropped, and the others numbered again.
    used = sorted({group for name, group in group_of.items() if widths[name] > 1})
    group_of = {name: used.index(group) for name, group in group_of.items() if group in used}
    num_groups = len(used)
    entities: dict[tuple[int, str], EntityPlan] = {}
    fields: dict[str, tuple[Feature, int | None]] = {}
    for name, feature in parsed.items():
        is_attribute = isinstance(feature.layer, Attribute)
        if widths[name] == 1 and not (is_attribute and not wide):
            if is_attribute:
                raise ValueError(
                    f"Attribute {name!r} must have the embedding_dim of the other features. Got: "
                    f"embedding_dim=1. Build its layer with embedding_dim={wide.pop()}."
                )
            fields[name] = (feature, None)
            continue
        if name not in group_of:
            group_of[name], num_groups = num_groups, num_groups + 1
        group = group_of[name]
        if not isinstance(feature.layer, IdEmbedding | Attribute):
            fields[name] = (feature, group)
            continue
        source = feature.sources[0]
        entity = entities.setdefault((group, source), EntityPlan(source, group, [], []))
        is_embedding = isinstance(feature.layer, IdEmbedding)
        ids = feature.layer.vocabulary if is_embedding else feature.layer.ids
        known = set(entity.ids)
        entity.ids.extend(each for each in ids if each not in known)
        entity.layers.append(feature.layer)
    return DesignPlan(list(entities.values()), fields, num_groups, max(widths.values()))


def _groups_by_feature(features: Mapping[str, Any], groups: Any) -> dict[str, int]:
    group_of: dict[str, int] = {}
    expected = "a list of lists of feature names"
    for number, group in enumerate(check_sequence("groups", groups, expected)):
        for name in check_sequence("groups", group, expected):
            if name not in features:
                raise unknown("feature", name, features)
            if name in group_of:
                raise ValueError(
                    f"A feature must be in at most one group. Got: {name!r} in two groups. Remove "
                    "it from one."
                )
            group_of[name] = number
    return group_of


def _embedding_layer(name: str, layer: Any) -> Any:
    """Returns the layer that holds the embedding table of a feature."""
    layer = layer.layer if isinstance(layer, Attribute) else layer
    if not isinstance(layer, EmbeddingLayer):
        raise wrong_type(f"features[{name!r}]", layer, "a layer with an embedding table", _FIX)
    if getattr(layer, "num_oov_indices", 1) != 1:
        fix = "Build the layer with the default."
        raise invalid(f"features[{name!r}].num_oov_indices", layer.num_oov_indices, "1", fix)
    return layer


def build_design(plan: DesignPlan, columns: Mapping[str, Any], label: str) -> Design:
    """Encodes the columns of the training data; the labels are not yet standardized."""
    sources = [source for feature, _ in plan.fields.values() for source in feature.sources]
    names = [*(entity.source for entity in plan.entities), *sources, label]
    columns = as_columns(columns, list(dict.fromkeys(names)), argument="columns")
    labels = columns[label]
    if labels.ndim != 1 or labels.dtype.kind not in "biuf":
        raise TypeError(
            f"Label column {label!r} must have one number per example. "
            f"Got: {labels.dtype.name} of shape {labels.shape}. Convert it to a column of numbers."
        )
    if not (is_finite := np.isfinite(labels)).all():
        raise ValueError(
            f"Label column {label!r} must have finite numbers only. Got: {labels[~is_finite][0]}. "
            "Drop the examples without a label."
        )
    entities, fields = [], []
    for entity in plan.entities:
        lookup = IdEmbedding(entity.ids, 1)
        indices = _encode(lookup, [entity.source], columns)
        attributes = [
            _attribute_matrix(layer, lookup.feature_spec, entity.ids)
            for layer in entity.layers
            if isinstance(layer, Attribute)
        ]
        has_vectors = any(isinstance(layer, IdEmbedding) for layer in entity.layers)
        size = 1 + len(entity.ids)
        entities.append(Entity(entity.group, indices, size, has_vectors, tuple(attributes)))
    for name, (feature, group) in plan.fields.items():
        indices = _encode(feature.layer, feature.sources, columns)
        if indices.ndim != 1 or indices.dtype.kind != "i":
            expected = "a layer that looks up one embedding per example"
            raise wrong_type(f"features[{name!r}]", feature.layer, expected, _FIX)
        fields.append(Field(group, indices, feature.layer.num_embeddings))
    ids = {entity.source for entity in plan.entities}
    ids |= {each.sources[0] for each, _ in plan.fields.values() if type(each.layer) is IdEmbedding}
    noise_indices = tuple(np.unique(columns[name], return_inverse=True)[1] for name in sorted(ids))
    labels = labels.astype(np.float64)
    return Design(labels, plan.num_groups, tuple(entities), tuple(fields), noise_indices)


def _encode(layer: Any, sources: Sequence[str], columns: Mapping[str, Any]) -> np.ndarray:
    specs = layer.feature_spec
    specs = specs if isinstance(specs, tuple) else (specs,)
    raw = [
        to_tensor(source, as_list(columns[source]), spec)
        for source, spec in zip(sources, specs, strict=True)
    ]
    return layer.encode(raw[0] if len(raw) == 1 else raw).numpy()


def _attribute_matrix(layer: Attribute, spec: tf.TensorSpec, ids: list) -> scipy.sparse.csr_array:
    """Returns the weight of each embedding of an attribute for unknown ids, then for `ids`."""
    indices = np.concatenate([layer.default_codes, layer.encode(tf.constant(ids, spec.dtype))])
    if indices.dtype.kind != "i":
        expected = "a layer that looks up embeddings"
        raise wrong_type("the layer of an Attribute", layer.layer, expected, _FIX)
    lists = indices if indices.ndim == 2 else indices[:, None]  # -1 is padding
    entities, positions = np.nonzero(lists >= 0)
    shape = (len(indices), layer.layer.num_embeddings)
    counts = np.maximum((lists >= 0).sum(axis=1), 1).astype(np.float32)
    power = {"mean": 1.0, "sqrtn": 0.5}.get(getattr(layer.layer, "pooling", "sum"), 0.0)
    weights = (counts**-power)[entities]
    return scipy.sparse.csr_array((weights, (entities, lists[entities, positions])), shape=shape)
