"""The heads of a model: their tasks, their metrics, and each as a scorer."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit._errors import invalid, unknown
from rankkit._fitting import Fitting
from rankkit._head_settings import HeadSettings
from rankkit._lookups import looked_up
from rankkit._objectives import Objectives
from rankkit._own_code import has_own_layers
from rankkit._rows_in_memory import Lookups, RowsInMemory
from rankkit.network import feature_specs, select_features


class HeadScorer:
    """Scores rows by one head of a network.

    Args:
        network: A network with several heads.
        name: The head.
        label: The column of its labels, in which NaN stands for none.

    Attributes:
        network: That of this head alone, with the layers of the whole.
        label: The column of its labels.
        is_partly_labelled: That rows without a label do not count for it.
    """

    is_partly_labelled = True

    def __init__(self, network: tf.keras.Model, name: str, label: str):
        self.network = tf.keras.Model(network.input, network.output[name], name=name)
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
        return self.network(features, training=False)


class Headed(Fitting):
    """A model of one head or several."""

    network: tf.keras.Model
    _heads: HeadSettings
    _objectives: Objectives

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        return feature_specs(self.network)

    @property
    def runs_own_code(self) -> bool:
        networks = [self.network, *self._heads.biases.values()]
        return self._objectives.has_own_code or any(map(has_own_layers, networks))

    def _reads_text(self) -> bool:
        return any(spec.dtype == tf.string for spec in self.feature_specs.values())

    def _check_rows(self, rows: RowsInMemory) -> None:
        heads = self._heads
        names = {*heads.labels.values(), *heads.weights.values()} - {None}
        if names <= rows.columns.keys():  # or else a step names what is missing
            columns = {name: rows.columns[name] for name in names}
            self._objectives.check(
                {name: column(tf.range(column.num_rows)) for name, column in columns.items()}
            )

    def _look_up(self, rows: RowsInMemory) -> Lookups:
        return looked_up([self.network, *self._heads.biases.values()], rows)

    @property
    def tasks(self) -> dict[Any, tfrs.tasks.Ranking]:
        """The task of each head, none before the model is compiled."""
        heads = self._objectives.heads if hasattr(self, "_objectives") else {}
        return {head: each.task for head, each in heads.items()}

    @property
    def task(self) -> tfrs.tasks.Ranking | None:
        """The task of the only head; `None` before the model is compiled, or of several heads."""
        return self.tasks.get(None)

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The metrics that `fit` and `evaluate` report."""
        return self._objectives.metrics if hasattr(self, "_objectives") else []

    def head(self, name: str) -> HeadScorer:
        """Gives one head as a scorer, for `rankkit.rank`, `evaluate_ranking` and exports.

        Args:
            name: The head.

        Raises:
            ValueError: If there is no such head.
        """
        labels = self._heads.labels
        if None in labels:
            raise invalid("head", name, "left out, as there is a single head", "Take the model.")
        if name not in labels:
            raise unknown("head", name, labels)
        return HeadScorer(self.network, name, labels[name])

    def _make_log_variances(self, count: int) -> tf.Variable:
        if not hasattr(self, "log_variances"):
            self.log_variances = self.add_weight("log_variances", (count,), initializer="zeros")
        return self.log_variances

    def load_own_variables(self, store: Any) -> None:
        # The learned weights, whether this model has been compiled to learn them or not yet.
        for values in store.values():
            self._make_log_variances(len(values)).assign(values)

    def tell(self) -> None:
        if hasattr(self, "_objectives"):
            self._objectives.tell()
