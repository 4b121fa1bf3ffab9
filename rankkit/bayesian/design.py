"""Design matrices of the Gibbs sampler."""

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
from rankkit.utils.errors import invalid, unknown, wrong_type


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


FIXES = "Hold what is known of an id in an Attribute, or leave the feature out."


@dataclasses.dataclass(frozen=True)
class OwnedFeatures:
    """Features of one group that depend on one column alone.

    Attributes:
        source, group: The column, and the number of the group.
        ids: The known owners; of the design's owners, the first is that of unknown ids.
        layers: The layer of each feature.
    """

    source: str
    group: int
    ids: list
    layers: list[Any]


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a dict of features says to a chain, and to the network that is made of it.

    Attributes:
        owned: The features of owners, in the order of the design's owners.
        slots: Name to feature and number of its group, in the order of the design's slots.
        num_groups: How many groups there are.
        width: `1 + dim`, of the vectors.
    """

    owned: list[OwnedFeatures]
    slots: dict[str, tuple[Feature, int | None]]
    num_groups: int
    width: int

    @property
    def sources(self) -> list[str]:
        """The columns that the features read."""
        slots = (source for part, _ in self.slots.values() for source in part.sources)
        return [*(owned.source for owned in self.owned), *slots]


def read(features: Mapping[str, Any], groups: Sequence[Sequence[str]]) -> Reading:
    """Sorts features by what they depend on.

    Args:
        features: Features as for `rankkit.ranking_network`.
        groups: Names of the features of each group.

    Raises:
        ValueError: If a group names an unknown feature, or one twice; or if widths differ.
        TypeError: If a layer has no table of vectors, or reads lists of a row.
    """
    parts = as_features(features)
    seen: dict[int, str] = {}
    for name, part in parts.items():
        if (first := seen.setdefault(id(part.layer), name)) != name:
            fix = "Sampling learns a table for each feature: make two layers."
            raise invalid(f"features[{name!r}]", part.layer, f"another layer than {first!r}", fix)
    group_of: dict[str, int] = {}
    for number, group in enumerate(groups):
        for name in group:
            if name not in parts:
                raise unknown("feature", name, parts)
            if name in group_of:
                raise invalid("groups", name, "each feature in one group at most")
            group_of[name] = number
    widths = {name: _table_of(name, part.layer).embedding_dim for name, part in parts.items()}
    wide = {width for width in widths.values() if width > 1}
    if len(wide) != 1:
        fix = "Give all layers one embedding_dim, 1 + dim, or 1 for a bias alone."
        raise invalid("embedding_dim of the features", widths, "equal, and above 1", fix)
    # A group counts if it has a vector.
    used = sorted({group for name, group in group_of.items() if widths[name] > 1})
    group_of = {name: used.index(group) for name, group in group_of.items() if group in used}
    count = len(used)
    owned: dict[tuple[int, str], OwnedFeatures] = {}
    slots: dict[str, tuple[Feature, int | None]] = {}
    for name, part in parts.items():
        if widths[name] == 1 and isinstance(part.layer, Attribute):
            fix = "Give it the others' width; its bias is the first number."
            raise invalid(f"embedding_dim of Attribute {name!r}", 1, "above 1", fix)
        if widths[name] == 1:
            slots[name] = (part, None)
            continue
        if name not in group_of:
            group_of[name], count = count, count + 1
        group = group_of[name]
        if not isinstance(part.layer, IdEmbedding | Attribute):
            slots[name] = (part, group)
            continue
        source = part.sources[0]
        held = owned.setdefault((group, source), OwnedFeatures(source, group, [], []))
        known = set(held.ids)
        held.ids.extend(each for each in _ids(part.layer) if each not in known)
        held.layers.append(part.layer)
    return Reading(list(owned.values()), slots, count, wide.pop())


def _ids(layer: Any) -> list:
    return layer.vocabulary if isinstance(layer, IdEmbedding) else layer.ids


def _table_of(name: str, layer: Any) -> Any:
    """The layer whose table a feature's vectors come from."""
    inner = layer.layer if isinstance(layer, Attribute) else layer
    if not hasattr(inner, "embedding_dim") or not hasattr(inner, "_embedding"):
        raise wrong_type(f"features[{name!r}]", inner, "a layer with a table of vectors", FIXES)
    if getattr(inner, "num_oov_indices", 1) != 1:
        raise invalid(f"num_oov_indices of {name!r}", inner.num_oov_indices, "1")
    return inner


