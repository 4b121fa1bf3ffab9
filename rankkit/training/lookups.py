"""Precomputed lookups of feature layers, for examples in memory."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.features import as_feature
from rankkit.core.in_memory import Column, Lookups, RowsInMemory, Windows
from rankkit.layers.base import FeatureLayer
from rankkit.models.network import feature_specs, find_feature_layers

# Indices per row that are kept at most. Those of long histories are computed in each step.
_MAX_INDICES = 64
_CHUNK = 65_536  # rows that are encoded at once


def make_lookups(networks: Iterable[tf.keras.Model], rows: RowsInMemory) -> Lookups:
    """Precomputes the indices of feature layers for rows in memory."""
    # A layer that is called twice, or has too many indices per row to keep, reads raw values.
    specs: dict[str, tf.TensorSpec] = {}
    sources: dict[Any, dict[int, list[str]]] = {}
    for network in networks:
        specs |= feature_specs(network)
        for name in network.input:
            for layer, position in find_feature_layers(network, name):
                sources.setdefault(layer, {}).setdefault(position, []).append(name)
    indices: dict[Any, Column | Windows] = {}
    raw: set[str] = set()
    for layer, read in sources.items():
        names = [name for _, of_position in sorted(read.items()) for name in of_position]
        once = len(names) == len(read) and all(name in rows.columns for name in names)
        found = None
        if once and isinstance(layer, FeatureLayer):
            found = _encoded(layer, {name: rows.columns[name] for name in names}, specs)
        if found is None:
            raw.update(names)
        else:
            indices[layer] = found
    unread = {name: specs[name] for name in specs if name not in raw and name in rows.columns}
    kept = {name: column for name, column in rows.columns.items() if name not in unread}
    return Lookups(kept, indices, unread, frozenset(raw))


def _encoded(
    layer: FeatureLayer, columns: Mapping[str, Column | Windows], specs: Mapping[str, tf.TensorSpec]
) -> Column | Windows | None:
    """Encodes columns; `None` if there are too many numbers per row to keep."""
    [name, first], *others = columns.items()
    if isinstance(first, Windows) and not others and layer.encodes_members:
        return first.with_cells(lambda cells: _encoded_members(layer, name, cells, specs))
    read = [column for column in columns.values() if isinstance(column, Column)]
    if len(read) < len(columns):
        return None
    numbers, chunk = None, _CHUNK
    if len(read) == 1:  # encode each distinct value once
        numbers, read = read[0].numbers, [Column(read[0].values)]
        if isinstance(read[0].values, tf.RaggedTensor):
            chunk = max(1, read[0].num_rows)  # padded to one length
    count = read[0].num_rows
    encoded = []
    for start in range(0, count, chunk):
        rows = tf.range(start, min(start + chunk, count))
        raw = [
            as_feature(name, column(rows), specs[name])
            for name, column in zip(columns, read, strict=True)
        ]
        if not encoded:  # the number of indices per row, from two rows
            few = _encode(layer, [each[:2] for each in raw])
            if not isinstance(few, tf.Tensor) or math.prod(few.shape[1:]) > _MAX_INDICES:
                return None
        encoded.append(_encode(layer, raw))
    if len({tuple(each.shape[1:]) for each in encoded}) > 1:
        return None
    values = tf.concat(encoded, axis=0)
    return None if math.prod(values.shape[1:]) > _MAX_INDICES else Column(values, numbers)


def _encoded_members(
    layer: FeatureLayer, name: str, cells: Column, specs: Mapping[str, tf.TensorSpec]
) -> Column | None:
    """Encodes the members of lists, each as a list of its own."""
    single = Column(cells.values[:, tf.newaxis], cells.numbers)
    encoded = _encoded(layer, {name: single}, specs)
    return Column(encoded.values[:, 0], cells.numbers) if isinstance(encoded, Column) else None


def _encode(layer: FeatureLayer, raw: list[tf.Tensor]) -> Any:
    return layer.encode(raw[0] if len(raw) == 1 else raw)
