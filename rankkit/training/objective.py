"""Losses, metrics and loss weights of the heads of a model."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit.core.listwise import checked_labels, has_order
from rankkit.losses import ListLoss
from rankkit.metrics import NDCG, ListMetric
from rankkit.models.heads import SCORE, HeadSettings
from rankkit.training.batch import Batch, check_sizes, labelled, take_apart
from rankkit.training.compile_args import (
    as_metrics,
    check_loss,
    is_cross_entropy,
    is_own_code,
    over_replicas,
    per_example,
    usual_metric,
)
from rankkit.utils.errors import invalid, unknown, wrong_type


class Objective:
    """A `tfrs.tasks.Ranking` of one head, with its metrics.

    Args:
        loss: A Keras loss, its name, or a function; `None` for the mean squared error.
        metrics: Metrics that are never weighted; `None` for the usual one of such a loss.
        weighted_metrics: Metrics that are weighted, or `None`.
        outputs: Names of what the head gives, the score by `score`.
        layer: The layer that gives the score.
        head: Its name, which its metrics begin with; `None` for the only one.

    Raises:
        ValueError: If a metric is of lists and the loss of rows, or the loss reads what the head
            does not give.
        TypeError: If something is of the wrong kind.
    """

    def __init__(
        self,
        loss: Any,
        metrics: Sequence[Any] | None,
        weighted_metrics: Sequence[Any] | None,
        *,
        outputs: Iterable[str],
        layer: tf.keras.layers.Layer,
        head: str | None = None,
    ):
        loss = per_example(tf.keras.losses.MeanSquaredError() if loss is None else loss)
        check_loss(loss, layer)
        self._of_clicks = is_cross_entropy(loss)
        levels = [getattr(each, "levels", None) for each in (loss, layer)]
        if None not in levels and levels[0] != levels[1]:
            fix = "Pass the same levels to both."
            raise invalid("levels of the loss", levels[0], f"those of the head, {levels[1]}", fix)
        self._check_labels = getattr(loss, "checked", tf.identity)
        self.reads = getattr(loss, "reads", SCORE)
        if self.reads not in outputs:
            raise unknown(f"output of the network that {loss.name} reads", self.reads, outputs)
        self.ranks_lists = isinstance(loss, ListLoss)
        if metrics is None:
            metrics = [NDCG() if self.ranks_lists else usual_metric(loss)]
        unweighted, weighted = (
            as_metrics(name, each, head, layer)
            for name, each in (("metrics", metrics), ("weighted_metrics", weighted_metrics or []))
        )
        self.has_own_code = any(map(is_own_code, (loss, *unweighted, *weighted)))
        self.mean_loss = tf.keras.metrics.Mean("loss")
        self.notices = Notices(head)
        _check_kind([*unweighted, *weighted], ranks_lists=self.ranks_lists)
        # The task has those that take what the loss takes.
        of_task = [metric for metric in unweighted if self._takes_as_loss(metric)]
        self._others = [metric for metric in unweighted if metric not in of_task]
        self._weighted = weighted
        self.task = tfrs.tasks.Ranking(loss=loss, metrics=of_task)
        self.metrics = [*unweighted, *weighted]
        for metric in (self.mean_loss, *self.metrics):
            if head is not None:  # as Keras names the metrics of several outputs
                metric._name = f"{head}_{metric.name}"

    def _takes_as_loss(self, metric: tf.keras.metrics.Metric) -> bool:
        return self.reads == SCORE and isinstance(metric, ListMetric) == self.ranks_lists

    def checked(self, labels: tf.Tensor) -> tf.Tensor:
        """Gives labels, once all of them are such as the loss takes."""
        if not self._of_clicks:
            return self._check_labels(labels)
        fits = (labels >= 0.0) & (labels <= 1.0)
        fix = "Scale them, or say what is a yes."
        return checked_labels(labels, fits, "from 0 to 1 for a cross entropy", fix)

    def update(self, batch: Batch, outputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Updates the metrics, and gives the loss of each example, a row or a list.

        Args:
            batch: Its labels and weights.
            outputs: What the head gives for each row, `(rows, ...)`.

        Returns:
            The weighted losses, `(batch,)` or `(lists,)`.
        """
        labels, weights, places = batch.labels, batch.sample_weight, batch.places
        # As rows, and as the loss takes them.
        of_rows = (labels, outputs[SCORE], weights)
        of_loss = (labels, outputs[self.reads], weights)
        if places is not None:
            self.notices.count_lists(labels)
            scores = tf.scatter_nd(places, outputs[SCORE][:, 0], tf.shape(labels, tf.int64))
            of_loss = (labels, scores, weights)
            if weights is not None:
                weights = tf.gather_nd(weights, places)
            of_rows = (tf.gather_nd(labels, places)[:, tf.newaxis], outputs[SCORE], weights)
        for metric in self._others:
            metric.update_state(*of_rows[:2])
        for metric in self._weighted:
            labels, scores, weights = of_loss if self._takes_as_loss(metric) else of_rows
            metric.update_state(labels, scores, sample_weight=weights)
        labels, predictions, weights = of_loss
        labels = self.checked(labels)
        losses = self.task(labels=labels, predictions=predictions)
        if weights is not None:
            self.notices.count_weights(weights)
            # Again, since the task would weight its metrics too; the first loss is pruned.
            losses = self.task(labels, predictions, sample_weight=weights, compute_metrics=False)
        self.mean_loss.update_state(losses)
        return losses


