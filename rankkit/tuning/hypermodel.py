"""What keras-tuner builds: a compiled `RankingModel` from hyperparameters."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import keras_tuner as kt
import tensorflow as tf

from rankkit._errors import invalid
from rankkit._features import as_features
from rankkit.layers import DenseRatingHead
from rankkit.model import RankingModel
from rankkit.network import ranking_network
from rankkit.tuning import _passes
from rankkit.tuning._effects import check_effects
from rankkit.tuning._pattern import Pattern
from rankkit.tuning._tracing import tracing_expected
from rankkit.tuning.space import Space


class RankingHyperModel(kt.HyperModel):
    """A space of ranking models, for `rankkit.tuning.search` and for keras-tuner's own tuners.

    Always searched are `tower_width`, the width of the first hidden layer (each further one is a
    quarter as wide), and the `learning_rate`. Of the others the space takes those that it names:
    `tower_depth`, the number of hidden layers (2 otherwise); `embedding_dim` of the features that
    have one; `dropout_rate` in the tower; `l2`, the strength of the squared norm of the embedding
    tables in the loss; the `optimizer` by name (Adagrad otherwise); `batch_size` (1024 rows
    otherwise, or 32 lists); `epochs`, the most that `fit` trains for.

    Args:
        features: Feature name to layer, as for `rankkit.ranking_network`. The layers are patterns:
            each model gets layers of its own, made from their configs.
        label: Name of the column that holds the label.
        space: What is searched: hyperparameter to `(low, high)`, both included, a list of values,
            one fixed value, or `None` for the usual range; or a list of names.
            Defaults to `None`, the usual ranges of the tower's width and the learning rate.
        sample_weight: Name of the column of weights, as for `rankkit.RankingModel`.
            Defaults to `None`.
        head: The pattern of the head, whose tower the hyperparameters replace.
            Defaults to `None`, a `rankkit.layers.DenseRatingHead()`.
        interaction: Layer or function for `rankkit.ranking_network`. Defaults to `None`.
        loss: As for `RankingModel.compile`. Defaults to `None`, the mean squared error.
        metrics: A list of names of Keras metrics. Defaults to `None`, as in `RankingModel.compile`.
        lists: For a loss over lists, arguments of `rankkit.data.lists` by which rows are grouped,
            such as `{"query": "user_id", "list_size": 50}`. Defaults to `None`, single rows.
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
        label: str,
        space: Mapping[str, Any] | Iterable[str] | None = None,
        sample_weight: str | None = None,
        head: tf.keras.layers.Layer | None = None,
        interaction: Callable[[list], Any] | None = None,
        loss: Any = None,
        metrics: Sequence[str] | None = None,
        lists: Mapping[str, Any] | None = None,
        average_weights: bool = True,
        name: str | None = None,
    ):
        super().__init__(name=name)
        read = as_features(features)  # one layer under two names stays one
        patterns = {id(each.layer): Pattern(key, each.layer) for key, each in read.items()}
        self._patterns = {key: patterns[id(each.layer)] for key, each in read.items()}
        self._sources = {key: each.sources for key, each in read.items()}
        self._head = Pattern("head", DenseRatingHead() if head is None else head)
        is_layer = isinstance(interaction, tf.keras.layers.Layer)
        self._interaction = Pattern("interaction", interaction) if is_layer else interaction
        self.space = Space(space)
        if type(self).build_network is RankingHyperModel.build_network:
            check_effects(self.space, list(self._patterns.values()), self._head)
        self.label = label
        self.sample_weight = sample_weight
        self.loss = loss
        self.metrics = metrics
        self.lists = None if lists is None else {"query": "user_id", **lists}
        self.average_weights = average_weights

    @property
    def columns(self) -> list[str]:
        """The columns of the rows that a model of this space reads."""
        more = [self.label, self.sample_weight, (self.lists or {}).get("query")]
        read = chain.from_iterable(self._sources.values())
        return [name for name in dict.fromkeys([*read, *more]) if name is not None]

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
        metrics = None if self.metrics is None else list(self.metrics)
        model.compile(optimizer=optimizer, loss=self.loss, metrics=metrics)
        return model

    def build_network(self, hp: kt.HyperParameters) -> tf.keras.Model:
        """Makes the network of a model; override it for networks of another shape.

        Args:
            hp: keras-tuner's hyperparameters.
        """
        value = self.space.value
        embedding_dim = value(hp, "embedding_dim")
        changes = {} if embedding_dim is None else {"embedding_dim": embedding_dim}
        if (l2 := value(hp, "l2")) is not None:
            regularizer = tf.keras.regularizers.L2(l2) if l2 else None
            changes["embeddings_regularizer"] = tf.keras.regularizers.serialize(regularizer)
        layers = {each: each.make(**changes) for each in dict.fromkeys(self._patterns.values())}
        width = value(hp, "tower_width")
        widths = [max(1, width // 4**depth) for depth in range(value(hp, "tower_depth", 2))]
        changed = {} if (rate := value(hp, "dropout_rate")) is None else {"dropout_rate": rate}
        interaction = self._interaction
        return ranking_network(
            {name: (self._sources[name], layers[each]) for name, each in self._patterns.items()},
            head=self._head.make(hidden_units=widths, **changed),
            interaction=interaction.make() if isinstance(interaction, Pattern) else interaction,
        )

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
                `tf.data.Dataset`. Rows, or lists of them, come in batches of the hyperparameter
                `batch_size`, in another order at each epoch.
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
        usual = _passes.BATCH_SIZE if self.lists is None else _passes.LISTS_A_BATCH
        size = self.space.value(hp, "batch_size", usual)
        x, steps = _passes.fit_batches(x, size, self.columns, self.lists, seed, initial_epoch)
        steps = kwargs.setdefault("steps_per_epoch", steps)
        validation_data = _passes.validation_batches(validation_data, self.columns, self.lists)
        if self.average_weights:
            averaging = _passes.mean_of_an_epoch(steps)
            kwargs["callbacks"] = [averaging, *(kwargs.get("callbacks") or ())]
        if "tuner/epochs" not in hp.values:  # on which Hyperband decides
            epochs = self.space.value(hp, "epochs", epochs)
        kwargs.update(initial_epoch=initial_epoch, epochs=epochs)
        steps = _passes.steps_of_a_call(size, steps, validation_data)
        with tracing_expected(), model.several_steps(steps):
            return model.fit(x, validation_data=validation_data, **kwargs)
