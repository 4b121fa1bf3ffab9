"""Networks with a single MLP: tower, DCN-V2 and DLRM."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from rankkit.interactions import CrossNetwork, DotInteraction
from rankkit.layers import DenseRatingHead
from rankkit.models.network import ranking_network


def tower(
    features: Mapping[str, Any], *, hidden_units: Sequence[int] = (256, 64), **kwargs: Any
) -> tf.keras.Model:
    """Builds an MLP over the concatenated vectors, the model of the TFRS ranking tutorial.

    A strong baseline: try it before any other architecture.

    Args:
        features: Features as in `rankkit.ranking_network`, with vectors of any dimensions.
        hidden_units: Sizes of the hidden layers. Defaults to `(256, 64)`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> rk.models.tower(features, hidden_units=[16]).output_shape
        (None, 1)
    """
    return ranking_network(features, head=DenseRatingHead(hidden_units, **kwargs), name="tower")


def dcn_v2(
    features: Mapping[str, Any],
    *,
    num_layers: int = 2,
    projection_dim: int | None = None,
    hidden_units: Sequence[int] = (256, 64),
    **kwargs: Any,
) -> tf.keras.Model:
    """Builds a deep and cross network (DCN-V2), a cross network followed by an MLP.

    The cross layers compute explicit feature crosses, which an MLP learns slowly.

    Args:
        features: Features as in `rankkit.ranking_network`, with vectors of any dimensions.
        num_layers: Number of layers of the `rankkit.interactions.CrossNetwork`. Defaults to `2`.
        projection_dim: Rank of the matrices of the cross layers. Defaults to `None`, full rank.
        hidden_units: Sizes of the hidden layers of the MLP. Defaults to `(256, 64)`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    References:
        Wang et al., DCN V2: improved deep & cross network, WWW 2021.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> rk.models.dcn_v2(features, hidden_units=[16]).output_shape
        (None, 1)
    """
    interaction = CrossNetwork(num_layers, projection_dim=projection_dim)
    head = DenseRatingHead(hidden_units, **kwargs)
    return ranking_network(features, interaction=interaction, head=head, name="dcn_v2")


def dlrm(
    features: Mapping[str, Any], *, hidden_units: Sequence[int] = (256, 64), **kwargs: Any
) -> tf.keras.Model:
    """Builds a deep learning recommendation model (DLRM).

    The dot products of all pairs of vectors are the input of an MLP.

    Args:
        features: Features as in `rankkit.ranking_network`, with vectors of equal dimensions.
        hidden_units: Sizes of the hidden layers of the MLP. Defaults to `(256, 64)`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    References:
        Naumov et al., Deep learning recommendation model (DLRM), arXiv:1906.00091, 2019.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> rk.models.dlrm(features, hidden_units=[16]).output_shape
        (None, 1)
    """
    head = DenseRatingHead(hidden_units, **kwargs)
    return ranking_network(features, interaction=DotInteraction(), head=head, name="dlrm")
