"""`RankingModel`: a network and the way it is trained."""

import contextlib
import inspect
import os
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit.core.features import as_feature
from rankkit.core.keras_graph import is_symbolic
from rankkit.models.finite import finite_features
from rankkit.models.heads import head_settings, unwrap_dict
from rankkit.models.network import feature_specs, select_features
from rankkit.models.raw_precision import check_raw_precision
from rankkit.training.batch import checked_rows
from rankkit.training.compile_args import check_run_options
from rankkit.training.consistency import check_workers
from rankkit.training.executor import Executor, check_compilable, reads_text_or_lists
from rankkit.training.forward import forward
from rankkit.training.head_scorer import SingleHeadScorer
from rankkit.training.inputs import Reader
from rankkit.training.loss_scaling import add_name, policy_of, warn_about_overflow
from rankkit.training.objective import Objectives
from rankkit.training.saving import save_file
from rankkit.training.step import penalties, update_weights
from rankkit.utils.errors import check_choice, invalid
from rankkit.utils.graph_errors import NO_BATCH, plain_errors
from rankkit.utils.keras import forget_validation_data
from rankkit.utils.tensorflow import has_servers


@tf.keras.utils.register_keras_serializable(package="rankkit")
class RankingModel(tfrs.models.Model):
    """Trains a ranking network through `tfrs.tasks.Ranking`.

    Works like any `tf.keras.Model`. A batch is one dict of columns that includes the label, or
    `(features, label[, sample_weight])`; columns that are neither are ignored. A DataFrame is
    read as a dict of its columns. For a listwise loss, batches come from `rankkit.data.lists`.

    `fit` and `evaluate` report the metrics and three means over the examples (rows or lists) of the
    epoch: `loss`, `regularization_loss` and their sum `total_loss`. Weights and reported values
    are the same on one replica and on several.

    Args:
        network: The network to train, such as one of `rankkit.ranking_network`.
        label: Name of the label column. For a network with several heads, a dict from the name of
            each head to its label column, in which NaN means that the example has no label; a
            single name is then the label of `score`, the output that combines the heads. Defaults
            to `None`, for a `rankkit.losses.NextItemLoss`, which predicts items of the features.
        sample_weight: Name of the column that weights each example in the loss. For several heads,
            one column for all of them, or a dict from head to column. Defaults to `None`: every
            example has weight 1.
        training_bias: A network of other features, such as the position at which an item was
            clicked, whose score is added during training only. For several heads, a dict from head
            to network. Defaults to `None`.
        name: Name of the model. Defaults to `"ranking_model"`.
        **kwargs: Further keyword arguments of `tf.keras.Model`.

    Input shape:
        A dict of the features of the network, each of shape `(batch, ...)`.

    Output shape:
        `(batch, 1)`, or the dict of outputs of the network.

    Raises:
        TypeError: If the network is not a Functional model with one dict as its input.
        ValueError: If the network does not output one score per row, in `tf.float32`, a label or a
            weight is also a feature of the network, or a head is unknown.

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
        label: str | Mapping[str, str] | None = None,
        sample_weight: str | Mapping[str, str] | None = None,
        training_bias: tf.keras.Model | Mapping[str, tf.keras.Model] | None = None,
        name: str = "ranking_model",
        **kwargs: Any,
    ):
        specs = feature_specs(network)
        heads = head_settings(network, specs, label, sample_weight, training_bias)
        for each in (networks := [network, *heads.biases.values()]):
            check_raw_precision(each)
        if kwargs.pop("autocast", False):
            raise invalid("autocast", True, "False", "Features are cast after they are normalized.")
        # Not that of Keras at this moment; and features are cast after they are normalized.
        super().__init__(name=name, **{"dtype": policy_of(networks), **kwargs}, autocast=False)
        self._heads = heads
        self.network = network
        self.label = label
        self.sample_weight = sample_weight
        self.training_bias = training_bias
        self.built = True  # The network is built already.

    @property
    def feature_specs(self) -> dict[str, tf.TensorSpec]:
        """Feature name to the `tf.TensorSpec` of its raw values."""
        return feature_specs(self.network)

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        # Keras would convert each cell of a list, and repeat a column of one row.
        with plain_errors():
            if not any(map(is_symbolic, tf.nest.flatten(inputs))):
                inputs = select_features(inputs, self.feature_specs)
            return super().__call__(inputs, *args, **kwargs)

    def call(self, inputs: Mapping[str, Any], training: Any = None) -> Any:
        specs = self.feature_specs.items()
        features = {name: as_feature(name, inputs[name], spec) for name, spec in specs}
        return self.network(finite_features(self.network, features), training=training)

    # --- Compilation ---

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        loss_weights: Any = None,
        steps_per_execution: Any = None,
        jit_compile: bool | str | None = "auto",
        precompute_lookups: bool = True,
        **kwargs: Any,
    ) -> None:
        """Sets the optimizer and the task, as `tf.keras.Model.compile` does.

        With several heads, `loss`, `metrics` and `weighted_metrics` are dicts by head.

        Args:
            optimizer: A Keras optimizer or its name. Defaults to `"rmsprop"`.
            loss: A Keras loss, its name, a function of `(y_true, y_pred)`, or a loss of
                `rankkit.losses`. It is computed per example and averaged over the global batch,
                whatever its own reduction; one number for a batch counts for each of its examples.
                A binary cross entropy must have the `from_logits` of the output, which is
                known unless the network has custom layers. Defaults to `None`: the mean squared
                error.
            metrics: Keras metrics or their names, which ignore sample weights; with a listwise loss
                also those of `rankkit.metrics`. They must fit the output, as must their subclasses
                without an `update_state` of their own; for logits, `"auc"` and
                `"binary_crossentropy"` read logits. Defaults to `None`: the root mean squared
                error, the AUC for a cross entropy, `rankkit.metrics.NDCG()` for a listwise loss.
            weighted_metrics: Metrics that use the sample weights. Defaults to `None`.
            loss_weights: For several heads, a dict from head to the weight of its loss, 1 if a head
                is left out; or `"uncertainty"` to learn the weights: the loss is then the sum of
                `exp(-s) * loss + s` with one trained `s` per head (Kendall et al., 2018). Defaults
                to `None`.
            steps_per_execution: Steps in each call of a `tf.function`, as in Keras. Defaults to
                `None`: chosen for each data set and the callbacks.
            jit_compile: `True` compiles the steps with XLA, `False` does not, and `"auto"` compiles
                where it makes training over examples in memory faster. Defaults to `"auto"`.
            precompute_lookups: Whether ids of examples in memory are looked up once, before the
                first step, and the steps then run without an iterator. The results are the same.
                Defaults to `True`.
            **kwargs: Further keyword arguments of `tf.keras.Model.compile`.
        """
        steps_per_execution, jit_compile, precompute_lookups = check_run_options(
            steps_per_execution, jit_compile, precompute_lookups
        )
        settings = {"loss": loss, "metrics": metrics, "weighted_metrics": weighted_metrics}
        with self.distribute_strategy.scope():
            objectives = Objectives(
                self._heads,
                settings,
                loss_weights=loss_weights,
                make_log_variances=self._make_log_variances,
            )
        super().compile(
            optimizer=optimizer,
            steps_per_execution=steps_per_execution,
            jit_compile=bool(jit_compile) and jit_compile != "auto",
            **kwargs,
        )
        self._objectives = objectives
        if not objectives.learns_weights and hasattr(self, "log_variances"):
            del self.log_variances  # of an earlier call
        self._compile_arguments = types.SimpleNamespace(  # Keras does not track its attributes
            **settings,
            loss_weights=loss_weights,
            steps_per_execution=steps_per_execution,
            jit_compile=jit_compile,
            precompute_lookups=precompute_lookups,
            **kwargs,
        )
        # Each replica reads the metrics of all replicas. Keras would sum what they read.
        self.distribute_reduction_method = "first"
        self._executor = Executor(
            self,
            self._heads,
            objectives,
            steps_per_execution=None if steps_per_execution == "auto" else steps_per_execution,
            jit_compile=None if jit_compile == "auto" else bool(jit_compile),
            precompute_lookups=precompute_lookups,
        )

    @property
    def jit_compile(self) -> bool:
        """Whether steps over an iterator are compiled with XLA, which reads no text or lists."""
        return bool(super().jit_compile) and not reads_text_or_lists(self)

    @jit_compile.setter
    def jit_compile(self, value: bool) -> None:
        tf.keras.Model.jit_compile.fset(self, value)
        if self._is_ready:
            self._executor.jit_compile = bool(value)

    @property
    def tasks(self) -> dict[Any, tfrs.tasks.Ranking]:
        """Head to its task; empty before the model is compiled."""
        heads = self._objectives.heads if self._is_ready else {}
        return {head: each.task for head, each in heads.items()}

    @property
    def task(self) -> tfrs.tasks.Ranking | None:
        """The task of the only head; `None` before `compile`, or with several heads."""
        return self.tasks.get(None)

    @property
    def score_kind(self) -> str | None:
        """How the loss interprets the score, which decides how `evaluate_ranking` measures it.

        `"estimate"` of the label, `"logit"`, `"probability"`, or `"order"`: with a listwise loss,
        or if several heads form the score. `None` before `compile` and for a custom loss.
        """
        if self._is_ready and None not in self._objectives.heads:
            return "order"
        return self._objectives.heads[None].score_kind if self._is_ready else None

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The metrics that `fit` and `evaluate` report."""
        return self._objectives.metrics if self._is_ready else []

    @property
    def _is_ready(self) -> bool:
        return hasattr(self, "_executor")

    def _make_log_variances(self, count: int) -> tf.Variable:
        if not hasattr(self, "log_variances"):
            self.log_variances = self.add_weight("log_variances", (count,), initializer="zeros")
        return self.log_variances

    # --- One step ---

    def compute_loss(self, inputs: Any, training: bool = False) -> tf.Tensor:
        """Scores a batch, updates the metrics, and computes this replica's part of the loss.

        Args:
            inputs: A batch, as in `fit`.
            training: Whether the network runs in training mode. Defaults to `False`.

        Returns:
            A scalar: the sum of the weighted losses of this replica's examples (rows or lists),
            divided by the number of examples of the global batch. The sum over replicas is the
            mean.
        """
        batches, outputs = forward(self, self._heads, self._objectives, inputs, training)
        return self._objectives.update(batches, outputs, penalties(self, inputs)[1])

    def train_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        with self._executor.after_reading("train", inputs):
            with tf.GradientTape() as tape:
                loss = self.compute_loss(inputs, training=True)
                # Each replica adds its share, so that the sum over replicas counts it once.
                loss += tf.nn.scale_regularization_loss(penalties(self, inputs)[0])
            limit, filled = self._executor.dense_update_limit, self._executor.has_examples(inputs)
            update_weights(self.optimizer, tape, loss, self.trainable_variables, limit, filled)
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, inputs: Any) -> dict[str, tf.Tensor]:
        with self._executor.after_reading("test", inputs):
            self.compute_loss(inputs, training=False)
        return {metric.name: metric.result() for metric in self.metrics}

    def predict_step(self, data: Any) -> Any:
        check_compilable(self, data)
        features = checked_rows(self, tf.keras.utils.unpack_x_y_sample_weight(data)[0])
        return self(features, training=False)

    # --- Training, evaluation and prediction: Keras's loops, with steps run by the executor ---

    def _arguments(self, *call: Any, **kwargs: Any) -> dict[str, Any]:
        """The arguments of a call of a method, by name, in a form that Keras reads."""
        return Reader(self.feature_specs, self._heads).arguments(*call, **kwargs)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> tf.keras.callbacks.History:
        kwargs = self._arguments(super().fit, x, *args, **kwargs)
        x = kwargs.pop("x")
        self._check_training(super().fit, x, **kwargs)
        if not self._is_ready:
            return super().fit(x, **kwargs)  # Keras raises
        check_workers(self, x)
        executor = self._executor
        with plain_errors():
            execution = executor.plan("train", x, kwargs)
            validation = executor.validation_loop(kwargs)
            if validation is not None:
                kwargs["validation_data"] = validation.stand_in
            if execution.steps_per_epoch is not None:
                kwargs["steps_per_epoch"] = execution.steps_per_epoch
            try:
                with executor.run("train", execution, validation):
                    history = super().fit(execution.data, **kwargs)
            finally:
                forget_validation_data(self)
        self._objectives.warn_about_uninformative_data()
        warn_about_overflow(self.optimizer)
        return history

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        kwargs = self._arguments(super().evaluate, x, *args, **kwargs)
        if not self._is_ready:
            return super().evaluate(**kwargs)  # Keras raises
        with plain_errors():
            execution = self._executor.plan("test", kwargs["x"], kwargs)
            with self._executor.run("test", execution):
                if execution.is_local:
                    return self._executor.evaluate_locally(execution.data, kwargs)
                if logs := super().evaluate(**{**kwargs, "x": execution.data}):
                    return logs
                raise ValueError(NO_BATCH)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs = self._arguments(super().predict, x, *args, **kwargs)
        if self._is_ready:
            self._executor.check_data(kwargs["x"], "steps", kwargs.get("steps"))
        with self._isolated():
            return super().predict(**kwargs)

    def predict_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs = self._arguments(super().predict_on_batch, x, *args, **kwargs)
        with self._isolated():
            return super().predict_on_batch(**kwargs)

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        self._check_training(super().train_on_batch, x, *args, **kwargs)
        kwargs = self._arguments(super().train_on_batch, x, *args, **kwargs)
        with self._isolated():
            return super().train_on_batch(**kwargs)

    def test_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs = self._arguments(super().test_on_batch, x, *args, **kwargs)
        with self._isolated():
            return super().test_on_batch(**kwargs)

    def _check_training(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        given = inspect.signature(method).bind_partial(*args, **kwargs).arguments
        if (weights := given.get("class_weight")) is not None:
            fix = "Make a column of weights, and pass its name as the model's sample_weight."
            raise invalid("class_weight", weights, "None", fix)
        if self._is_ready:
            self._executor.check_trainable()

    @contextlib.contextmanager
    def _isolated(self) -> Iterator[None]:
        """Isolates a callback's own use of the model from the steps of `fit`."""
        isolated = self._executor.isolated() if self._is_ready else contextlib.nullcontext()
        with plain_errors(), isolated:
            yield

    def make_train_function(self, force: bool = False) -> Any:
        self.train_function = self._make_function("train", super().make_train_function, force)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        self.test_function = self._make_function("test", super().make_test_function, force)
        return self.test_function

    def _make_function(self, kind: str, make: Callable[..., Any], force: bool) -> Any:
        return self._executor.function(kind, make, force=force) if self._is_ready else make(force)

    def reset_metrics(self) -> None:
        if self._is_ready:  # Keras resets them before each epoch and each evaluation
            if self._executor.is_training:
                self._executor.check_trainable()
            self._objectives.warn_about_uninformative_data()
        super().reset_metrics()

    # --- Heads, saving and loading ---

    def head(self, name: str) -> SingleHeadScorer:
        """Returns one head as a scorer, for `rankkit.rank`, `evaluate_ranking` and exports.

        Args:
            name: Name of the head.

        Raises:
            ValueError: If there is no such head.
        """
        labels = self._heads.labels
        if None in labels:
            raise ValueError(
                f"The model has a single head. Got: name={name!r}. Use the model itself."
            )
        check_choice("head", name, labels)
        label = labels[name]
        assert label is not None
        kind = self._objectives.heads[name].score_kind if self._is_ready else None
        return SingleHeadScorer(self.network, name, label, kind)

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Saves the model to a `.keras` file, atomically.

        Args:
            filepath: Path of the file, which ends in `.keras`.
            overwrite: Whether to replace an existing file without asking. Defaults to `True`.
            **kwargs: Further keyword arguments of `tf.keras.Model.save`.

        Raises:
            ValueError: If the path does not end in `.keras`, or parameter servers hold the weights.
        """
        path = os.fspath(filepath)
        if not path.endswith(".keras"):
            fix = "To serve the model, use rankkit.export.save."
            raise invalid("filepath", path, "a path that ends in .keras", fix)
        if has_servers(self.distribute_strategy):
            raise ValueError(
                "A model whose weights are held by parameter servers cannot be saved as a .keras "
                "file. Use save_weights(path), and load the weights into a model made without the "
                "strategy."
            )
        save_file(super().save, path, overwrite, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True, *args: Any, **kwargs: Any) -> Any:
        save_file(super().save_weights, os.fspath(filepath), overwrite, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        serialized = tf.keras.saving.serialize_keras_object
        biases = {head: serialized(bias) for head, bias in self._heads.biases.items()}
        return {
            "network": serialized(self.network),
            "label": unwrap_dict(self.label),
            "sample_weight": unwrap_dict(self.sample_weight),
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

    def get_compile_config(self) -> dict[str, Any] | None:
        if not self._is_ready:
            return None
        config = {"optimizer": self.optimizer, **vars(self._compile_arguments)}
        if (indices := self._executor.optimized_indices()) is not None:
            config["optimized_weights"] = indices
        return tf.keras.saving.serialize_keras_object(config)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        arguments = tf.keras.saving.deserialize_keras_object(config)
        indices = arguments.pop("optimized_weights", None)
        self.compile(**arguments)
        add_name(self.optimizer)
        if indices != []:  # of a model that has not been trained
            self._executor.build_optimizer(indices)

    def load_own_variables(self, store: Any) -> None:
        # The learned loss weights, whether or not this model is compiled to learn them yet.
        for values in store.values():
            self._make_log_variances(len(values)).assign(values)
