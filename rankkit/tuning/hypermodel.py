"""`RankingHyperModel`: builds and trains a `RankingModel` from hyperparameters."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras_tuner as kt
import tensorflow as tf

from rankkit.data import batches, lists, with_negatives
from rankkit.models.network import feature_specs
from rankkit.training.callbacks import WeightAveraging
from rankkit.training.model import RankingModel
from rankkit.tuning.cloning import NetworkTemplate, as_templates, make_metrics
from rankkit.tuning.space import Space
from rankkit.utils.errors import (
    check_boolean,
    check_mapping,
    check_sequence,
    check_text,
    invalid,
    missing,
    wrong_type,
)
from rankkit.utils.tensorflow import expect_retracing


class RankingHyperModel(kt.HyperModel):
    """A search space of ranking models, for `rankkit.tuning.search` and keras-tuner's own tuners.

    Two hyperparameters are always searched: `tower_width`, the width of the first hidden layer
    (each further layer has a quarter of the width), and `learning_rate`. The others are searched
    if the space names them: `tower_depth`, the number of hidden layers (2 otherwise);
    `embedding_dim` of the feature layers that have one; `dropout_rate` of the tower; `l2`, the
    strength of L2 regularization of the embeddings; `optimizer`, by name (Adagrad otherwise);
    `batch_size` (otherwise 1024 rows, 32 lists or 256 clicks); `epochs`, the maximum that `fit`
    trains for.

    Args:
        features: Feature name to layer, as for `rankkit.ranking_network`. The layers are
            templates: each model gets clones of them, made from their configs.
        label: Name of the label column, or a dict with one for each head, as for
            `rankkit.RankingModel`.
        space: The search space: hyperparameter to `(low, high)`, both included, a list of values,
            a fixed value, or `None` for its default range; or a list of names.
            Defaults to `None`, the default ranges of `tower_width` and `learning_rate`.
        sample_weight: Name of the column of sample weights, as for `rankkit.RankingModel`.
            Defaults to `None`.
        head: Template of the head, whose tower the hyperparameters replace, or a dict of heads by
            name. Defaults to `None`, a `rankkit.layers.DenseRatingHead()`.
        interaction: Layer or function for `rankkit.ranking_network`. Defaults to `None`.
        score: For `rankkit.ranking_network`, with several heads. Defaults to `None`.
        network: Function that builds the network in place of `rankkit.ranking_network`, such as
            `rankkit.models.deepfm`. It is called with clones of the features, `hidden_units` and,
            if the space names it, `dropout_rate`. Defaults to `None`.
        loss: As for `RankingModel.compile`. Defaults to `None`, the mean squared error.
        metrics: A list of metrics, or a dict of lists by head: names of Keras metrics, or metrics
            as templates. Defaults to `None`, as in `RankingModel.compile`.
        loss_weights: As for `RankingModel.compile`, with several heads. Defaults to `None`.
        lists: For a listwise loss, arguments of `rankkit.data.lists` by which rows are grouped,
            such as `{"query": "user_id", "list_size": 50}`. Defaults to `None`, single rows.
        negatives: For rows that are clicks, arguments of `rankkit.data.with_negatives` by which
            negatives are sampled, such as `{"item": "item_id", "num_negatives": 4}`. The
            negatives of validation rows stay the same. Defaults to `None`, no sampling.
        average_weights: Whether to validate, and to finish training, with the weights averaged
            over about an epoch, by `rankkit.WeightAveraging`. Defaults to `True`.
        name: Name of the hypermodel. Defaults to `None`.

    Raises:
        ValueError: If a hyperparameter is unknown, its range is empty or reversed, no layer has
            it as an argument, it would change the width of pretrained vectors, or there is a head,
            interaction or score beside a network.
        TypeError: If a feature or the head has the wrong type.

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
        network: Callable[..., tf.keras.Model] | None = None,
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        lists: Mapping[str, Any] | None = None,
        negatives: Mapping[str, Any] | None = None,
        average_weights: bool = True,
        name: str | None = None,
    ):
        if name is not None:
            check_text("name", name)
        expected = "the name of a column, or a dict of them by head"
        for each in label.values() if isinstance(label, Mapping) else [label]:
            check_text("label", each, expected)
        for each in _names(sample_weight):
            check_text("sample_weight", each, expected)
        expected = "a list of metrics, their names or functions, or a dict of lists by head"
        for each in metrics.values() if isinstance(metrics, Mapping) else [metrics or []]:
            for metric in check_sequence("metrics", each, expected):
                if not isinstance(metric, str) and not callable(metric):
                    raise wrong_type("metrics", metric, expected)
        super().__init__(name=name)
        if network is not None:
            if not callable(network):
                raise wrong_type("network", network, "a function of features and hidden_units")
            for role, part in {"head": head, "interaction": interaction, "score": score}.items():
                if part is not None:
                    raise invalid(role, part, "None if there is a network, which has its own")
        self.template = NetworkTemplate(features, head, interaction, score, network)
        self.space = Space(space)
        if type(self).build_network is RankingHyperModel.build_network:
            self.template.check(self.space)
        self.label = label
        self.sample_weight = sample_weight
        self.loss = loss
        self.metrics = as_templates(metrics)
        self.loss_weights = loss_weights
        read = self.template.columns
        if network is not None:  # which may read further columns, such as histories
            read = feature_specs(self.template.make(self.space, kt.HyperParameters()))
        columns = [*read, *_names(label), *_names(sample_weight)]
        self.batching = make_batching(list(dict.fromkeys(columns)), lists, negatives)
        self.average_weights = check_boolean("average_weights", average_weights)

    @property
    def columns(self) -> list[str]:
        """The columns that a model of this space reads."""
        return self.batching.columns

    def declare_hyperparameters(self, hp: kt.HyperParameters) -> None:
        self.space.declare(hp)

    def build(self, hp: kt.HyperParameters) -> RankingModel:
        """Makes a compiled model, without reading data.

        Args:
            hp: keras-tuner's hyperparameters.
        """
        model = RankingModel(
            self.build_network(hp), label=self.label, sample_weight=self.sample_weight
        )
        # By name: from a config, Keras would make one of its legacy optimizers.
        optimizer = tf.keras.optimizers.get(self.space.value(hp, "optimizer", "adagrad"))
        optimizer.learning_rate = self.space.value(hp, "learning_rate")
        metrics = make_metrics(self.metrics)
        model.compile(
            optimizer=optimizer, loss=self.loss, metrics=metrics, loss_weights=self.loss_weights
        )
        return model

    def build_network(self, hp: kt.HyperParameters) -> tf.keras.Model:
        """Makes the network of a model; override it for another architecture.

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
        """Trains a model; called by keras-tuner's tuners.

        Args:
            hp: keras-tuner's hyperparameters.
            model: The model that `build` made from them.
            x: Training rows as a dict of arrays or a DataFrame, or batches as a
                `tf.data.Dataset`. Rows, lists or clicks are batched by the hyperparameter
                `batch_size` and shuffled in each epoch.
            validation_data: Validation rows or batches. Defaults to `None`.
            epochs: The last epoch, unless `epochs` is a hyperparameter. Defaults to `1`.
            initial_epoch: The number of epochs already trained. Defaults to `0`.
            seed: Seed of the shuffling. Defaults to `None`, a random one.
            **kwargs: Further keyword arguments of `tf.keras.Model.fit`.

        Raises:
            ValueError: If `batch_size` is passed, or is a hyperparameter and `x` is batched.
        """
        if "batch_size" in kwargs:
            expected = "left out of the arguments of fit, as it is a hyperparameter"
            fix = "Add it to the space instead."
            raise invalid("batch_size", kwargs["batch_size"], expected, fix)
        if isinstance(x, tf.data.Dataset) and "batch_size" in self.space.domains:
            expected = "a dict of arrays or a DataFrame when batch_size is a hyperparameter"
            raise invalid("x", x, expected, "Pass such rows, or leave batch_size out of the space.")
        size = self.space.value(hp, "batch_size", self.batching.size)
        if not isinstance(validation_data, tf.data.Dataset | None):
            clicks = None if isinstance(x, tf.data.Dataset) else x
            validation_data = self.batching.to_validate(validation_data, clicks)
        x, of_epoch = self.batching.to_fit(x, size, seed, initial_epoch)
        of_epoch = kwargs.setdefault("steps_per_epoch", of_epoch)
        steps = known_size(x) if of_epoch is None else of_epoch
        if self.average_weights:
            known = steps is not None and known_size(validation_data) is not None
            update_freq = _UPDATE_FREQ if size <= _SMALL_BATCH and known else 1
            momentum = 0.99 if steps is None else 1.0 - 1.0 / max(steps, 2)
            averaging = WeightAveraging(momentum, update_freq=update_freq)
            kwargs["callbacks"] = [averaging, *(kwargs.get("callbacks") or ())]
        if "tuner/epochs" not in hp.values:  # set by Hyperband
            epochs = self.space.value(hp, "epochs", epochs)
        kwargs.update(initial_epoch=initial_epoch, epochs=epochs)
        with expect_retracing():
            return model.fit(x, validation_data=validation_data, **kwargs)


def _names(column: Any) -> list[str]:
    """The names of a column, of the columns of a dict by head, or of none."""
    if column is None:
        return []
    return list(column.values()) if isinstance(column, Mapping) else [column]


@dataclasses.dataclass(frozen=True)
class Batching:
    """How rows are grouped into examples and batches."""

    columns: list[str]
    lists: dict[str, Any] | None  # arguments of `rankkit.data.lists`
    negatives: dict[str, Any] | None  # arguments of `rankkit.data.with_negatives`
    size: int  # default size of a training batch: rows, lists or clicks

    def get_config(self) -> dict[str, Any]:
        """The columns and the grouping into examples."""
        return {"columns": self.columns, "lists": self.lists, "negatives": self.negatives}

    def to_validate(self, rows: Any, clicks: Any) -> tf.data.Dataset:
        """Batches that are the same in each epoch; `clicks` of training are never negatives."""
        # The seed samples the same negatives for each trial and epoch.
        sampling = {} if self.negatives is None else {"seed": 0, "exclude": clicks}
        # Larger batches, as validation needs no gradients.
        return self.make(rows, 8 * self.size, shuffle=False, **sampling)

    def to_fit(
        self, rows: Any, batch_size: int, seed: int | None, initial_epoch: int
    ) -> tuple[tf.data.Dataset, int | None]:
        """Batches for `fit`, and the number that makes an epoch if they repeat without end."""
        if isinstance(rows, tf.data.Dataset):
            return rows, None
        # One endless iterator for negatives: it is set up only once, which takes as long as several
        # steps of a small network, and it prefetches the next epoch while the model is validated.
        # With an iterator for each epoch, Keras would start one more before the first.
        # Rows and lists need no iterator.
        repeats = self.negatives is not None
        first = 0 if seed is None else initial_epoch + repeats
        batched = self.make(rows, batch_size, shuffle=True, seed=seed, initial_epoch=first)
        return (batched.repeat(), len(batched)) if repeats else (batched, None)

    def make(self, rows: Any, batch_size: int, **order: Any) -> tf.data.Dataset:
        """Batches in an order given by `shuffle`, `seed` and `initial_epoch`."""
        if self.negatives is not None:
            settings = {**self.negatives, **order, "columns": self.columns}
            return with_negatives(rows, batch_size, **settings)
        if self.lists is not None:
            return lists(rows, batch_size, columns=self.columns, **self.lists, **order)
        return batches(rows, batch_size, columns=self.columns, **order)


def make_batching(
    read: Iterable[str], lists: Mapping[str, Any] | None, negatives: Mapping[str, Any] | None
) -> Batching:
    """Makes the batching of the columns that a model reads."""
    columns = dict.fromkeys(read)
    for name, arguments in (("lists", lists), ("negatives", negatives)):
        if arguments is not None:
            check_mapping(name, arguments, "a dict of arguments")
    if negatives is None:
        if lists is None:
            return Batching(list(columns), None, None, 1024)
        lists = {"query": "user_id", **lists}
        columns |= {lists["query"]: None}
        return Batching(list(columns), lists, None, 32)
    if lists is not None:
        fix = "For lists of a click and its negatives, use negatives={'lists': True, ...}."
        raise invalid("lists", dict(lists), "None when negatives are sampled", fix)
    negatives = {"query": "user_id", "label": "click", **negatives}
    if "item" not in negatives:
        raise missing("argument of negatives", "item", ["item"], negatives)
    columns.pop(negatives["label"], None)  # made by with_negatives
    columns |= dict.fromkeys([negatives["query"], negatives["item"]])
    return Batching(list(columns), None, negatives, 256)


# With small batches, averaging after each step would take longer than the step.
_SMALL_BATCH, _UPDATE_FREQ = 2048, 16


def known_size(batched: tf.data.Dataset | None) -> int | None:
    """The number of batches of an epoch, `None` if it is unknown."""
    size = 0 if batched is None else int(batched.cardinality())
    return size if size >= 0 else None
