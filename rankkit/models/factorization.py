"""Factorization machines, DeepFM and SVD++."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.features import as_features
from rankkit.interactions import FactorizationMachine, concatenate
from rankkit.layers import DenseRatingHead
from rankkit.models.network import ranking_network
from rankkit.utils.errors import invalid, unknown


def factorization_machine(
    features: Mapping[str, Any], *, initial_bias: float = 0.0
) -> tf.keras.Model:
    """Builds a factorization machine: biases, and the products of all pairs of vectors.

    Args:
        features: Features as for `rankkit.ranking_network`; vectors of equal width, the first
            number of each its bias.
        initial_bias: What the score begins with, such as the mean label. Defaults to `0.0`.

    Returns:
        A network, as `rankkit.ranking_network` gives it.

    Raises:
        ValueError: If a feature is a number without a vector.

    References:
        Rendle, Factorization machines, ICDM 2010.

    Example:
        >>> import rankkit as rk
        >>> features = {
        ...     "user_id": rk.layers.IdEmbedding(["7", "42"], 9),
        ...     "movie_title": rk.layers.IdEmbedding(["Heat", "Clue"], 9),
        ... }
        >>> rk.models.factorization_machine(features, initial_bias=3.5).count_params()
        55
    """
    _check_vectors(features)
    interaction = FactorizationMachine(initial_bias=initial_bias)
    return ranking_network(features, interaction=interaction, name="factorization_machine")


def svd_plus_plus(
    features: Mapping[str, Any], *, item: str | Sequence[str] | None = None, initial_bias: float = 0
) -> tf.keras.Model:
    """Builds an SVD++: the item's vector meets the sum of all vectors that are known of the user.

    These are the user's own one and, by `rankkit.layers.HistoryEmbedding`, that of what he has
    rated. Unlike in a factorization machine they do not meet each other.

    Args:
        features: Features as for `rankkit.ranking_network`; vectors of equal width, the first
            number of each its bias.
        item: Name of the item's feature, or names, to be added up; the others are the user's.
            Defaults to `None`, the last one.
        initial_bias: What the score begins with, such as the mean label. Defaults to `0`.

    Returns:
        A network, as `rankkit.ranking_network` gives it.

    Raises:
        ValueError: If a feature is a number without a vector, or the item's is unknown.

    References:
        Koren, Factorization meets the neighborhood, KDD 2008.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 9)}
        >>> rk.models.svd_plus_plus(features, initial_bias=3.5).output_shape
        (None, 1)
    """
    _check_vectors(features)
    items = list(features)[-1:] if item is None else [item] if isinstance(item, str) else item
    for name in items:
        if name not in features:
            raise unknown("feature", name, features)
    groups = ([], [])
    for place, name in enumerate(features):
        groups[name in items].append(place)
    machine = FactorizationMachine(initial_bias=initial_bias, groups=groups)
    return ranking_network(features, interaction=machine, name="svd_plus_plus")


def deepfm(
    features: Mapping[str, Any],
    *,
    hidden_units: Sequence[int] = (256, 64),
    initial_bias: float = 0.0,
    **kwargs: Any,
) -> tf.keras.Model:
    """Builds the sum of a factorization machine and a tower over the same vectors.

    Args:
        features: Features as for `rankkit.ranking_network`; vectors of equal width, the first
            number of each its bias.
        hidden_units: Widths of the tower's hidden layers. Defaults to `(256, 64)`.
        initial_bias: What the score begins with, such as the mean label. Defaults to `0.0`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`.

    Returns:
        A network, as `rankkit.ranking_network` gives it.

    Raises:
        ValueError: If a feature is a number without a vector.

    References:
        Guo et al., DeepFM: a factorization-machine based neural network, IJCAI 2017.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 9)}
        >>> rk.models.deepfm(features, hidden_units=[16]).output_shape
        (None, 1)
    """
    _check_vectors(features)
    machine = FactorizationMachine(initial_bias=initial_bias)
    head = DenseRatingHead(hidden_units, **kwargs)

    def both(vectors: list) -> Any:
        return tf.keras.layers.Add(name="sum")([machine(vectors), head(concatenate(vectors))])

    return ranking_network(features, interaction=both, name="deepfm")


def _check_vectors(features: Mapping[str, Any]) -> None:
    """Refuses features without a vector: they would be biases that nothing trains."""
    for name, feature in as_features(features).items():
        layer = getattr(feature.layer, "layer", feature.layer)  # what an `Attribute` gives
        if getattr(layer, "embedding_dim", 1) is None:
            fix = "Give it the width of the other vectors, to be multiplied by a trained one."
            raise invalid(f"embedding_dim of feature {name!r}", None, "a number", fix)
