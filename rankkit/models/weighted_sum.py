"""Networks whose score is a weighted sum of the scores of others."""

from collections.abc import Sequence

import tensorflow as tf

from rankkit.layers import WeightedScore
from rankkit.models.ensemble import member_scores
from rankkit.utils.errors import check_number, check_sequence, check_text, invalid


def weighted_sum(
    networks: Sequence[tf.keras.Model], weights: Sequence[float], *, name: str = "weighted_sum"
) -> tf.keras.Model:
    """Builds a network whose score is a weighted sum of the scores of trained networks.

    Networks that make different mistakes, such as a transformer and
    `rankkit.models.ItemTransitions.network`, rank better together. Choose the weights on validation
    rows. For the mean of networks that are trained together, use `rankkit.ensemble`.

    Args:
        networks: At least two of `rankkit.ranking_network` that share no layers.
        weights: The weight of each network, in their order.
        name: Name of the network. Defaults to `"weighted_sum"`.

    Returns:
        A network over the features of all networks, with output `(batch, 1)`.

    Raises:
        ValueError: As in `rankkit.ensemble`, or if there are more or fewer weights than networks,
            one is not finite, or all are 0.
        TypeError: If a network is not a Keras model with one dict as its input.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": [1, 1, 2, 2, 2], "item_id": ["a", "b", "a", "c", "b"]}
        >>> transitions = rk.models.ItemTransitions(rows, timestamp=None).network()
        >>> network = rk.models.sasrec({"item_id": rk.layers.IdEmbedding(["a", "b", "c"], 4)})
        >>> rk.models.weighted_sum([network, transitions], [1.0, 5.0]).output_shape
        (None, 1)
    """
    check_text("name", name)
    weights = check_sequence("weights", weights, "a list of one number for each network")
    inputs, scores = member_scores(networks)
    if len(weights) != len(scores):
        expected = f"{len(scores)}, one for each network"
        raise invalid("the number of weights", len(weights), expected)
    weights = [check_number(f"weights[{index}]", each) for index, each in enumerate(weights)]
    if not any(weights):
        raise invalid("weights", weights, "a list of numbers that are not all 0")
    named = {f"score_{index}": score for index, score in enumerate(scores)}
    layer = WeightedScore(dict(zip(named, weights, strict=True)), name="sum")
    return tf.keras.Model(inputs, layer(named), name=name)
