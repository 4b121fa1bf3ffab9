"""Ensembles: one network that averages the scores of several."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.layers import EnsembleMean
from rankkit.models.network import feature_specs, select_features
from rankkit.utils.errors import check_integer, invalid, wrong_type

_BATCH = 8192


def ensemble(
    networks: Sequence[tf.keras.Model], *, independent: bool = True, name: str = "ensemble"
) -> tf.keras.Model:
    """Builds one network of several: its score is the mean of theirs.

    It trains, saves, ranks and exports as any network. Members that begin with other random
    weights end apart, their mean is better than most of them, and `rankkit.score_std` tells
    where they disagree.

    Args:
        networks: Networks as `rankkit.ranking_network` gives them, new or trained, each made
            anew, with layers of its own.
        independent: Whether each member is trained on its own error, as by
            `rankkit.layers.EnsembleMean`. Defaults to `True`.
        name: Name of the network. Defaults to `"ensemble"`.

    Returns:
        A network over all features that a member reads, with output `(batch, 1)`.

    Raises:
        ValueError: If there are fewer than two, two are the same, or they read a feature as of
            different kinds.

    Example:
        >>> import rankkit as rk
        >>> def member():
        ...     features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        ...     return rk.models.tower(features, hidden_units=[16])
        >>> rk.ensemble([member(), member()]).output_shape
        (None, 1)
    """
    networks = list(networks)
    check_integer("number of networks", len(networks), 2)
    if len({id(network) for network in networks}) < len(networks):
        raise invalid("networks", "one of them twice", "each made anew")
    specs: dict[str, tf.TensorSpec] = {}
    for network in networks:
        if (shape := getattr(network, "output_shape", None)) != (None, 1):
            fix = "Of several heads, take one: RankingModel(...).head(...).network."
            raise invalid("output of a network", shape, "(None, 1), one score a row", fix)
        for feature, spec in feature_specs(network).items():
            other = specs.setdefault(feature, spec)
            if (other.dtype, other.shape.rank) != (spec.dtype, spec.shape.rank):
                fix = "Make their layers for one kind of raw value."
                raise invalid(f"feature {feature!r}", spec, f"as in another member, {other}", fix)
    inputs = {
        feature: tf.keras.Input(shape=spec.shape[1:], dtype=spec.dtype, name=feature)
        for feature, spec in specs.items()
    }
    members = []
    for place, network in enumerate(networks):
        # Under a name of its own, since parts of one model must not share a name.
        member = tf.keras.Model(network.input, network.output, name=f"member_{place}")
        members.append(member({feature: inputs[feature] for feature in feature_specs(network)}))
    scores = tf.keras.layers.Concatenate(name="members")(members)
    return tf.keras.Model(inputs, EnsembleMean(independent=independent)(scores), name=name)


def score_std(model: Any, columns: Mapping[str, Any]) -> np.ndarray:
    """Gives the standard deviation of the members' scores of each row: how unsure a score is.

    Args:
        model: An ensemble, from `rankkit.ensemble` or
            `rankkit.bayesian.factorization_machine`, or a
            `rankkit.RankingModel` of one.
        columns: Rows, column name to values; further columns are ignored.

    Returns:
        `(rows,)`, in the unit of the scores.

    Raises:
        TypeError: If the model is no ensemble.

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
        expected = "an ensemble, whose last layer is a EnsembleMean"
        raise wrong_type("model", model, expected, "Make one by rankkit.ensemble.")
    members = tf.keras.Model(network.input, layers[-1].input)
    rows = select_features(columns, feature_specs(network))
    if not len(next(iter(rows.values()))):
        return np.zeros(0, np.float32)
    spread = [
        tf.math.reduce_std(members(batch, training=False), axis=1).numpy()
        for batch in tf.data.Dataset.from_tensor_slices(rows).batch(_BATCH)
    ]
    return np.concatenate(spread)
