"""Ensembles, networks that average the scores of their members."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.list_context import compares_rows
from rankkit.data.columns import check_table
from rankkit.layers import EnsembleMean
from rankkit.models.finite import finite_features
from rankkit.models.network import feature_specs, select_features
from rankkit.utils.errors import check_boolean, check_sequence, check_text, invalid, wrong_type
from rankkit.utils.graph_errors import plain_errors

_BATCH_SIZE = 8192


def ensemble(
    networks: Sequence[tf.keras.Model], *, independent: bool = True, name: str = "ensemble"
) -> tf.keras.Model:
    """Builds an ensemble, a network whose score is the mean of the scores of its members.

    It trains, saves, ranks and exports like any other network. Members with different random
    initializations converge to different weights: their mean is usually better than a typical
    member, and `rankkit.score_std` shows for which examples their scores differ.

    Args:
        networks: At least two of `rankkit.ranking_network`, trained or not, that share no layers.
        independent: Whether each member is trained on its own error, as in
            `rankkit.layers.EnsembleMean`. Defaults to `True`.
        name: Name of the network. Defaults to `"ensemble"`.

    Returns:
        A network over the features of all members, with output `(batch, 1)`.

    Raises:
        ValueError: If there are fewer than two networks, two of them are the same object, one does
            not have a single score, or a feature has different types in two members.
        TypeError: If a network is not a Keras model with one dict as its input.

    Example:
        >>> import rankkit as rk
        >>> def member():
        ...     features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        ...     return rk.models.tower(features, hidden_units=[16])
        >>> rk.ensemble([member(), member()]).output_shape
        (None, 1)
    """
    check_boolean("independent", independent)
    check_text("name", name)
    inputs, scores = member_scores(networks)
    stacked = tf.keras.layers.Concatenate(name="members", dtype="float32")(scores)
    return tf.keras.Model(inputs, EnsembleMean(independent=independent)(stacked), name=name)


def member_scores(networks: Any) -> tuple[dict[str, Any], list[Any]]:
    """Makes the inputs of a network over several networks, and the score of each of them."""
    networks = check_sequence("networks", networks, "a list of networks")
    if len(networks) < 2:
        fix = "Build more, or use the network itself."
        raise invalid("the number of networks", len(networks), "at least 2", fix)
    for index, network in enumerate(networks):
        if (first := next(i for i, each in enumerate(networks) if each is network)) < index:
            expected, fix = f"another object than networks[{first}]", "Build the network twice."
            raise invalid(f"networks[{index}]", network, expected, fix)
        if (shape := getattr(network, "output_shape", None)) != (None, 1):
            fix = "Pass the network of a RankingModel, or that of a head: model.head(...).network."
            raise invalid(f"output shape of networks[{index}]", shape, "(None, 1)", fix)
    specs: dict[str, tf.TensorSpec] = {}
    for network in networks:
        for feature, spec in feature_specs(network).items():
            other = specs.setdefault(feature, spec)
            if (other.dtype, other.shape.rank) != (spec.dtype, spec.shape.rank):
                raise ValueError(
                    "Several networks must read a feature as the same type. Got: "
                    f"feature {feature!r} is {other} in one and {spec} in another."
                )
    inputs = {
        feature: tf.keras.Input(shape=spec.shape[1:], dtype=spec.dtype, name=feature)
        for feature, spec in specs.items()
    }
    scores = []
    for index, network in enumerate(networks):
        # Layers of a Keras model must have different names.
        member = tf.keras.Model(network.input, network.output, name=f"member_{index}")
        scores.append(member({feature: inputs[feature] for feature in feature_specs(network)}))
    return inputs, scores


def score_std(model: Any, columns: Mapping[str, Any]) -> np.ndarray:
    """Computes the standard deviation of the members' scores, an estimate of uncertainty.

    Args:
        model: An ensemble of `rankkit.ensemble` or `rankkit.bayesian.factorization_machine`, or a
            `rankkit.RankingModel` of one.
        columns: Examples, as column name to values; columns that are not features are ignored.

    Returns:
        The standard deviation for each example, `(examples,)`, in the unit of the scores.

    Raises:
        TypeError: If the model is not an ensemble.

    Example:
        >>> import rankkit as rk
        >>> def member():
        ...     features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        ...     return rk.models.tower(features, hidden_units=[16])
        >>> rk.score_std(rk.ensemble([member(), member()]), {"user_id": ["7", "42"]}).shape
        (2,)
    """
    network = getattr(model, "network", model)
    layers = [each for each in getattr(network, "layers", []) if isinstance(each, EnsembleMean)]
    if not layers:
        expected = "an ensemble, with a rankkit.layers.EnsembleMean as its last layer"
        raise wrong_type("model", model, expected, "Build one with rankkit.ensemble.")
    check_table("columns", columns)
    members = tf.keras.Model(network.input, layers[-1].input)
    features = finite_features(network, select_features(columns, feature_specs(network)))
    if not (num_rows := len(next(iter(features.values())))):
        return np.zeros(0, np.float32)
    size = num_rows if compares_rows(network) else _BATCH_SIZE
    with plain_errors():
        deviations = [
            tf.math.reduce_std(members(batch, training=False), axis=1).numpy()
            for batch in tf.data.Dataset.from_tensor_slices(features).batch(size)
        ]
    return np.concatenate(deviations)
