"""Networks that read the history of a user: DIN, BST and SASRec."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.features import as_features
from rankkit.layers import DenseRatingHead, NextItemScore, TargetAttention, TargetTransformer
from rankkit.models.network import ranking_network
from rankkit.utils.errors import (
    as_names,
    check_choice,
    check_known,
    check_text,
    check_units,
    invalid,
)


def din(
    features: Mapping[str, Any],
    *,
    item: str | None = None,
    history: str | None = None,
    event_features: Sequence[str] = (),
    max_length: int = 50,
    attention_units: Sequence[int] = (16,),
    hidden_units: Sequence[int] = (256, 64),
    **kwargs: Any,
) -> tf.keras.Model:
    """Builds a deep interest network (DIN): an MLP of all features and of a weighted history.

    The layer of the item embeds the items of the history as well, in a
    `rankkit.layers.TargetAttention`, which weights them by the candidate. The network reads the
    columns of `rankkit.data.InteractionLog.add_histories`. For other networks of a history, pass
    such a layer to `rankkit.ranking_network`. To see the weights of the events, call the method
    `attention` of `network.get_layer("target_attention")`.

    Args:
        features: Features as in `rankkit.ranking_network`, with vectors of any dimensions.
        item: Name of the feature of the candidate, an embedding of its id. Defaults to `None`, the
            last feature that is not one of `event_features`.
        history: Column of the items of the history, the oldest first. Defaults to `None`,
            `"history_"` and the column of the item.
        event_features: Names of features that read further columns of the history, such as
            `"history_gap"`: layers with the `embedding_dim` of the item's layer. Defaults to `()`.
        max_length: Number of events of a history that are read: the last ones. Defaults to `50`.
        attention_units: Sizes of the hidden layers of the MLP that weights the events. Defaults to
            `(16,)`.
        hidden_units: Sizes of the hidden layers of the MLP of all features. Defaults to
            `(256, 64)`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    Raises:
        TypeError: If a layer of the item or of an event does not embed single values.
        ValueError: If a feature is unknown, the history is the column of another feature, or an
            argument does not fit the layer of the history.

    References:
        Zhou et al., Deep interest network for click-through rate prediction, KDD 2018.

    Example:
        >>> import rankkit as rk
        >>> features = {
        ...     "user_id": rk.layers.IdEmbedding(["7", "42"], 8),
        ...     "item_id": rk.layers.IdEmbedding(["x", "y"], 8),
        ... }
        >>> network = rk.models.din(features, hidden_units=[16])
        >>> query = {"user_id": "42", "history_item_id": ["y", "x", "y"]}
        >>> len(rk.rank(network, query, {"item_id": ["x", "y"]}))
        2
    """
    units = check_units("attention_units", attention_units)

    def make(item_layer: Any, **arguments: Any) -> Any:
        name = "target_attention"
        return TargetAttention(item_layer, hidden_units=units, name=name, **arguments)

    features = _with_history(make, features, item, history, event_features, max_length)
    return ranking_network(features, head=DenseRatingHead(hidden_units, **kwargs), name="din")


def bst(
    features: Mapping[str, Any],
    *,
    item: str | None = None,
    history: str | None = None,
    event_features: Sequence[str] = (),
    max_length: int = 50,
    num_blocks: int = 1,
    num_heads: int = 2,
    hidden_units: Sequence[int] = (256, 64),
    **kwargs: Any,
) -> tf.keras.Model:
    """Builds a behavior sequence transformer (BST): an MLP of all features and of a transformer.

    The layer of the item embeds the items of the history as well, in a
    `rankkit.layers.TargetTransformer`, for which the order of the events counts. The network reads
    the columns of `rankkit.data.InteractionLog.add_histories`. For other networks of a history,
    pass such a layer to `rankkit.ranking_network`.

    Args:
        features: Features as in `rankkit.ranking_network`, with vectors of any dimensions.
        item: Name of the feature of the candidate, an embedding of its id. Defaults to `None`, the
            last feature that is not one of `event_features`.
        history: Column of the items of the history, the oldest first. Defaults to `None`,
            `"history_"` and the column of the item.
        event_features: Names of features that read further columns of the history, such as
            `"history_gap"`: layers with the `embedding_dim` of the item's layer. Defaults to `()`.
        max_length: Number of events of a history that are read: the last ones. Defaults to `50`.
        num_blocks: Number of blocks of the transformer. Defaults to `1`.
        num_heads: Number of attention heads, which divides the dimension of the item's vectors.
            Defaults to `2`.
        hidden_units: Sizes of the hidden layers of the MLP of all features. Defaults to
            `(256, 64)`.
        **kwargs: Further arguments of `rankkit.layers.DenseRatingHead`. A `dropout_rate` is that of
            the transformer, too, whose own default is 0.1.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    Raises:
        TypeError: If a layer of the item or of an event does not embed single values.
        ValueError: If a feature is unknown, the history is the column of another feature, or an
            argument does not fit the layer of the history.

    References:
        Chen et al., Behavior sequence transformer for e-commerce recommendation in Alibaba,
        DLP-KDD 2019.

    Example:
        >>> import rankkit as rk
        >>> features = {
        ...     "user_id": rk.layers.IdEmbedding(["7", "42"], 8),
        ...     "item_id": rk.layers.IdEmbedding(["x", "y"], 8),
        ... }
        >>> rk.models.bst(features, hidden_units=[16]).output_shape
        (None, 1)
    """
    dropout = {name: kwargs[name] for name in ("dropout_rate",) if name in kwargs}

    def make(item_layer: Any, **arguments: Any) -> Any:
        blocks = {"num_blocks": num_blocks, "num_heads": num_heads, **dropout}
        return TargetTransformer(item_layer, **blocks, **arguments)

    features = _with_history(make, features, item, history, event_features, max_length)
    return ranking_network(features, head=DenseRatingHead(hidden_units, **kwargs), name="bst")


def sasrec(
    features: Mapping[str, Any],
    *,
    item: str | None = None,
    history: str | None = None,
    event_features: Sequence[str] = (),
    max_length: int = 50,
    **kwargs: Any,
) -> tf.keras.Model:
    """Builds SASRec, a transformer that scores the candidate as the next item of a history.

    Train it with `rankkit.losses.NextItemLoss` over `rankkit.data.sequences`. The history and the
    candidate are all that it reads; for further features, use `rankkit.models.bst`.

    Args:
        features: The feature of the candidate, a `rankkit.layers.IdEmbedding`, and those of
            `event_features`.
        item: Name of the feature of the candidate. Defaults to `None`, the one that is not in
            `event_features`.
        history: Column of the items of the history, the oldest first. Defaults to `None`,
            `"history_"` and the column of the item.
        event_features: Names of features that read further columns of the history, such as
            `"history_rating"`: layers with the `embedding_dim` of the item's layer. Their values
            must have been known at the time of the event. Defaults to `()`.
        max_length: Number of events of a history that are read: the last ones. Defaults to `50`.
        **kwargs: Further arguments of `rankkit.layers.NextItemScore`.

    Returns:
        A network with output `(batch, 1)`, as from `rankkit.ranking_network`.

    Raises:
        TypeError: If a layer of the item or of an event does not embed single values.
        ValueError: If there is a further feature, the history is the column of another one, or an
            argument does not fit the layer of the history.

    References:
        Kang and McAuley, Self-attentive sequential recommendation, ICDM 2018.

    Example:
        >>> import rankkit as rk
        >>> features = {"item_id": rk.layers.IdEmbedding(["Heat", "Clue"], 8)}
        >>> network = rk.models.sasrec(features, max_length=20)
        >>> sorted(network.input)
        ['history_item_id', 'item_id']
    """

    def make(item_layer: Any, **arguments: Any) -> Any:
        return NextItemScore(item_layer, **kwargs, **arguments)

    made = _with_history(make, features, item, history, event_features, max_length)
    if len(made) > 1:
        fix = "Use rankkit.models.bst for features of users and candidates."
        expected = "one, that of the candidate"
        raise invalid("features other than event_features", [*made], expected, fix)
    return ranking_network(made, interaction=lambda scores: scores[0], name="sasrec")


def _with_history(
    make: Any,
    features: Mapping[str, Any],
    item: str | None,
    history: str | None,
    event_features: Sequence[str],
    max_length: int,
) -> dict[str, Any]:
    """Returns features in which the layer of the item reads the history, too."""
    read = as_features(features)
    events = as_names("event_features", event_features)
    check_known("feature in event_features", events, read)
    others = [name for name in read if name not in events]
    if not others:
        fix = "Name the feature of the candidate in features, too."
        expected = "a list that leaves out the feature of the candidate"
        raise invalid("event_features", event_features, expected, fix)
    item = others[-1] if item is None else check_choice("item", item, others)
    columns = [source for name in (*events, item) for source in read[name].sources]
    history = f"history_{columns[-1]}" if history is None else check_text("history", history)
    layer = make(
        read[item].layer,
        side_layers=[read[name].layer for name in events],
        max_length=max_length,
    )
    if any(history in each.sources for each in read.values()):
        raise invalid("history", history, "a column that no feature reads", "Drop that feature.")
    made = {name: (read[name].sources, read[name].layer) for name in others}
    return {**made, item: ((history, *columns), layer)}
