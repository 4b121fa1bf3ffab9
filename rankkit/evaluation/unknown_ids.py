"""Unknown ids: how they are scored, and whether their row of the embedding was ever trained."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit._scoring import specs_of
from rankkit.evaluation.scored_rows import ScoredRows
from rankkit.layers import IdEmbedding
from rankkit.network import readers


def with_unknown_id(rows: ScoredRows, name: str) -> dict[str, np.ndarray] | None:
    """Gives the rows with an id that no row has in the place of each row's own.

    Args:
        rows: The rows.
        name: The column of ids.

    Returns:
        The columns; None where the scorer does not say that it takes such ids.
    """
    if name not in (specs_of(rows.scorer) or ()):
        return None
    taken = {*rows.columns[name].tolist(), *rows.known[name].tolist()}
    for layer in id_layers(rows.scorer, name):
        taken |= set(layer.vocabulary)
    is_text = isinstance(rows.columns[name][0], str | bytes)
    number = -1
    while (unknown := f"unknown{number}" if is_text else number) in taken:
        number -= 1
    column = np.full(len(rows.labels), unknown, object if is_text else None)
    return {**rows.columns, name: column}


def untrained_row(rows: ScoredRows, name: str) -> bool | None:
    """Tells whether no training row was ever looked up as an unknown id.

    Args:
        rows: The rows, with those of training.
        name: The column of ids.

    Returns:
        None if the scorer does not show the layer that looks the ids up.
    """
    layers = id_layers(rows.scorer, name)
    if not layers:
        return None
    ids = set(rows.known[name].tolist())
    return any(not each.id_dropout_rate and ids <= set(each.vocabulary) for each in layers)


def id_layers(scorer: Any, name: str) -> list[IdEmbedding]:
    """Finds the layers that a live model or network gives a column of ids to."""
    network = getattr(scorer, "network", scorer)
    inputs = getattr(network, "input", None)
    if not isinstance(network, tf.keras.Model) or not isinstance(inputs, Mapping):
        return []
    if name not in inputs:
        return []
    return [layer for layer, _ in readers(network, name) if isinstance(layer, IdEmbedding)]
