"""`RankingModel`: a network and its training step."""

import contextlib
import itertools
import os
import re
import traceback
import types
from collections.abc import Iterator, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit.core.in_memory import Lookups, RowsInMemory
from rankkit.models.heads import SCORE, HeadSettings, head_settings, plain
from rankkit.models.network import feature_specs, select_features
from rankkit.training.batch import checked_rows
from rankkit.training.consistency import check_workers
from rankkit.training.executor import Running
from rankkit.training.lookups import looked_up
from rankkit.training.objective import Objectives
from rankkit.utils.errors import invalid, unknown
from rankkit.utils.files import written_whole
from rankkit.utils.tensorflow import has_own_layers, has_servers

# What the checks of batches and layers say, which come back from a graph in TensorFlow's message.
_CHECKS = re.compile(
    r"(label|sample_weight)[^\n\]]* must be (finite|at least 0)\.[^\n]*rows\."
    r"|(labels|sample weights) must be one a (row|list)[^\n\]]*\."
    r"|Labels must be [^\n]*\. Got:\] \[[^\]]*\] \[\.[^\]\n'\"]*\."
    r"|rows of a \w+ must be at most list_size=[^\n\]]*"
    r"|Numbers of layer [^\n]* must be finite\.[^\n]*?(?= : Tensor had)"
)


@contextlib.contextmanager
def value_errors() -> Iterator[None]:
    """Gives rankkit's errors as they were raised; TensorFlow and Keras bury them in a stack."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        # Eagerly, the parts of a message come line by line.
        message = re.sub(r"['\"]\n([^\n]*)\nb['\"]", r"] [\1] [", error.message)
        found = _CHECKS.search(message)
        if not found:
            raise
        words = found.group().replace("\\'", "'")
        raise ValueError(words.replace("Got:] [", "Got: ").replace("] [.", ".")) from None
    except (ValueError, TypeError) as error:
        traced = getattr(error, "ag_error_metadata", None)
        if traced is None or not _raised_here(error):
            raise
        words = traced.cause_message.removeprefix(f"{type(error).__name__}: ")
        raise type(error)(words) from None


def _raised_here(error: Exception) -> bool:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[-1].f_globals.get("__name__", "").startswith("rankkit.")


class Fitting(Running):
    """A model whose `fit`, `evaluate` and `predict` say what is wrong in one line."""

    def fit(self, *args: Any, **kwargs: Any) -> tf.keras.callbacks.History:
        if (weights := kwargs.get("class_weight")) is not None:
            fix = "Make a column of weights, and name it as the model's sample_weight."
            raise invalid("class_weight", weights, "left out", fix)
        check_workers(self, args[0] if args else kwargs.get("x"))
        with value_errors():
            history = super().fit(*args, **kwargs)
        self.tell()
        return history

    def reset_metrics(self) -> None:
        self.tell()  # Keras resets them before each epoch and each evaluation
        super().reset_metrics()

    def tell(self) -> None:
        """Says what an epoch has shown of the data, if anything."""

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        with value_errors():
            return super().evaluate(*args, **kwargs)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        with value_errors():
            return super().predict(*args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        with value_errors():
            return super().train_on_batch(*args, **kwargs)

    def get_compile_config(self) -> dict[str, Any] | None:
        if not hasattr(self, "_compile_arguments"):
            return None
        return tf.keras.saving.serialize_keras_object(
            {"optimizer": self.optimizer, **vars(self._compile_arguments)}
        )

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**tf.keras.saving.deserialize_keras_object(config))
        self.build_optimizer()

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves the model to a `.keras` file, whole or not at all.

        Args:
            filepath: The file, with its ending.
            overwrite: Whether to replace an existing file without asking. Defaults to `True`.
            **kwargs: Further keyword arguments of `tf.keras.Model.save`.

        Raises:
            ValueError: If the file does not end in `.keras`.
        """
        path = os.fspath(filepath)
        if not path.endswith(".keras"):
            fix = "To serve the model, use rankkit.export.save."
            raise invalid("filepath", path, "a file that ends in .keras", fix)
        if has_servers(self.distribute_strategy):
            fix = "save_weights(path) keeps them; a model made without the strategy loads them."
            raise invalid("strategy", "of parameter servers", "another to save a model", fix)
        if not overwrite and os.path.exists(path):
            super().save(path, overwrite=False, **kwargs)  # Keras asks
            return
        with written_whole(path, replace=True) as part:
            super().save(part, **kwargs)


class SingleHeadScorer:
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

    def head(self, name: str) -> SingleHeadScorer:
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
        return SingleHeadScorer(self.network, name, labels[name])

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
                `True` always, `False` never. And `precompute_lookups=False`, which runs rows in
                memory as any others.
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
