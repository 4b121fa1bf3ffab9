"""SASRec: the next item of a history by causal self-attention."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rankkit.layers import NextItemScore
from rankkit.models.network import ranking_network
from rankkit.utils.errors import as_names, check_text


def sasrec(
    item_layer: Any,
    *,
    item: str = "item_id",
    histories: Iterable[str] = ("history_item_id",),
    **kwargs: Any,
) -> tf.keras.Model:
    """Builds SASRec, a transformer that scores the candidate as the next item of a history.

    Train it with `rankkit.losses.NextItemLoss` over `rankkit.data.sequences`.

    Args:
        item_layer: The `rankkit.layers.IdEmbedding` of the items.
        item: The column of the candidate. Defaults to `"item_id"`.
        histories: The column of the items of the history, and those that `side_layers` read.
            Defaults to `("history_item_id",)`.
        **kwargs: Further arguments of `rankkit.layers.NextItemScore`.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    References:
        Kang and McAuley, Self-attentive sequential recommendation, ICDM 2018.

    Example:
        >>> import rankkit as rk
        >>> items = rk.layers.IdEmbedding(["Heat", "Clue"], 8)
        >>> network = rk.models.sasrec(items, max_length=20)
        >>> sorted(network.input)
        ['history_item_id', 'item_id']
    """
    columns = [*as_names("histories", histories), check_text("item", item)]
    features = {"next_item": (columns, NextItemScore(item_layer, **kwargs))}
    return ranking_network(features, interaction=lambda scores: scores[0], name="sasrec")