def design_of(
    reading: Reading, columns: Mapping[str, Any], label: str, noise_group: str | None
) -> Design:
    """Looks the values of rows up.

    Args:
        reading: The features.
        columns: Rows, column name to values.
        label: Name of the column of labels.
        noise_group: Name of the column by which the noise differs, or `None`.

    Raises:
        ValueError: If a column is missing, or a label is not finite.
        TypeError: If a column is of the wrong kind, or a layer reads lists of a row.
    """
    read_columns = [*reading.sources, label, *([noise_group] if noise_group else [])]
    columns = as_columns(columns, list(dict.fromkeys(read_columns)))
    labels = columns[label]
    if labels.ndim != 1 or labels.dtype.kind not in "biuf":
        shown = f"{labels.dtype.name} of shape {labels.shape}"
        raise wrong_type(f"label {label!r}", shown, "a number a row")
    if not len(labels) or not np.isfinite(labels).all():
        raise invalid(f"label {label!r}", labels[~np.isfinite(labels)][:1], "finite, of some rows")
    owners, slots = [], []
    for owned in reading.owned:
        ids = IdEmbedding(owned.ids, 1)
        codes = _encode(ids, [owned.source], columns)
        attributes = [
            _shares(layer, ids.feature_spec, owned.ids)
            for layer in owned.layers
            if isinstance(layer, Attribute)
        ]
        own = any(isinstance(layer, IdEmbedding) for layer in owned.layers)
        owners.append(Owner(owned.group, codes, 1 + len(owned.ids), own, tuple(attributes)))
    for name, (part, group) in reading.slots.items():
        codes = _encode(part.layer, part.sources, columns)
        if codes.ndim != 1 or codes.dtype.kind != "i":
            expected = "a layer that gives each row one of its vectors"
            raise wrong_type(f"features[{name!r}]", part.layer, expected, FIXES)
        slots.append(Slot(group, codes, part.layer._embedding.input_dim))
    sources = None
    if noise_group is not None:
        _, sources = np.unique(columns[noise_group], return_inverse=True)
    return Design(
        labels.astype(np.float64), reading.num_groups, tuple(owners), tuple(slots), sources
    )


def _encode(layer: Any, sources: Sequence[str], columns: Mapping[str, Any]) -> np.ndarray:
    specs = layer.feature_spec
    specs = specs if isinstance(specs, tuple) else (specs,)
    raw = [
        to_tensor(source, as_list(columns[source]), spec)
        for source, spec in zip(sources, specs, strict=True)
    ]
    return layer.encode(raw[0] if len(raw) == 1 else raw).numpy()


def _shares(layer: Attribute, spec: tf.TensorSpec, ids: list) -> scipy.sparse.csr_array:
    """How much of each vector of a layer the owners have, that of unknown ids first."""
    codes = np.concatenate([layer._codes[:1], layer.encode(tf.constant(ids, spec.dtype))])
    if codes.dtype.kind != "i":
        raise wrong_type("layer of an Attribute", layer.layer, "one that looks vectors up", FIXES)
    members = codes if codes.ndim == 2 else codes[:, None]
    owners, places = np.nonzero(members >= 0)
    size = (len(codes), layer.layer._embedding.input_dim)
    counts = np.maximum((members >= 0).sum(axis=1), 1).astype(np.float32)
    power = {"mean": 1.0, "sqrtn": 0.5}.get(getattr(layer.layer, "pooling", "sum"), 0.0)
    shares = (counts**-power)[owners]
    return scipy.sparse.csr_array((shares, (owners, members[owners, places])), shape=size)
