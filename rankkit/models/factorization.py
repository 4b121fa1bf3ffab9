"""Factorization machines, DeepFM and SVD++."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.features import as_features
from rankkit.interactions import FactorizationMachine, concatenate
from rankkit.layers import DenseRatingHead
from rankkit.models.network import ranking_network
from rankkit.utils.errors import as_names, check_known, invalid


def factorization_machine(
    features: Mapping[str, Any], *, initial_bias: float = 0.0
) -> tf.keras.Model:
    """Builds a factorization machine: biases and the dot products of all pairs of embeddings.

    Args:
        features: As in `rankkit.ranking_network`, with vectors of equal dimensions, a bias first.
        initial_bias: Initial value of the global bias, such as the mean label. Defaults to `0.0`.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    Raises:
        ValueError: If a numeric feature has no embedding.

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
    _check_embeddings(features)
    interaction = FactorizationMachine(initial_bias=initial_bias)
    return ranking_network(features, interaction=interaction, name="factorization_machine")


def svd_plus_plus(
    features: Mapping[str, Any], *, item: str | Sequence[str] | None = None, initial_bias: float = 0
) -> tf.keras.Model:
    """Builds an SVD++ model: the dot product of the item vector and the sum of user vectors.

    The user vectors are the user's own embedding and, with `rankkit.layers.HistoryEmbedding`, that
    of the items that the user has rated. The vectors of the user do not interact with each other.

    Args:
        features: As in `rankkit.ranking_network`, with vectors of equal dimensions, a bias first.
        item: Name of the item feature, or names of several, whose vectors are summed; all other
            features belong to the user. Defaults to `None`, the last feature.
        initial_bias: Initial value of the global bias, such as the mean label. Defaults to `0`.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    Raises:
        ValueError: If a numeric feature has no embedding, or `item` names an unknown feature.

    References:
        Koren, Factorization meets the neighborhood, KDD 2008.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 9)}
        >>> rk.models.svd_plus_plus(features, initial_bias=3.5).output_shape
        (None, 1)
    """
    _check_embeddings(features)
    items = list(features)[-1:] if item is None else [item]
    if item is not None and not isinstance(item, str):
        items = as_names("item", item, "the name of a feature, or a list of names")
    check_known("feature", items, features)
    groups = ([], [])
    for index, name in enumerate(features):
        groups[name in items].append(index)
    interaction = FactorizationMachine(initial_bias=initial_bias, groups=groups)
    return ranking_network(features, interaction=interaction, name="svd_plus_plus")


def deepfm(
    features: Mapping[str, Any],
    *,
    hidden_units: Sequence[int] = (256, 64),
    initial_bias: float = 0.0,
    **kwargs: Any,
) -> tf.keras.Model:
    """Builds DeepFM, the sum of a factorization machine and an MLP over the same embeddings.

    Args:
        features: As in `rankkit.ranking_network`, with vectors of equal dimensions, a bias first.
        hidden_units: Sizes of the hidden layers of the MLP. Defaults to `(256, 64)`.
        initial_bias: Initial value of the global bias, such as the mean label. Defaults to `0.0`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    Raises:
        ValueError: If a numeric feature has no embedding.

    References:
        Guo et al., DeepFM: a factorization-machine based neural network, IJCAI 2017.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 9)}
        >>> rk.models.deepfm(features, hidden_units=[16]).output_shape
        (None, 1)
    """
    _check_embeddings(features)
    fm = FactorizationMachine(initial_bias=initial_bias)
    mlp = DenseRatingHead(hidden_units, **kwargs)

    def interaction(vectors: list) -> Any:
        return tf.keras.layers.Add(name="sum", dtype="float32")(
            [fm(vectors), mlp(concatenate(vectors))]
        )

    return ranking_network(features, interaction=interaction, name="deepfm")


def _check_embeddings(features: Mapping[str, Any]) -> None:
    """Checks that numeric features have embeddings; the FM would read others as constant biases."""
    for name, feature in as_features(features).items():
        layer = getattr(feature.layer, "layer", feature.layer)  # an Attribute wraps another layer
        if getattr(layer, "embedding_dim", 1) is None:
            fix = "Set it to the dimension of the other features."
            raise invalid(f"the embedding_dim of feature {name!r}", None, "an integer", fix)
