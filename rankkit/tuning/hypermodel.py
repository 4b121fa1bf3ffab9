"""`RankingHyperModel`: from hyperparameters to a compiled `RankingModel`."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras_tuner as kt
import tensorflow as tf

from rankkit.data import batches, lists, with_negatives
from rankkit.training.callbacks import WeightAveraging
from rankkit.training.model import RankingModel
from rankkit.tuning.cloning import NetworkTemplate, as_templates, made
from rankkit.tuning.space import Space
from rankkit.utils.errors import invalid, missing
from rankkit.utils.tensorflow import tracing_expected


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
        x, of_epoch = fit_batches(self.batching, x, size, seed, initial_epoch)
        of_epoch = kwargs.setdefault("steps_per_epoch", of_epoch)
        steps = known_size(x) if of_epoch is None else of_epoch
        if self.average_weights:
            averaging = mean_of_an_epoch(steps)
            kwargs["callbacks"] = [averaging, *(kwargs.get("callbacks") or ())]
        if "tuner/epochs" not in hp.values:  # on which Hyperband decides
            epochs = self.space.value(hp, "epochs", epochs)
        kwargs.update(initial_epoch=initial_epoch, epochs=epochs)
        steps = steps_of_a_call(size, steps, validation_data)
        with tracing_expected(), model.several_steps(steps):
            return model.fit(x, validation_data=validation_data, **kwargs)


def _names(column: Any) -> list[str]:
    """The names of columns: one, those of a dict by head, or none."""
    if column is None:
        return []
    return list(column.values()) if isinstance(column, Mapping) else [column]


_VALIDATION_SEED = 0  # of drawn candidates: those of each trial and epoch are the same


@dataclasses.dataclass(frozen=True)
class Batching:
    """Makes batches.

    Attributes:
        columns: The columns to batch.
        lists: Arguments of `rankkit.data.lists`, or `None`.
        negatives: Arguments of `rankkit.data.with_negatives`, or `None`.
        size: Of a batch to train on, if nobody says another: rows, lists or clicks.
        validation_size: Of a batch to validate on.
    """

    columns: list[str]
    lists: dict[str, Any] | None
    negatives: dict[str, Any] | None
    size: int
    validation_size: int

    def get_config(self) -> dict[str, Any]:
        """The columns and how their rows are grouped into examples."""
        return {"columns": self.columns, "lists": self.lists, "negatives": self.negatives}

    def to_train(self, rows: Any, batch_size: int, **order: Any) -> tf.data.Dataset:
        """Gives batches in another order at each pass.

        Args:
            rows: Rows as for `rankkit.data.batches`.
            batch_size: Rows, lists or clicks a batch.
            **order: The seed, and the epoch to begin with.
        """
        return self._make(rows, batch_size, shuffle=True, **order)

    def to_validate(self, rows: Any, known: Any) -> tf.data.Dataset:
        """Gives large batches, as no gradients are kept of them, the same at each pass.

        Args:
            rows: Rows as for `rankkit.data.batches`.
            known: The rows that are trained on, whose clicks are not to be drawn; or `None`.
        """
        more = {}
        if self.negatives is not None:
            more = {"seed": _VALIDATION_SEED, "exclude": known}
        return self._make(rows, self.validation_size, shuffle=False, **more)

    def _make(self, rows: Any, batch_size: int, **order: Any) -> tf.data.Dataset:
        if self.negatives is not None:
            settings = {**self.negatives, **order, "columns": self.columns}
            return with_negatives(rows, batch_size, **settings)
        if self.lists is not None:
            return lists(rows, batch_size, columns=self.columns, **self.lists, **order)
        return batches(rows, batch_size, columns=self.columns, **order)


def batching_of(
    read: Iterable[str],
    labels: Iterable[str],
    weights: Iterable[str],
    lists: Mapping[str, Any] | None,
    negatives: Mapping[str, Any] | None,
) -> Batching:
    """Says how rows become batches.

    Args:
        read: The columns that a network reads.
        labels: Those of labels.
        weights: Those of weights.
        lists: Arguments of `rankkit.data.lists`, or `None`.
        negatives: Arguments of `rankkit.data.with_negatives`, or `None`.

    Raises:
        ValueError: If there are both lists and negatives, or the item is not named.
    """
    columns = dict.fromkeys([*read, *labels, *weights])
    if negatives is None:
        if lists is None:
            return Batching(list(columns), None, None, 1024, 8192)
        lists = {"query": "user_id", **lists}
        columns |= {lists["query"]: None}
        return Batching(list(columns), lists, None, 32, 256)
    if lists is not None:
        fix = "For lists of a click and its negatives, negatives={'lists': True, ...}."
        raise invalid("lists", dict(lists), "None beside negatives", fix)
    negatives = {"query": "user_id", "label": "click", **negatives}
    if "item" not in negatives:
        raise missing("argument of negatives", "item", ["item"], negatives)
    columns.pop(negatives["label"], None)  # which is made
    columns |= dict.fromkeys([negatives["query"], negatives["item"]])
    return Batching(list(columns), None, negatives, 256, 2048)


SMALL_BATCH = 2048
# Where a step is small, one call of the graph runs this many: its own cost would be most of it.
STEPS_PER_EXECUTION = 16


def fit_batches(
    batching: Batching, rows: Any, batch_size: int, seed: int | None, initial_epoch: int
) -> tuple[tf.data.Dataset, int | None]:
    """Gives the batches that `fit` trains on: those of an iterator in one pass without an end.

    Setting up such a pass takes as long as several steps of a small network, and the next epoch's
    rows can be made ready while the model is validated.

    Args:
        batching: How rows become batches.
        rows: Rows as for `rankkit.data.batches`, or batches, which are left as they are.
        batch_size: Rows, lists or clicks a batch.
        seed: Chooses the order of each epoch; `None` draws one.
        initial_epoch: The epoch that `fit` begins with.

    Returns:
        The batches, and how many of them are to make an epoch, `None` for all of a pass.
    """
    if isinstance(rows, tf.data.Dataset):
        return rows, None
    first = 0 if seed is None else initial_epoch
    if batching.negatives is None:  # rows and lists need no iterator
        return batching.to_train(rows, batch_size, seed=seed, initial_epoch=first), None
    # Where each epoch is a pass of its own, Keras begins one more ahead of the first.
    first = 0 if seed is None else initial_epoch + 1
    batched = batching.to_train(rows, batch_size, seed=seed, initial_epoch=first)
    return batched.repeat(), len(batched)


def known_size(batched: tf.data.Dataset | None) -> int | None:
    """Gives the number of batches of a pass, `None` where Keras cannot tell it ahead."""
    size = 0 if batched is None else int(batched.cardinality())
    return size if size >= 0 else None


def mean_of_an_epoch(steps: int | None) -> WeightAveraging:
    """Averages the weights over about as many steps as an epoch has.

    Args:
        steps: So many, or `None` if that is unknown.
    """
    return WeightAveraging() if steps is None else WeightAveraging(1.0 - 1.0 / max(steps, 2))


def steps_of_a_call(batch_size: int, steps: int | None, validation: tf.data.Dataset | None) -> int:
    """Gives how many steps one call of the graph is to run.

    Args:
        batch_size: Rows, lists or clicks a batch.
        steps: Steps of an epoch, or `None` if that is unknown.
        validation: Batches to validate on, or `None`.
    """
    known = steps is not None and known_size(validation) is not None
    return STEPS_PER_EXECUTION if batch_size <= SMALL_BATCH and known else 1