def _check_kind(metrics: Sequence[tf.keras.metrics.Metric], *, ranks_lists: bool) -> None:
    """Refuses metrics of lists where the loss is of rows."""
    for metric in metrics:
        if isinstance(metric, ListMetric) and not ranks_lists:
            fix = "It goes with a loss of rankkit.losses over lists, and rankkit.data.lists."
            raise invalid("metrics", metric.name, "metrics of rows, as the loss is of each", fix)


class Objectives:
    """One `Objective` a head, and the loss that they come to.

    Args:
        heads: What the model says of its heads.
        settings: `loss`, `metrics` and `weighted_metrics`, as of `RankingModel.compile`.
        loss_weights: Name of the head to weight of its loss; `"uncertainty"` for weights that are
            learned; `None` for 1 each.
        make_log_variances: Makes the variable of learned weights, `(heads,)`.

    Raises:
        ValueError: If two metrics have the same name, a head is unknown, or a weight negative or
            all of them 0.
        TypeError: If something is of the wrong kind.
    """

    def __init__(
        self,
        heads: HeadSettings,
        settings: Mapping[str, Any],
        *,
        loss_weights: Any,
        make_log_variances: Callable[[int], tf.Variable],
    ):
        self._columns = {head: (label, heads.weights[head]) for head, label in heads.labels.items()}
        self._outputs = heads.outputs
        self.heads = {
            head: _objective(head, heads.outputs[head], heads.layers[head], heads.labels, settings)
            for head in heads.labels
        }
        for head in heads.biases:
            if (reads := self.heads[head].reads) != SCORE:
                fix = "Take a loss of the score, or leave the bias out."
                raise invalid("loss", reads, "of the score, to which training_bias is added", fix)
        self._weights = checked_weights(loss_weights, self.heads)
        learned = isinstance(loss_weights, str)
        self._log_variances = make_log_variances(len(self.heads)) if learned else None
        alone = None in self.heads
        means = [objective.mean_loss for objective in self.heads.values()]
        self._regularization = tf.keras.metrics.Mean("regularization_loss")
        total = SumOfMetrics(
            "total_loss", lambda: self._sum_of(means) + self._regularization.result()
        )
        reported = means if alone else [SumOfMetrics("loss", lambda: self._sum_of(means))]
        self.metrics = [*reported, self._regularization, total]
        for objective in self.heads.values():
            self.metrics += ([] if alone else [objective.mean_loss]) + objective.metrics
        if self._log_variances is not None:
            self.metrics += [
                SumOfMetrics(f"{head}_weight", lambda place=place: self._weight(place))
                for place, head in enumerate(self.heads)
            ]
        for metric in self.metrics:
            # What an epoch has come to is no part of a file, nor could a strategy load it.
            for method in ("save_own_variables", "load_own_variables"):
                setattr(metric, method, _no_state)
        names = [metric.name for metric in self.metrics]
        for name in names:
            if names.count(name) > 1:
                fix = "Name one of them otherwise, such as RootMeanSquaredError(name='weighted')."
                raise invalid("name of a metric", name, "unlike that of any other", fix)

    def take_apart(self, inputs: Any, features: Iterable[str]) -> dict[Any, Batch]:
        """Splits what Keras hands to a step.

        Args:
            inputs: What `RankingModel` is trained on.
            features: Names of the features.

        Returns:
            Head to a batch with its labels; the features are in the first of them.
        """
        lists = any(objective.ranks_lists for objective in self.heads.values())
        batches = {}
        for head, (label, weight) in self._columns.items():
            of_batch = () if batches else features  # of lists, they have to be gathered
            batches[head] = take_apart(
                inputs, label, weight, of_batch, lists=lists, partly=head is not None
            )
        return batches

    def check(self, columns: Mapping[str, Any]) -> None:
        """Refuses labels and weights of rows, ahead of steps that cannot.

        Raises:
            tf.errors.InvalidArgumentError: If one of them is not what it has to be.
            ValueError: If a column is missing.
            TypeError: If one is of the wrong kind.
        """
        for head, batch in self.take_apart(columns, ()).items():
            of_head = batch if head is None else labelled(batch, lists=False)[0]
            self.heads[head].checked(of_head.labels)

    def update(
        self, batches: Mapping[Any, Batch], outputs: Mapping[str, tf.Tensor], regularization: Any
    ) -> tf.Tensor:
        """Updates the metrics, and gives this replica's part of the loss.

        Args:
            batches: From `take_apart`.
            outputs: Of the network, by name.
            regularization: Scalar.

        Returns:
            Scalar: the mean of each head's losses over the examples of all replicas, weighted.
        """
        # Of half precision, where that is set.
        outputs = {name: tf.cast(output, tf.float32) for name, output in outputs.items()}
        parts, labelled_heads = [], []
        for head, objective in self.heads.items():
            batch = batches[head]
            given = {name: outputs[key] for name, key in self._outputs[head].items()}
            check_sizes(batch, given[SCORE])
            if head is not None:
                size = tf.shape(given[SCORE] if batch.places is None else batch.labels)[0]
                batch, rows = labelled(batch, lists=objective.ranks_lists)
                objective.notices.count_rows(size, tf.shape(batch.labels)[0])
                given = {name: tf.gather(output, rows) for name, output in given.items()}
            losses = objective.update(batch, given)
            count = over_replicas(tf.cast(tf.size(losses), losses.dtype))
            parts.append(tf.math.divide_no_nan(tf.reduce_sum(losses), count))
            labelled_heads.append(tf.cast(count > 0.0, tf.float32))
        examples = tf.shape(outputs[SCORE])[0]
        self._regularization.update_state(tf.fill([examples], tf.cast(regularization, tf.float32)))
        if self._log_variances is None:
            return tf.add_n([w * part for w, part in zip(self._weights, parts, strict=True)])
        # Each replica adds its share of what does not depend on its rows.
        replicas = over_replicas(tf.ones(()))
        loss = tf.add_n([self._weight(place) * part for place, part in enumerate(parts)])
        return loss + tf.reduce_sum(labelled_heads * self._log_variances) / replicas

    @property
    def has_own_code(self) -> bool:
        """Whether a loss or a metric is the user's, not one of a library's."""
        return any(objective.has_own_code for objective in self.heads.values())

    @property
    def learns_weights(self) -> bool:
        """Whether the losses are weighted by what is learned."""
        return self._log_variances is not None

    def _weight(self, place: int) -> tf.Tensor:
        assert self._log_variances is not None
        return tf.exp(-self._log_variances[place])

    def _sum_of(self, means: list[tf.keras.metrics.Metric]) -> tf.Tensor:
        results = [mean.result() for mean in means]
        if self._log_variances is None:
            return tf.add_n([w * each for w, each in zip(self._weights, results, strict=True)])
        weighted = [self._weight(place) * each for place, each in enumerate(results)]
        labelled_heads = [tf.cast(mean.count > 0.0, tf.float32) for mean in means]
        return tf.add_n(weighted) + tf.reduce_sum(labelled_heads * self._log_variances)

    def tell(self) -> None:
        """Says what of an epoch's rows has taught nothing."""
        notices = [objective.notices for objective in self.heads.values()]
        for each, counted in [(each, each.take()) for each in notices]:
            each.tell(counted)


