"""A network and a task: what is trained."""

import itertools
import types
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rankkit._batch import checked_rows
from rankkit._head_settings import head_settings, plain
from rankkit._headed import Headed
from rankkit._heads import SCORE
from rankkit._objectives import Objectives
from rankkit.network import feature_specs, select_features


@tf.keras.utils.register_keras_serializable(package="rankkit")
class RankingModel(Headed):
    """Trains a ranking network through `tfrs.tasks.Ranking`.

    Works as any `tf.keras.Model` does. A batch is one dict of columns with the label among them,
    or `(features, label[, sample_weight])`; columns that have no part are ignored. With a loss of
    `rankkit.losses` over lists, it is one of `rankkit.data.lists`.

    `fit` and `evaluate` report the means over the epoch's examples, rows or lists, of `loss`,
    `regularization_loss` and their sum `total_loss`, and the metrics: all the same, as the
    weights are, on one replica and on many.

    Args:
        network: What scores a row, as `rankkit.ranking_network` gives it.
        label: Name of the column that holds the label; of a network with several heads, name of
            the head to that of its column, in which NaN stands for no label.
        sample_weight: Name of the column that holds the weight of each example in the loss; of
            several heads, one for all of them, or name of the head to its own. Defaults to
            `None`, every example counts 1.
        training_bias: A network of other features, such as the position of what was clicked,
            whose score is added while training alone; of several heads, name of the head to the
            network for it. Defaults to `None`.
        name: Name of the model. Defaults to `"ranking_model"`.
        **kwargs: Further keyword arguments of `tf.keras.Model`.

    Input shape:
        A dict of the network's features, each `(batch, ...)`.

    Output shape:
        `(batch, 1)`, or the dict that the network gives.

    Raises:
        TypeError: If the network is not a Functional model with one dict as its input.
        ValueError: If it gives other than one score a row; if a label or a weight is also a
            feature of it; if a head is unknown.

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
        label: str | Mapping[str, str],
        sample_weight: str | Mapping[str, str] | None = None,
        training_bias: tf.keras.Model | Mapping[str, tf.keras.Model] | None = None,
        name: str = "ranking_model",
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        specs = feature_specs(network)
        self._heads = head_settings(network, specs, label, sample_weight, training_bias)
        self.network = network
        self.label = label
        self.sample_weight = sample_weight
        self.training_bias = training_bias
        self.built = True  # The network came built.

    def call(self, inputs: Mapping[str, Any], training: Any = None) -> tf.Tensor:
        return self.network(select_features(inputs, self.feature_specs), training=training)

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        loss_weights: Any = None,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizer and the task, as in `tf.keras.Model.compile`.

        With several heads, `loss`, `metrics` and `weighted_metrics` are dicts by head.

        Args:
            optimizer: A Keras optimizer or its name. Defaults to `"rmsprop"`.
            loss: A Keras loss, its name, or a function of `(y_true, y_pred)`; or one of
                `rankkit.losses`. It is taken per example and averaged over the global batch,
                whatever its own reduction says. Defaults to `None`, the mean squared error.
            metrics: A list of Keras metrics or their names, never weighted; over lists, those of
                `rankkit.metrics` too. Of a head that gives any number, `"auc"` and
                `"binary_crossentropy"` are those of logits. Defaults to `None`, the root mean
                squared error, the AUC of a cross entropy, or over lists `rankkit.metrics.NDCG()`.
            weighted_metrics: A list of metrics that the sample weights do weight.
                Defaults to `None`.
            loss_weights: Of several heads, name of the head to the weight of its loss, 1
                otherwise; or `"uncertainty"`, to learn them: the loss is then the sum of
                `exp(-s) * loss + s`, of a trained `s` for each head. Defaults to `None`.
            **kwargs: Further keyword arguments of `tf.keras.Model.compile`, such as
                `steps_per_execution`, which is chosen otherwise, and `jit_compile`: `"auto"`, the
                default, compiles by XLA where it makes training over rows in memory faster,
                `True` always, `False` never. And `look_up_ahead=False`, which runs rows in memory
                as any others.
        """
        super().compile(optimizer=optimizer, **kwargs)
        settings = {"loss": loss, "metrics": metrics, "weighted_metrics": weighted_metrics}
        self._compile_arguments = types.SimpleNamespace(  # which Keras does not track
            **settings, loss_weights=loss_weights, **kwargs
        )
        with self.distribute_strategy.scope():
            self._objectives = Objectives(
                self._heads,
                settings,
                loss_weights=loss_weights,
                make_log_variances=self._make_log_variances,
            )
            if not self._objectives.learns_weights and hasattr(self, "log_variances"):
                del self.log_variances  # of an earlier call
        # Each replica reads the metrics of all of them. Keras would add the readings up.
        self.distribute_reduction_method = "first"

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Scores a batch, updates the metrics, and gives this replica's part of the loss.

        Args:
            inputs: A batch, as `fit` takes it.
            training: Whether the network is run in training mode. Defaults to `False`.

        Returns:
            The sum of the weighted losses of this replica's examples, rows or lists, over the
            number of examples of the global batch, a scalar. Added up over the replicas, it is
            the mean.
        """
        specs = self.feature_specs
        biases = self._heads.biases if training else {}
        bias_specs = [feature_specs(bias) for bias in biases.values()]
        names = dict.fromkeys(itertools.chain(specs, *bias_specs))
        batches = self._objectives.take_apart(inputs, names)
        features = next(iter(batches.values())).features
        outputs = self(select_features(features, specs), training=training)
        outputs = dict(outputs) if isinstance(outputs, Mapping) else {SCORE: outputs}
        for (head, bias), columns in zip(biases.items(), bias_specs, strict=True):
            name = self._heads.outputs[head][SCORE]
            added = bias(select_features(features, columns), training=True)
            outputs[name] = tf.cast(outputs[name], tf.float32) + tf.cast(added, tf.float32)
        return self._objectives.update(batches, outputs, sum(self.losses))

    def predict_step(self, data: Any) -> Any:
        features = checked_rows(tf.keras.utils.unpack_x_y_sample_weight(data)[0])
        return self(select_features(features, self.feature_specs), training=False)

    def get_config(self) -> dict[str, Any]:
        serialized = tf.keras.saving.serialize_keras_object
        biases = {head: serialized(bias) for head, bias in self._heads.biases.items()}
        return {
            "network": serialized(self.network),
            "label": plain(self.label),
            "sample_weight": plain(self.sample_weight),
            "training_bias": biases.get(None, biases or None),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "RankingModel":
        def made(part: Any) -> Any:
            return tf.keras.saving.deserialize_keras_object(part, custom_objects)

        bias = config["training_bias"]
        if bias is not None:
            several = "class_name" not in bias
            bias = {head: made(each) for head, each in bias.items()} if several else made(bias)
        return cls(**{**config, "network": made(config["network"]), "training_bias": bias})
