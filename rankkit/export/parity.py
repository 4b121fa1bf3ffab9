"""Checks that an exported model gives the scores of the model it was made from."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.list_context import compares_rows
from rankkit.data.columns import check_table
from rankkit.models.heads import score_of
from rankkit.models.network import find_feature_layers, first_layer
from rankkit.ranking.candidates import candidate_features
from rankkit.ranking.queries import Columns, num_rows
from rankkit.ranking.scoring import scatter_scores
from rankkit.utils.errors import invalid
from rankkit.utils.tensorflow import sample_indices

TOLERANCE = 1e-5
_GROUPS = 8  # of features that are the query: more would take long for wide networks


def max_abs_difference(scorer: Any, other: Any, columns: Mapping[str, Any]) -> float:
    """Computes the largest absolute difference between the outputs of two scorers.

    With several heads, all outputs are compared.

    Args:
        scorer: Any scorer: a model, a loaded SavedModel or TensorFlow Lite file.
        other: The scorer to compare it with.
        columns: Rows to score, feature name to values.

    Returns:
        The largest absolute difference, in units of the score.

    Raises:
        ValueError: If the scorers have different numbers of outputs.
    """
    check_table("columns", columns)
    found, expected = _flat_outputs(columns, scorer, other)
    if len(found) != len(expected):
        raise ValueError(
            "Both scorers must have the same number of output values. Got: "
            f"{len(found)} of scorer, {len(expected)} of other. Compare scorers with equal heads."
        )
    return float(np.max(np.abs(found - expected), initial=0.0))


def _flat_outputs(columns: Mapping[str, Any], *scorers: Any) -> list[np.ndarray]:
    """Returns the values of all outputs of each scorer, flattened and concatenated."""
    tensors = {name: tf.convert_to_tensor(values) for name, values in columns.items()}
    found = [getattr(scorer, "outputs_of", scorer)(tensors) for scorer in scorers]
    return [
        np.concatenate([np.asarray(each, float).reshape(-1) for each in tf.nest.flatten(outputs)])
        for outputs in found
    ]


def make_sample(network: tf.keras.Model, count: int = 32) -> dict[str, list]:
    """Makes `count` rows from the `sample_values` of a network's layers, with unknown ids."""
    sample = {}
    # Rotated by one row each, so that unknown ids are paired with known ones.
    for shift, names in enumerate(_aligned_features(network)):
        for name in names:
            values = _sample_values(name, network, count)
            sample[name] = values[shift % count :] + values[: shift % count]
    return {name: sample[name] for name in network.input}


def _aligned_features(network: tf.keras.Model) -> list[list[str]]:
    """The features, those together whose lists have the same lengths as one layer reads them."""
    groups: dict[Any, list[str]] = {}
    for name, tensor in network.input.items():
        layers = find_feature_layers(network, name)
        groups.setdefault(layers[0][0] if len(tensor.shape) == 2 and layers else name, []).append(
            name
        )
    return [*groups.values()]


def _sample_values(name: str, network: tf.keras.Model, count: int) -> list:
    layers = [(first_layer(found), each) for found, each in find_feature_layers(network, name)]
    for layer, position in layers:
        if hasattr(layer, "sample_values"):
            values = layer.sample_values(count)
            return values[position] if isinstance(values, tuple) else values
    raise TypeError(
        f"No layer that reads feature {name!r} has a method sample_values. Got: "
        f"{', '.join(repr(layer) for layer, _ in layers) or 'no layer'}. "
        "Add the method to the layer, or pass a few real rows as sample=."
    )


def check_parity(export: str, scorer: Any, source: Any, columns: Mapping[str, Any]) -> None:
    """Raises if the outputs of an export differ from its source by more than the tolerance."""
    found, expected = _flat_outputs(columns, scorer, source)
    if not len(expected):
        raise invalid("sample", columns, "a dict of columns with at least one row")
    if not np.isfinite(expected).all():
        fix = "Check whether training diverged."
        raise invalid("scores of the model", expected, "finite to be exported", fix)
    if not np.all(np.abs(found - expected) <= TOLERANCE * np.maximum(1.0, np.abs(expected))):
        raise ValueError(
            f"{export} must have the scores of its source, within {TOLERANCE:g}. Got: a difference "
            f"of {np.max(np.abs(found - expected)):g}. Nothing was written."
        )


def check_rank_signatures(
    loaded: Any, network: tf.keras.Model, sample: Mapping[str, tf.Tensor], index: Columns | None
) -> None:
    """Raises if `rank` or, with an `index`, `rank_indexed` returns scores that differ."""

    def score(columns: Mapping[str, tf.Tensor]) -> Any:
        return score_of(network(columns))

    rows = len(next(iter(sample.values())))
    # Each group of features in turn is the query: one network call gives all references.
    aligned = _aligned_features(network)
    groups = [aligned[i::_GROUPS] for i in range(min(_GROUPS, len(aligned)))]
    found, references = [], []
    for group in groups:
        query = {name: sample[name][:1] for names in group for name in names}
        query = {} if len(query) == len(sample) else query
        repeated = {name: tf.repeat(column, rows, axis=0) for name, column in query.items()}
        found.append(_signature_scores(loaded.signatures["rank"], {**sample, **query}, rows))
        references.append({**sample, **repeated})
    if compares_rows(network):  # a call has the candidates of one query
        for scores, columns in zip(found, references, strict=True):
            check_parity("The signature rank", scores, score, columns)
        return
    columns = {name: tf.concat([each[name] for each in references], axis=0) for name in sample}
    ranked = np.concatenate([scores(columns) for scores in found])
    check_parity("The signature rank", lambda _: ranked, score, columns)
    if index is None:
        return
    total = num_rows(index)
    some = np.array(sample_indices(total))
    features = candidate_features(network, index, some)
    for i in (0, rows - 1):  # the last row has unknown ids
        query = {name: column[i : i + 1] for name, column in sample.items() if name not in index}
        columns = {name: tf.repeat(each, len(some), axis=0) for name, each in query.items()}
        ranked = _signature_scores(loaded.signatures["rank_indexed"], query, total, some)
        check_parity("The signature rank_indexed", ranked, score, columns | features)


def _signature_scores(
    signature: Any, columns: Mapping[str, tf.Tensor], rows: int, some: Any = slice(None)
) -> Callable[[Any], Any]:
    """Makes a scorer that ignores its input and returns what a signature gives for `columns`."""
    return lambda _: scatter_scores(signature(k=tf.constant(rows), **columns), rows)[some]