def _objective(
    head: Any,
    outputs: Iterable[str],
    layer: tf.keras.layers.Layer,
    labels: Mapping[Any, str],
    settings: Mapping[str, Any],
) -> Objective:
    """Makes the objective of a head, whose name is in what is said of its settings."""
    own = [of_head(name, value, head, labels) for name, value in settings.items()]
    try:
        return Objective(*own, outputs=outputs, layer=layer, head=head)
    except (ValueError, TypeError) as error:
        if head is None:
            raise
        raise type(error)(f"Head {head!r}: {error}") from None


def _no_state(store: Any) -> None:
    pass


UNCERTAINTY = "uncertainty"


def of_head(setting: str, value: Any, head: Any, heads: Mapping[Any, Any]) -> Any:
    """Gives what a setting of `compile` says for a head.

    Args:
        setting: Its name, for errors.
        value: A dict by head, or anything for the only head.
        head: Name of the head, `None` for the only one.
        heads: Name to head.

    Raises:
        ValueError: If a head is unknown.
        TypeError: If there are several heads, and no dict.
    """
    if head is None or value is None:
        return value
    if not isinstance(value, Mapping):
        fix = f"Such as {setting}={{{head!r}: ...}}; heads that are left out have the usual one."
        raise wrong_type(setting, value, "a dict by head, as there are several", fix)
    for name in value:
        if name not in heads:
            raise unknown(f"head in {setting}", name, heads)
    return value.get(head)


