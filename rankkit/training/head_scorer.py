"""Scorer of a single head of a network with several."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit.models.finite import finite_features
from rankkit.models.network import feature_specs, select_features
from rankkit.utils.graph_errors import plain_errors


class SingleHeadScorer:
    """Scores rows with one head of a network with several; `RankingModel.head` makes it.

    Attributes:
        network: The network of this head alone. It shares its layers with the whole network.
        label: Column of the head's labels, in which NaN means that a row has no label.
        score_kind: How the loss of the head interprets its score, as in `RankingModel`.
    """

    is_partly_labeled = True  # rows without a label do not count in an evaluation

    def __init__(
        self, network: tf.keras.Model, name: str, label: str, score_kind: str | None = None
    ):
        self.network = tf.keras.Model(network.input, network.output[name], name=name)
        self.label = label
        self.score_kind = score_kind

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        return feature_specs(self.network)

    def __call__(self, columns: Mapping[str, Any]) -> tf.Tensor:
        """Returns the scores `(rows, 1)` of columns; columns that are not features are ignored."""
        with plain_errors():
            features = select_features(columns, self.feature_specs)
            return self.network(finite_features(self.network, features), training=False)
