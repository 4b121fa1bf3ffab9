"""The heads of a model: their tasks, their metrics, and each as a scorer."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit._errors import unknown
from rankkit._fitting import Fitting
from rankkit._objectives import Objectives
from rankkit.network import feature_specs, select_features


class HeadScorer:
    """Scores rows by one head of a network.

    Args:
        network: A network with several heads.
        name: The head.
        label: The column of its labels.
    """

    def __init__(self, network: tf.keras.Model, name: str, label: str):
        self.network = network
        self.name = name
        self.label = label

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        return feature_specs(self.network)

    def __call__(self, columns: Mapping[str, Any]) -> tf.Tensor:
        """Scores rows.

        Args:
            columns: Feature name to values, one a row.

        Returns:
            `(rows, 1)`.
        """
        features = select_features(columns, self.feature_specs)
        return self.network(features, training=False)[self.name]


class Headed(Fitting):
    """A model of one head or several."""

    network: tf.keras.Model
    _heads: Any  # `labels`, head to the column of its labels; the only head is `None`
    _objectives: Objectives

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        return feature_specs(self.network)

    @property
    def tasks(self) -> dict[Any, tfrs.tasks.Ranking]:
        """The task of each head, once the model is compiled."""
        return {head: each.task for head, each in self._objectives.heads.items()}

    @property
    def task(self) -> tfrs.tasks.Ranking:
        """The task of the only head, once the model is compiled."""
        return self.tasks[None]

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The metrics that `fit` and `evaluate` report."""
        return self._objectives.metrics if hasattr(self, "_objectives") else []

    def head(self, name: str) -> HeadScorer:
        """Gives the score of one head alone, for `rankkit.rank` and `evaluate_ranking`.

        Args:
            name: The head.

        Raises:
            ValueError: If there is no such head.
        """
        labels = self._heads.labels
        if name not in labels:
            raise unknown("head", name, [each for each in labels if each is not None])
        return HeadScorer(self.network, name, labels[name])

    def tell(self) -> None:
        if hasattr(self, "_objectives"):
            self._objectives.tell_idle_lists()
