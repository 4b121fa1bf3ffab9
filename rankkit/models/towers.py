"""Networks with one MLP: tower, DCN-V2 and DLRM."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from rankkit.interactions import CrossNetwork, DotInteraction
from rankkit.layers import DenseRatingHead
from rankkit.models.network import ranking_network


def tower(
    features: Mapping[str, Any], *, hidden_units: Sequence[int] = (256, 64), **kwargs: Any
) -> tf.keras.Model:
    """Builds a tower of dense layers over the joined vectors, as TFRS's ranking tutorial does.

    Args:
        features: Features as for `rankkit.ranking_network`; vectors of any widths.
        hidden_units: Widths of the hidden layers. Defaults to `(256, 64)`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`.

    Returns:
        A network, as `rankkit.ranking_network` gives it.

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
    """Builds a deep and cross network: a cross network below a tower.

    Args:
        features: Features as for `rankkit.ranking_network`; vectors of any widths.
        num_layers: Layers of `rankkit.interactions.CrossNetwork`. Defaults to `2`.
        projection_dim: Rank of their matrices. Defaults to `None`, full rank.
        hidden_units: Widths of the tower's hidden layers. Defaults to `(256, 64)`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`.

    Returns:
        A network, as `rankkit.ranking_network` gives it.

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
    """Builds a deep learning recommendation model: products of pairs of vectors below a tower.

    Args:
        features: Features as for `rankkit.ranking_network`; vectors of equal width.
        hidden_units: Widths of the tower's hidden layers. Defaults to `(256, 64)`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`.

    Returns:
        A network, as `rankkit.ranking_network` gives it.

    References:
        Naumov et al., Deep learning recommendation model for personalization and recommendation
        systems, 2019.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> rk.models.dlrm(features, hidden_units=[16]).output_shape
        (None, 1)
    """
    head = DenseRatingHead(hidden_units, **kwargs)
    return ranking_network(features, interaction=DotInteraction(), head=head, name="dlrm")
