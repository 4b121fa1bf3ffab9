"""Networks with several heads: shared bottom, MMoE and PLE."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from rankkit.interactions import concatenate
from rankkit.layers import MultiGateMixtureOfExperts, ProgressiveExtraction
from rankkit.models.network import ranking_network


def shared_bottom(
    features: Mapping[str, Any],
    heads: Mapping[str, Any],
    *,
    score: Any,
    hidden_units: Sequence[int] = (256,),
    activation: Any = "relu",
) -> tf.keras.Model:
    """Builds a tower of dense layers that all heads share.

    Args:
        features: Features as for `rankkit.ranking_network`; vectors of any widths.
        heads: Name of each objective to its head, such as a `rankkit.layers.DenseRatingHead`.
        score: What candidates are ranked by: name of the head to weight, or a function.
        hidden_units: Widths of the shared layers. Defaults to `(256,)`.
        activation: Of the shared layers. Defaults to `"relu"`.

    Returns:
        A network, as `rankkit.ranking_network` gives it.

    Raises:
        ValueError: If the score is of unknown heads.

    References:
        Caruana, Multitask learning, Machine Learning 28, 1997.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> heads = {name: rk.layers.DenseRatingHead([16]) for name in ("rating", "click")}
        >>> network = rk.models.shared_bottom(features, heads, score={"click": 1.0})
        >>> sorted(network.output_shape)
        ['click', 'rating', 'score']
    """
    shared = [tf.keras.layers.Dense(units, activation) for units in hidden_units]
    bottom = tf.keras.Sequential(shared, name="shared_bottom")

    def interaction(vectors: list) -> Any:
        return bottom(concatenate(vectors))

    return ranking_network(features, interaction=interaction, head=heads, score=score)


def mmoe(
    features: Mapping[str, Any], heads: Mapping[str, Any], *, score: Any, **kwargs: Any
) -> tf.keras.Model:
    """Builds a mixture of shared experts for each head: MMoE.

    Args:
        features: Features as for `rankkit.ranking_network`; vectors of any widths.
        heads: Name of each objective to its head, such as a `rankkit.layers.DenseRatingHead`.
        score: What candidates are ranked by: name of the head to weight, or a function.
        **kwargs: Further arguments of `rankkit.layers.MultiGateMixtureOfExperts`.

    Returns:
        A network, as `rankkit.ranking_network` gives it.

    Raises:
        ValueError: If the score is of unknown heads, or a number below 1.

    References:
        Ma et al., Modeling task relationships in multi-task learning with multi-gate
        mixture-of-experts, KDD 2018.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> heads = {name: rk.layers.DenseRatingHead([16]) for name in ("rating", "click")}
        >>> network = rk.models.mmoe(features, heads, score={"click": 1.0}, num_experts=3)
        >>> sorted(network.output_shape)
        ['click', 'rating', 'score']
    """
    experts = MultiGateMixtureOfExperts(list(heads), **kwargs)
    return ranking_network(features, interaction=experts, head=heads, score=score)


def ple(
    features: Mapping[str, Any], heads: Mapping[str, Any], *, score: Any, **kwargs: Any
) -> tf.keras.Model:
    """Builds experts of each head's own beside shared ones, level by level: PLE.

    Args:
        features: Features as for `rankkit.ranking_network`; vectors of any widths.
        heads: Name of each objective to its head, such as a `rankkit.layers.DenseRatingHead`.
        score: What candidates are ranked by: name of the head to weight, or a function.
        **kwargs: Further arguments of `rankkit.layers.ProgressiveExtraction`.

    Returns:
        A network, as `rankkit.ranking_network` gives it.

    Raises:
        ValueError: If the score is of unknown heads, or a number below 1.

    References:
        Tang et al., Progressive layered extraction: a novel multi-task learning model for
        personalized recommendations, RecSys 2020.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> heads = {name: rk.layers.DenseRatingHead([16]) for name in ("rating", "click")}
        >>> network = rk.models.ple(features, heads, score={"click": 1.0}, num_levels=2)
        >>> sorted(network.output_shape)
        ['click', 'rating', 'score']
    """
    experts = ProgressiveExtraction(list(heads), **kwargs)
    return ranking_network(features, interaction=experts, head=heads, score=score)
