"""A network and a task: what is trained."""

import types
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit._batch import check_sizes, take_apart
from rankkit._errors import invalid
from rankkit._fitting import Fitting
from rankkit._objective import Objective
from rankkit._task import check_xla, over_replicas
from rankkit.network import feature_specs, select_features


@tf.keras.utils.register_keras_serializable(package="rankkit")
class RankingModel(Fitting):
    """Trains a ranking network through `tfrs.tasks.Ranking`.

    Works as any `tf.keras.Model` does. A batch is one dict of columns with the label among them,
    or `(features, label[, sample_weight])`; columns that have no part are ignored.

    `fit` and `evaluate` report the means over the epoch's examples of `loss`,
    `regularization_loss` and their sum `total_loss`, and the metrics: all the same, as the
    weights are, on one replica and on many.

    Args:
        network: What scores a row, as `rankkit.ranking_network` gives it.
        label: Name of the column that holds the label.
        sample_weight: Name of the column that holds the weight of each example in the loss.
            Defaults to `None`, every example counts 1.
        name: Name of the model. Defaults to `"ranking_model"`.
        **kwargs: Further keyword arguments of `tf.keras.Model`.

    Input shape:
        A dict of the network's features, each `(batch, ...)`.

    Output shape:
        `(batch, 1)`.

    Raises:
        TypeError: If the network is not a Functional model with one dict as its input.
        ValueError: If it gives other than one score a row; if the label or the weight is also a
            feature of it.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["7", "42"], "rating": [3.0, 5.0]}
        >>> network = rk.ranking_network(
        ...     {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)},
        ...     head=rk.layers.DenseRatingHead([16]),
        ... )
        >>> model = rk.RankingModel(network, label="rating")
        >>> model.compile(optimizer="adagrad")
        >>> history = model.fit(rk.data.batches(rows, 2), verbose=0)
        >>> sorted(history.history)
        ['loss', 'regularization_loss', 'root_mean_squared_error', 'total_loss']
    """

    def __init__(
        self,
        network: tf.keras.Model,
        *,
        label: str,
        sample_weight: str | None = None,
        name: str = "ranking_model",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        specs = feature_specs(network)
        if network.output_shape != (None, 1):
            raise invalid(
                "network.output_shape", network.output_shape, "(None, 1), one score a row"
            )
        for role, column in (("label", label), ("sample_weight", sample_weight)):
            if column in specs:
                raise invalid(role, column, "a column that is no feature of the network")
        if label == sample_weight:
            raise invalid("sample_weight", sample_weight, "another column than the label")
        self.network = network
        self.label = label
        self.sample_weight = sample_weight
        self.built = True  # The network came built.

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        return feature_specs(self.network)

    @property
    def task(self) -> tfrs.tasks.Ranking:
        """The task, once the model is compiled."""
        return self._objective.task

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The metrics that `fit` and `evaluate` report."""
        return self._objective.metrics if hasattr(self, "_objective") else []

    @tf.autograph.experimental.do_not_convert
    def call(self, inputs: Mapping[str, Any], training: Any = None) -> tf.Tensor:
        return self.network(select_features(inputs, self.feature_specs), training=training)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizer and the task, as in `tf.keras.Model.compile`.

        Args:
            optimizer: A Keras optimizer or its name. Defaults to `"rmsprop"`.
            loss: A Keras loss, its name, or a function of `(y_true, y_pred)`. It is taken per
                example and averaged over the global batch, whatever its own reduction says.
                Defaults to `None`, the mean squared error.
            metrics: A list of Keras metrics or their names, never weighted. Defaults to `None`,
                the root mean squared error.
            weighted_metrics: A list of metrics that the sample weights do weight.
                Defaults to `None`.
            **kwargs: Further keyword arguments of `tf.keras.Model.compile`, such as
                `steps_per_execution` and `jit_compile`.
        """
        if kwargs.get("loss_weights") is not None:
            raise invalid("loss_weights", kwargs["loss_weights"], "None: there is a single loss")
        check_xla(kwargs.get("jit_compile"), self.feature_specs)
        super().compile(optimizer=optimizer, **kwargs)
        self._compile_arguments = types.SimpleNamespace(  # which Keras does not track
            loss=loss, metrics=metrics, weighted_metrics=weighted_metrics, **kwargs
        )
        with self.distribute_strategy.scope():
            self._objective = Objective(loss, metrics, weighted_metrics)
        # Each replica reads the metrics of all of them. Keras would add the readings up.
        self.distribute_reduction_method = "first"

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Scores a batch, updates the metrics, and gives this replica's part of the loss.

        Args:
            inputs: A batch, as `fit` takes it.
            training: Whether the network is run in training mode. Defaults to `False`.

        Returns:
            The sum of the weighted losses of this replica's examples over the number of
            examples of the global batch, a scalar. Added up over the replicas, it is the mean.
        """
        features, labels, weights = take_apart(inputs, self.label, self.sample_weight)
        predictions = self(select_features(features, self.feature_specs), training=training)
        predictions = tf.cast(predictions, labels.dtype)  # of half precision, where that is set
        check_sizes(labels, predictions, weights)
        losses = self._objective.update(labels, predictions, weights, sum(self.losses))
        return tf.reduce_sum(losses) / over_replicas(tf.cast(tf.size(losses), losses.dtype))

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = self.compute_loss(inputs, training=True)
            # Each replica adds its share, so that the sum over replicas counts it once.
            loss += tf.nn.scale_regularization_loss(self.losses)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        self.compute_loss(inputs, training=False)
        return {metric.name: metric.result() for metric in self.metrics}

    def predict_step(self, data: Any) -> tf.Tensor:
        features, _, _ = tf.keras.utils.unpack_x_y_sample_weight(data)
        return self(select_features(features, self.feature_specs), training=False)

    def get_config(self) -> dict[str, Any]:
        return {
            "network": tf.keras.saving.serialize_keras_object(self.network),
            "label": self.label,
            "sample_weight": self.sample_weight,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "RankingModel":
        network = tf.keras.saving.deserialize_keras_object(config["network"], custom_objects)
        return cls(**{**config, "network": network})

    def get_compile_config(self) -> dict[str, Any] | None:
        if not hasattr(self, "_compile_arguments"):
            return None
        return tf.keras.saving.serialize_keras_object(
            {"optimizer": self.optimizer, **vars(self._compile_arguments)}
        )

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**tf.keras.saving.deserialize_keras_object(config))
        self.build_optimizer()