def checked_weights(weights: Any, heads: Mapping[Any, Any]) -> list[float]:
    """Gives the fixed weight of each head's loss.

    Args:
        weights: Name of the head to weight, 1 otherwise; `"uncertainty"` or `None` for 1 each.
        heads: Name to head; the only one is `None`.

    Raises:
        ValueError: If a head is unknown or the only one, or a weight negative or all of them 0.
        TypeError: If the weights are no dict.
    """
    if weights is None:
        return [1.0] * len(heads)
    if None in heads:
        raise invalid("loss_weights", weights, "None: there is a single loss")
    if isinstance(weights, str) and weights == UNCERTAINTY:
        return [1.0] * len(heads)
    if not isinstance(weights, Mapping):
        expected = f"a dict by head, or {UNCERTAINTY!r}"
        raise wrong_type("loss_weights", weights, expected)
    for name, weight in weights.items():
        if name not in heads:
            raise unknown("head in loss_weights", name, heads)
        if isinstance(weight, bool) or not isinstance(weight, int | float | np.number):
            raise wrong_type(f"loss_weights[{name!r}]", weight, "a number")
    found = [float(weights.get(head, 1.0)) for head in heads]
    if min(found) < 0 or not 0 < sum(found) < float("inf"):
        raise invalid("loss_weights", dict(weights), "at least 0 each, and not all 0")
    return found


class SumOfMetrics(tf.keras.metrics.Metric):
    """Reports what other metrics come to together."""

    def __init__(self, name: str, compute: Callable[[], tf.Tensor]):
        super().__init__(name=name)
        self._compute = compute

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        pass

    @tf.autograph.experimental.do_not_convert
    def result(self) -> tf.Tensor:
        return self._compute()


class Notices:
    """Counts what of the data teaches a head nothing.

    Args:
        head: Name of the head, `None` for the only one.
    """

    def __init__(self, head: str | None):
        self._of = "" if head is None else f" for head {head!r}"
        names = ("rows", "labelled", "lists", "idle", "weighted", "weight")
        self._sums = {name: tf.keras.metrics.Sum(name) for name in names}
        self._counted: set[str] = set()  # by what was traced; reading all of them takes a while
        self._told: set[str] = set()

    def count_rows(self, rows: tf.Tensor, labelled: tf.Tensor) -> None:
        """Counts the rows or lists of a batch, and those that have a label."""
        self._add("rows", rows)
        self._add("labelled", labelled)

    def count_lists(self, labels: tf.Tensor) -> None:
        """Counts the lists, `(lists, items)`, that have no order."""
        self._add("lists", tf.shape(labels)[0])
        self._add("idle", tf.reduce_sum(tf.cast(~has_order(labels), tf.float32)))

    def count_weights(self, weights: tf.Tensor) -> None:
        """Adds up weights."""
        self._add("weighted", tf.size(weights))
        self._add("weight", tf.reduce_sum(weights))

    def _add(self, name: str, number: tf.Tensor) -> None:
        self._counted.add(name)
        self._sums[name].update_state(tf.cast(number, tf.float32))

    def take(self) -> dict[str, float]:
        """Gives what has been counted, and begins anew."""
        counted = dict.fromkeys(self._sums, 0.0)
        for name in self._counted:
            counted[name] = float(self._sums[name].result())
            self._sums[name].reset_state()
        return counted

    def tell(self, counted: dict[str, float]) -> None:
        """Says what has been counted, each kind once.

        Args:
            counted: From `take`.

        Raises:
            ValueError: If all weights were 0.
        """
        if counted["weighted"] and not counted["weight"]:
            fix = "Nothing can be learned of such rows: take another column, or none."
            expected = f"above 0 for some of the rows{self._of}"
            raise invalid("sample_weight", "0 for each of them", expected, fix)
        if counted["rows"] and not counted["labelled"]:
            self._warn(f"No row had a label{self._of}: its loss and metrics say nothing.")
        if counted["idle"]:
            self._warn(
                f"Lists of one item, or of equal labels alone, teach a loss nothing{self._of}. "
                f"Such were {counted['idle']:,.0f} of {counted['lists']:,.0f}."
            )

    def _warn(self, text: str) -> None:
        kind = text.split()[0]
        if kind not in self._told:
            self._told.add(kind)
            warnings.warn(text, stacklevel=5)
