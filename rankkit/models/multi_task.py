"""Multi-task networks: shared bottom, MMoE and PLE."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from rankkit.interactions import concatenate
from rankkit.layers import MultiGateMixtureOfExperts, ProgressiveExtraction
from rankkit.models.network import ranking_network
from rankkit.utils.errors import check_mapping, check_units

_HEADS = "a dict of heads by name"


def shared_bottom(
    features: Mapping[str, Any],
    heads: Mapping[str, Any],
    *,
    score: Any,
    hidden_units: Sequence[int] = (256,),
    activation: Any = "relu",
) -> tf.keras.Model:
    """Builds a multi-task network whose heads share dense layers.

    The simplest multi-task architecture. If the objectives conflict, try `mmoe` or `ple`.

    Args:
        features: Features as in `rankkit.ranking_network`, with vectors of any dimensions.
        heads: Head of each objective by name, such as a `rankkit.layers.DenseRatingHead`.
        score: How candidates are ranked: weights by head, or a function of the dict of scores.
        hidden_units: Sizes of the shared layers. Defaults to `(256,)`.
        activation: Activation of the shared layers. Defaults to `"relu"`.

    Returns:
        A network with a dict of outputs, as from `rankkit.ranking_network` with several heads.

    Raises:
        ValueError: If `score` names an unknown head, or a layer has less than one unit.

    References:
        Caruana, Multitask learning, Machine Learning 28, 1997.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> heads = {name: rk.layers.DenseRatingHead([16]) for name in ("rating", "click")}
        >>> sorted(rk.models.shared_bottom(features, heads, score={"click": 1.0}).output_shape)
        ['click', 'rating', 'score']
    """
    check_mapping("heads", heads, _HEADS)
    widths = check_units("hidden_units", hidden_units)
    layers = [tf.keras.layers.Dense(units, activation) for units in widths]
    bottom = tf.keras.Sequential(layers, name="shared_bottom")
    return ranking_network(
        features, interaction=lambda vectors: bottom(concatenate(vectors)), head=heads, score=score
    )


def mmoe(
    features: Mapping[str, Any], heads: Mapping[str, Any], *, score: Any, **kwargs: Any
) -> tf.keras.Model:
    """Builds a multi-gate mixture of experts (MMoE).

    All heads share the experts, and each head has a gate that weights them.

    Args:
        features: Features as in `rankkit.ranking_network`, with vectors of any dimensions.
        heads: Head of each objective by name, such as a `rankkit.layers.DenseRatingHead`.
        score: How candidates are ranked: weights by head, or a function of the dict of scores.
        **kwargs: Further arguments of `rankkit.layers.MultiGateMixtureOfExperts`.

    Returns:
        A network with a dict of outputs, as from `rankkit.ranking_network` with several heads.

    Raises:
        ValueError: If `score` names an unknown head, or a size is below 1.

    References:
        Ma et al., Modeling task relationships in multi-task learning with multi-gate
        mixture-of-experts, KDD 2018.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> heads = {name: rk.layers.DenseRatingHead([16]) for name in ("rating", "click")}
        >>> sorted(rk.models.mmoe(features, heads, score={"click": 1.0}).output_shape)
        ['click', 'rating', 'score']
    """
    experts = MultiGateMixtureOfExperts(list(check_mapping("heads", heads, _HEADS)), **kwargs)
    return ranking_network(features, interaction=experts, head=heads, score=score)


def ple(
    features: Mapping[str, Any], heads: Mapping[str, Any], *, score: Any, **kwargs: Any
) -> tf.keras.Model:
    """Builds a progressive layered extraction network (PLE).

    Each head has experts of its own beside the shared ones, in one or more levels.

    Args:
        features: Features as in `rankkit.ranking_network`, with vectors of any dimensions.
        heads: Head of each objective by name, such as a `rankkit.layers.DenseRatingHead`.
        score: How candidates are ranked: weights by head, or a function of the dict of scores.
        **kwargs: Further arguments of `rankkit.layers.ProgressiveExtraction`.

    Returns:
        A network with a dict of outputs, as from `rankkit.ranking_network` with several heads.

    Raises:
        ValueError: If `score` names an unknown head, or a size is below 1.

    References:
        Tang et al., Progressive layered extraction: a novel multi-task learning model for
        personalized recommendations, RecSys 2020.

    Example:
        >>> import rankkit as rk
        >>> features = {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)}
        >>> heads = {name: rk.layers.DenseRatingHead([16]) for name in ("rating", "click")}
        >>> sorted(rk.models.ple(features, heads, score={"click": 1.0}).output_shape)
        ['click', 'rating', 'score']
    """
    experts = ProgressiveExtraction(list(check_mapping("heads", heads, _HEADS)), **kwargs)
    return ranking_network(features, interaction=experts, head=heads, score=score)
