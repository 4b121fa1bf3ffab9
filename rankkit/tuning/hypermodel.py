"""What keras-tuner builds: a compiled `RankingModel` from hyperparameters."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras_tuner as kt
import tensorflow as tf

from rankkit._errors import invalid
from rankkit._tracing import tracing_expected
from rankkit.model import RankingModel
from rankkit.tuning import _passes
from rankkit.tuning._batching import batching_of
from rankkit.tuning.metric_pattern import as_templates, made
from rankkit.tuning.network_pattern import NetworkTemplate
from rankkit.tuning.space import Space


class RankingHyperModel(kt.HyperModel):
    """A space of ranking models, for `rankkit.tuning.search` and for keras-tuner's own tuners.

    Always searched are `tower_width`, the width of the first hidden layer (each further one is a
    quarter as wide), and the `learning_rate`. Of the others the space takes those that it names:
    `tower_depth`, the number of hidden layers (2 otherwise); `embedding_dim` of the features that
    have one; `dropout_rate` in the tower; `l2`, the strength of the squared norm of the embedding
    tables in the loss; the `optimizer` by name (Adagrad otherwise); `batch_size` (1024 rows
    otherwise, 32 lists, or 256 clicks); `epochs`, the most that `fit` trains for.

    Args:
        features: Feature name to layer, as for `rankkit.ranking_network`. The layers are patterns:
            each model gets layers of its own, made from their configs.
        label: Name of the column that holds the label, or one for each head, as for
            `rankkit.RankingModel`.
        space: What is searched: hyperparameter to `(low, high)`, both included, a list of values,
            one fixed value, or `None` for the usual range; or a list of names.
            Defaults to `None`, the usual ranges of the tower's width and the learning rate.
        sample_weight: Name of the column of weights, as for `rankkit.RankingModel`.
            Defaults to `None`.
        head: The pattern of the head, whose tower the hyperparameters replace, or a dict of such
            by name. Defaults to `None`, a `rankkit.layers.DenseRatingHead()`.
        interaction: Layer or function for `rankkit.ranking_network`. Defaults to `None`.
        score: For `rankkit.ranking_network`, with several heads. Defaults to `None`.
        loss: As for `RankingModel.compile`. Defaults to `None`, the mean squared error.
        metrics: A list of metrics, or a dict of lists by head: names of Keras metrics, or metrics
            as patterns. Defaults to `None`, as in `RankingModel.compile`.
        loss_weights: As for `RankingModel.compile`, with several heads. Defaults to `None`.
        lists: For a loss over lists, arguments of `rankkit.data.lists` by which rows are grouped,
            such as `{"query": "user_id", "list_size": 50}`. Defaults to `None`, single rows.
        negatives: For rows that are clicks, arguments of `rankkit.data.with_negatives` by which
            candidates are drawn beside them, such as `{"item": "item_id", "num_negatives": 4}`.
            Those of validation rows stay the same. Defaults to `None`, rows as they are.
        average_weights: Whether a model is validated and ends with the mean of its weights over
            about an epoch, by `rankkit.WeightAveraging`, not with a lucky one. Defaults to `True`.
        name: Name of the hypermodel. Defaults to `None`.

    Raises:
        ValueError: If a hyperparameter is unknown, its range empty or reversed, or no layer has it.
        TypeError: If a feature or the head is of the wrong kind.

    Example:
        >>> import keras_tuner as kt
        >>> import rankkit as rk
        >>> hypermodel = rk.tuning.RankingHyperModel(
        ...     {"user_id": rk.layers.IdEmbedding(["7", "42"], 8)},
        ...     label="rating",
        ...     space={"tower_width": (32, 512), "learning_rate": (1e-3, 1.0)},
        ... )
        >>> hp = kt.HyperParameters()
        >>> hypermodel.build(hp).count_params()
        585
        >>> hp.values
        {'tower_width': 32, 'learning_rate': 0.001}
    """

    def __init__(
        self,
        features: Mapping[str, Any],
        *,
        label: str | Mapping[str, str],
        space: Mapping[str, Any] | Iterable[str] | None = None,
        sample_weight: str | Mapping[str, str] | None = None,
        head: Any = None,
        interaction: Callable[[list], Any] | None = None,
        score: Any = None,
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        lists: Mapping[str, Any] | None = None,
        negatives: Mapping[str, Any] | None = None,
        average_weights: bool = True,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.template = NetworkTemplate(features, head, interaction, score)
        self.space = Space(space)
        if type(self).build_network is RankingHyperModel.build_network:
            self.template.check(self.space)
        self.label = label
        self.sample_weight = sample_weight
        self.loss = loss
        self.metrics = as_templates(metrics)
        self.loss_weights = loss_weights
        columns, labels, weights = self.template.columns, _names(label), _names(sample_weight)
        self.batching = batching_of(columns, labels, weights, lists, negatives)
        self.average_weights = average_weights

    @property
    def columns(self) -> list[str]:
        """The columns of the rows that a model of this space reads."""
        return self.batching.columns

    def declare_hyperparameters(self, hp: kt.HyperParameters) -> None:
        self.space.declare(hp)

    def build(self, hp: kt.HyperParameters) -> RankingModel:
        """Makes a compiled model. No data is read.

        Args:
            hp: keras-tuner's hyperparameters.
        """
        model = RankingModel(
            self.build_network(hp), label=self.label, sample_weight=self.sample_weight
        )
        # By name: from a config, Keras would make one of its legacy optimizers.
        optimizer = tf.keras.optimizers.get(self.space.value(hp, "optimizer", "adagrad"))
        optimizer.learning_rate = self.space.value(hp, "learning_rate")
        metrics = made(self.metrics)
        model.compile(
            optimizer=optimizer, loss=self.loss, metrics=metrics, loss_weights=self.loss_weights
        )
        return model

    def build_network(self, hp: kt.HyperParameters) -> tf.keras.Model:
        """Makes the network of a model; override it for networks of another shape.

        Args:
            hp: keras-tuner's hyperparameters.
        """
        return self.template.make(self.space, hp)

    def fit(
        self,
        hp: kt.HyperParameters,
        model: RankingModel,
        x: Any,
        *,
        validation_data: Any = None,
        epochs: int = 1,
        initial_epoch: int = 0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> tf.keras.callbacks.History:
        """Trains a model, as keras-tuner's tuners ask for it.

        Args:
            hp: keras-tuner's hyperparameters.
            model: A model that `build` made from them.
            x: Training rows as a dict of arrays or a DataFrame, or batches as a
                `tf.data.Dataset`. Rows, lists of them or clicks come in batches of the
                hyperparameter `batch_size`, in another order at each epoch.
            validation_data: The same of the rows to validate on. Defaults to `None`.
            epochs: The last epoch, unless `epochs` is a hyperparameter. Defaults to `1`.
            initial_epoch: The epochs that the model was trained for before. Defaults to `0`.
            seed: Chooses the order of the rows. Defaults to `None`, another one each time.
            **kwargs: Further keyword arguments of `tf.keras.Model.fit`.

        Raises:
            ValueError: If the batch size is given, or searched for rows in batches already.
        """
        if "batch_size" in kwargs:
            raise invalid("batch_size", kwargs["batch_size"], "left out", "Put it into the space.")
        if isinstance(x, tf.data.Dataset) and "batch_size" in self.space.domains:
            fix = "Give the rows as a dict of arrays, or leave batch_size out of the space."
            raise invalid("x", x, "rows, as the batch size is a hyperparameter", fix)
        size = self.space.value(hp, "batch_size", self.batching.size)
        if not isinstance(validation_data, tf.data.Dataset | None):
            known = None if isinstance(x, tf.data.Dataset) else x
            validation_data = self.batching.to_validate(validation_data, known)
        x, of_epoch = _passes.fit_batches(self.batching, x, size, seed, initial_epoch)
        of_epoch = kwargs.setdefault("steps_per_epoch", of_epoch)
        steps = _passes.known_size(x) if of_epoch is None else of_epoch
        if self.average_weights:
            averaging = _passes.mean_of_an_epoch(steps)
            kwargs["callbacks"] = [averaging, *(kwargs.get("callbacks") or ())]
        if "tuner/epochs" not in hp.values:  # on which Hyperband decides
            epochs = self.space.value(hp, "epochs", epochs)
        kwargs.update(initial_epoch=initial_epoch, epochs=epochs)
        steps = _passes.steps_of_a_call(size, steps, validation_data)
        with tracing_expected(), model.several_steps(steps):
            return model.fit(x, validation_data=validation_data, **kwargs)


def _names(column: Any) -> list[str]:
    """The names of columns: one, those of a dict by head, or none."""
    if column is None:
        return []
    return list(column.values()) if isinstance(column, Mapping) else [column]
