"""Losses, metrics and loss weights of the heads of a model."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit.core.listwise import checked_labels, checked_numbers, has_order
from rankkit.layers import NextItemScore
from rankkit.losses import ListLoss, NextItemLoss, OrdinalLoss
from rankkit.metrics import NDCG, ListMetric
from rankkit.models.heads import SCORE, HeadSettings, per_head
from rankkit.training.batch import Batch, check_sizes, labeled, take_apart
from rankkit.training.compile_args import (
    as_metrics,
    check_loss,
    check_per_example,
    for_examples,
    is_cross_entropy,
    is_user_written,
    over_replicas,
    per_example,
    shown_name,
    takes_logits,
    usual_metric,
)
from rankkit.utils.errors import check_choice, invalid, is_number, wrong_type
from rankkit.utils.keras import rename_metric


class Objective:
    """The loss of one head as a `tfrs.tasks.Ranking`, and its metrics.

    `outputs` are its output names, `layer` outputs its score, and `logits` is whether that is a
    logit, `None` if the layers do not show it; `head` is its name, `None` for the only one. For the
    other arguments see `RankingModel.compile`.
    """

    def __init__(
        self,
        loss: Any,
        metrics: Sequence[Any] | None,
        weighted_metrics: Sequence[Any] | None,
        *,
        outputs: Iterable[str],
        layer: tf.keras.layers.Layer,
        logits: bool | None,
        head: str | None = None,
    ):
        loss = per_example(tf.keras.losses.MeanSquaredError() if loss is None else loss)
        from_logits = check_loss(loss, logits)
        self._of_clicks = is_cross_entropy(loss)
        levels = [getattr(each, "levels", None) for each in (loss, layer)]
        if None not in levels and levels[0] != levels[1]:
            expected = f"those of the head, {levels[1]}"
            raise invalid("levels of the loss", levels[0], expected, "Pass the same to both.")
        self._shown = shown_name(loss)
        self._check_labels = getattr(loss, "checked", tf.identity)
        self.reads = getattr(loss, "reads", SCORE)
        check_choice(f"output of the network that {loss.name} reads", self.reads, outputs)
        self.ranks_lists = isinstance(loss, ListLoss)
        self.score_kind = _score_kind(loss, from_logits)
        if isinstance(loss, NextItemLoss):
            if metrics or weighted_metrics:
                fix = "Pass rankkit.evaluation.NextItemMetrics as a callback of fit."
                raise invalid("metrics", metrics or weighted_metrics, "None for this loss", fix)
            metrics = []
        if metrics is None:
            metrics = [NDCG() if self.ranks_lists else usual_metric(loss)]
        unweighted, weighted = (
            as_metrics(name, each, head, from_logits, self.score_kind)
            for name, each in (("metrics", metrics), ("weighted_metrics", weighted_metrics or []))
        )
        parts = (loss, *unweighted, *weighted)
        self.has_own_code = any(map(is_user_written, parts))
        self.takes_probabilities = any(takes_logits(part) is False for part in parts)
        self._checks_scores = self.takes_probabilities and logits is None
        self.mean_loss = tf.keras.metrics.Mean("loss")
        self.notices = Notices(head)
        for metric in (*unweighted, *weighted):
            if isinstance(metric, ListMetric) and not self.ranks_lists:
                raise ValueError(
                    f"Metric {metric.name!r} is computed over lists, and the loss over single "
                    "rows. Use a listwise loss of rankkit.losses with rankkit.data.lists, or "
                    "rankkit.evaluate_ranking after training."
                )
        self._unweighted = unweighted
        self._weighted = weighted
        # The metrics that take the same labels and predictions as the loss.
        task_metrics = [metric for metric in unweighted if self._takes_as_loss(metric)]

        def by_position(y_true: Any, y_pred: Any, sample_weight: Any) -> tf.Tensor:
            # The task calls it by keywords, which may differ in a custom loss.
            return loss(y_true, y_pred, sample_weight=sample_weight)

        self.task = tfrs.tasks.Ranking(loss=by_position, metrics=task_metrics)
        self.metrics = [*unweighted, *weighted]
        for metric in (self.mean_loss, *self.metrics):
            if head is not None:  # as Keras names the metrics of several outputs
                rename_metric(metric, f"{head}_{metric.name}")

    def _takes_as_loss(self, metric: tf.keras.metrics.Metric) -> bool:
        return self.reads == SCORE and isinstance(metric, ListMetric) == self.ranks_lists

    def checked(self, labels: tf.Tensor) -> tf.Tensor:
        """Returns labels after a check that the loss allows them."""
        if not self._of_clicks:
            return self._check_labels(labels)
        fits = (labels >= 0.0) & (labels <= 1.0)
        fix = "Rescale the labels to [0, 1], or convert them to 0 and 1."
        return checked_labels(labels, fits, "from 0 to 1 for a cross entropy", fix)

    def update(self, batch: Batch, outputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Updates the metrics; returns the weighted loss of each example, a row or a list."""
        if self._checks_scores:
            outputs = {**outputs, SCORE: _checked_probabilities(outputs[SCORE])}
        labels, weights, positions = batch.labels, batch.sample_weight, batch.positions
        # One per row, and as the loss takes them.
        by_row = (labels, outputs[SCORE], weights)
        for_loss = (labels, outputs[self.reads], weights)
        if positions is not None:
            uninformative = tf.reduce_sum(tf.cast(~has_order(labels), tf.float32))
            self.notices.count(lists=tf.shape(labels)[0], uninformative=uninformative)
            scores = tf.scatter_nd(positions, outputs[SCORE][:, 0], tf.shape(labels, tf.int64))
            for_loss = (labels, scores, weights)
            if weights is not None:
                weights = tf.gather_nd(weights, positions)
            by_row = (tf.gather_nd(labels, positions)[:, tf.newaxis], outputs[SCORE], weights)
        for_loss = (self.checked(for_loss[0]), *for_loss[1:])
        # Not by the task, which would weight its metrics too, and pass arguments by their names.
        for metric in self._unweighted:
            metric.update_state(*(for_loss if self._takes_as_loss(metric) else by_row)[:2])
        for metric in self._weighted:
            labels, scores, weights = for_loss if self._takes_as_loss(metric) else by_row
            metric.update_state(labels, scores, sample_weight=weights)
        labels, predictions, weights = for_loss
        # The task is a Keras layer: called as one, it would round the labels to half precision.
        losses = self.task.call(labels, predictions, compute_metrics=False)
        if weights is not None:
            fix = "Return one loss per example, of shape (batch,), or remove sample_weight."
            expected = "a loss per example, which can be weighted"
            error = invalid("loss", self._shown, expected, fix)
            has_rank = losses.shape.rank is not None
            losses = check_per_example(losses, labels, error)
            self.notices.count(weighted=tf.size(weights), weight=tf.reduce_sum(weights))
            if has_rank:
                losses = self.task.call(labels, predictions, weights, compute_metrics=False)
            else:  # Keras cannot weight them
                losses *= weights
        losses = for_examples(losses, labels)
        self.mean_loss.update_state(losses)
        return losses


_ESTIMATING = (
    tf.keras.losses.MeanSquaredError, tf.keras.losses.MeanAbsoluteError, tf.keras.losses.Huber,
    tf.keras.losses.LogCosh, OrdinalLoss,
)  # fmt: skip
_ESTIMATING_FUNCTIONS = (
    tf.keras.losses.mean_squared_error, tf.keras.losses.mean_absolute_error,
    tf.keras.losses.huber, tf.keras.losses.log_cosh,
)  # fmt: skip


def _score_kind(loss: tf.keras.losses.Loss, logits: bool | None) -> str | None:
    """How a loss interprets the score, as in `RankingModel.score_kind`."""
    if isinstance(loss, ListLoss | NextItemLoss):
        return "order"
    if is_cross_entropy(loss):
        return "logit" if logits else "probability"
    estimates = getattr(loss, "function", None) in _ESTIMATING_FUNCTIONS
    return "estimate" if estimates or isinstance(loss, _ESTIMATING) else None


class Objectives:
    """One `Objective` per head, and their weighted sum.

    `make_log_variances` creates the variable of learned loss weights, of shape `(heads,)`.
    """

    def __init__(
        self,
        heads: HeadSettings,
        settings: Mapping[str, Any],
        *,
        loss_weights: Any,
        make_log_variances: Callable[[int], tf.Variable],
    ):
        self.next_item_loss = _next_item_loss(settings["loss"], heads)
        self._columns = {head: (label, heads.weights[head]) for head, label in heads.labels.items()}
        self._outputs = heads.outputs
        by_head = [
            per_head(name, value, heads.labels, can_be_shared=False)
            for name, value in settings.items()
        ]
        self.heads = {
            head: _make_objective(head, [each.get(head) for each in by_head], heads)
            for head in heads.labels
        }
        for head in heads.biases:
            if (reads := self.heads[head].reads) != SCORE:
                raise ValueError(
                    f"training_bias is added to the score, but the loss reads {reads!r}. Use a "
                    "loss of the score, or leave training_bias out."
                )
            if self.heads[head].takes_probabilities:
                raise ValueError(
                    "training_bias is added to the score, which must then be a logit, but the loss "
                    "or a metric takes it for a probability. Use from_logits=True and a head "
                    "without rating_range or sigmoid."
                )
        if heads.compares_rows and not any(each.ranks_lists for each in self.heads.values()):
            expected = "a listwise loss, as CandidateAttention scores the candidates of a query"
            fix = "Pass one of rankkit.losses, and batches of rankkit.data.lists to fit."
            raise invalid("loss", settings["loss"], expected, fix)
        self._weights = checked_weights(loss_weights, self.heads)
        self.has_own_code = any(objective.has_own_code for objective in self.heads.values())
        self.learns_weights = isinstance(loss_weights, str)
        self._log_variances = make_log_variances(len(self.heads)) if self.learns_weights else None
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
                SumOfMetrics(f"{head}_weight", lambda index=index: self._weight(index))
                for index, head in enumerate(self.heads)
            ]
        for metric in self.metrics:
            # The state of an epoch is not saved, and could not be loaded under a strategy.
            for method in ("save_own_variables", "load_own_variables"):
                setattr(metric, method, lambda store: None)
        names = Counter(metric.name for metric in self.metrics)
        name, count = names.most_common(1)[0]
        if count > 1:
            fix = "Rename one, such as RootMeanSquaredError(name='weighted')."
            raise invalid("the name of each metric", name, "different from the others", fix)

    def take_apart(self, inputs: Any, features: Iterable[str]) -> dict[Any, Batch]:
        """Splits a batch into one per head; the first holds the features."""
        lists = any(objective.ranks_lists for objective in self.heads.values())
        batches = {}
        for head, (label, weight) in self._columns.items():
            assert label is not None  # otherwise, there is a NextItemLoss
            columns = () if batches else features  # gathering those of lists takes time
            batches[head] = take_apart(
                inputs, label, weight, columns, lists=lists, partly=head is not None
            )
        return batches

    def check(self, columns: Mapping[str, Any]) -> None:
        """Checks the labels and sample weights of all examples, before steps that cannot."""
        for head, batch in self.take_apart(columns, ()).items():
            labeled_batch = batch if head is None else labeled(batch, lists=False)[0]
            self.heads[head].checked(labeled_batch.labels)

    def update(
        self, batches: Mapping[Any, Batch], outputs: Mapping[str, tf.Tensor], regularization: Any
    ) -> tf.Tensor:
        """Updates the metrics; returns this replica's part of the loss of all heads, a scalar."""
        # A subclass of the model may compute them in half precision.
        outputs = {name: tf.cast(output, tf.float32) for name, output in outputs.items()}
        parts, labeled_heads = [], []
        for head, objective in self.heads.items():
            batch = batches[head]
            given = {name: outputs[key] for name, key in self._outputs[head].items()}
            batch = check_sizes(batch, given[SCORE])
            if head is not None:
                size = tf.shape(given[SCORE] if batch.positions is None else batch.labels)[0]
                batch, rows = labeled(batch, lists=objective.ranks_lists)
                objective.notices.count(rows=size, labeled=tf.shape(batch.labels)[0])
                given = {name: tf.gather(output, rows) for name, output in given.items()}
            losses = objective.update(batch, given)
            count = over_replicas(tf.cast(tf.size(losses), losses.dtype))
            parts.append(tf.math.divide_no_nan(tf.reduce_sum(losses), count))
            labeled_heads.append(tf.cast(count > 0.0, tf.float32))
        examples = tf.shape(next(iter(batches.values())).labels)[0]  # rows or lists
        self._regularization.update_state(tf.fill([examples], tf.cast(regularization, tf.float32)))
        replicas = over_replicas(tf.ones(())) if self.learns_weights else 1.0
        return self._weighted_sum(parts, labeled_heads, replicas)

    def _weight(self, index: int) -> tf.Tensor:
        assert self._log_variances is not None
        return tf.exp(-self._log_variances[index])

    def _sum_of(self, means: list[tf.keras.metrics.Metric]) -> tf.Tensor:
        labeled_heads = [tf.cast(tf.identity(mean.count) > 0.0, tf.float32) for mean in means]
        return self._weighted_sum([mean.result() for mean in means], labeled_heads, 1.0)

    def _weighted_sum(self, losses: list, labeled_heads: list, replicas: Any) -> tf.Tensor:
        """Weights the losses of the heads; of the learned weights, each replica adds its share."""
        if self._log_variances is None:
            return tf.add_n([w * loss for w, loss in zip(self._weights, losses, strict=True)])
        total = tf.add_n([self._weight(index) * loss for index, loss in enumerate(losses)])
        return total + tf.reduce_sum(labeled_heads * self._log_variances) / replicas

    def warn_about_uninformative_data(self) -> None:
        """Warns about examples of the last epoch that carry no training signal."""
        notices = [objective.notices for objective in self.heads.values()]
        for each, counted in [(each, each.take()) for each in notices]:
            each.warn(counted)


def _next_item_loss(loss: Any, heads: HeadSettings) -> NextItemLoss | None:
    """Returns a loss of the next item, after a check that the model fits."""
    label = heads.labels.get(None)
    if isinstance(loss, NextItemLoss) and type(loss).call is not NextItemLoss.call:
        expected = "a NextItemLoss with its own call, whose gradients are computed with the values"
        raise invalid("loss", shown_name(loss), expected)
    if not isinstance(loss, NextItemLoss):
        if None in heads.labels and label is None:
            fix = "Pass the name of the label column to RankingModel."
            raise invalid("label", None, "a column for a loss other than NextItemLoss", fix)
        return None
    if label is not None or None not in heads.labels:
        expected = "None for NextItemLoss, whose labels are the items of the histories"
        raise invalid("label", label or [*heads.labels.values()], expected)
    layer = heads.layers[None]
    if not isinstance(layer, NextItemScore) or heads.biases or layer.activity_regularizer:
        given = "a training_bias" if heads.biases else f"a score of layer {layer.name!r}"
        expected = "of a network whose score is that of a NextItemScore without more"
        raise invalid("loss", "NextItemLoss", expected, f"Got: {given}.")
    return loss


def _make_objective(head: Any, settings: Sequence[Any], heads: HeadSettings) -> Objective:
    """Makes the objective of a head; its name is part of the errors."""
    try:
        outputs, layer = heads.outputs[head], heads.layers[head]
        logits = heads.logits[head]
        return Objective(*settings, outputs=outputs, layer=layer, logits=logits, head=head)
    except (ValueError, TypeError) as error:
        if head is None:
            raise
        raise type(error)(f"Head {head!r}: {error}") from None


def _checked_probabilities(scores: tf.Tensor) -> tf.Tensor:
    """Returns scores after a check that they are in [0, 1]; XLA leaves it out, and they are NaN."""
    wrong = (scores < -1e-5) | (scores > 1.0 + 1e-5)
    fix = "Pass from_logits=True to the loss and the metrics if the network outputs logits."
    expected = "from 0 to 1 for a loss or metric of probabilities"
    scores = checked_numbers("Scores", scores, ~wrong, expected, fix)
    return tf.where(wrong, float("nan"), scores)


def checked_weights(weights: Any, heads: Mapping[Any, Any]) -> list[float]:
    """Returns the fixed weight of the loss of each head."""
    if weights is None:
        return [1.0] * len(heads)
    if None in heads:
        fix = "Remove loss_weights, or use sample_weight."
        raise invalid("loss_weights", weights, "None for a network with a single head", fix)
    if isinstance(weights, str) and weights == "uncertainty":
        return [1.0] * len(heads)
    weights = per_head("loss_weights", weights, heads, can_be_shared=False)
    for name, weight in weights.items():
        if not is_number(weight):
            raise wrong_type(f"loss_weights[{name!r}]", weight, "a number")
    found = [float(weights.get(head, 1.0)) for head in heads]
    if min(found) < 0 or not 0 < sum(found) < float("inf"):
        raise invalid("loss_weights", dict(weights), "at least 0 each, and not all 0")
    return found


class SumOfMetrics(tf.keras.metrics.Metric):
    """Reports a value computed from other metrics."""

    def __init__(self, name: str, compute: Callable[[], tf.Tensor]):
        super().__init__(name=name)
        self._compute = compute

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        pass

    @tf.autograph.experimental.do_not_convert
    def result(self) -> tf.Tensor:
        return self._compute()


class Notices:
    """Counts the examples of an epoch that carry no training signal for a head."""

    def __init__(self, head: str | None):
        self._of = "" if head is None else f" for head {head!r}"
        # Examples, lists of no two different labels, sample weights, and the sum of these.
        names = ("rows", "labeled", "lists", "uninformative", "weighted", "weight")
        self._sums = {name: tf.keras.metrics.Sum(name) for name in names}
        self._counted: set[str] = set()  # in traced steps; reading all sums takes time
        self._warned: set[str] = set()

    def count(self, **numbers: tf.Tensor) -> None:
        """Adds the numbers of a batch to the sums of these names."""
        for name, number in numbers.items():
            self._counted.add(name)
            self._sums[name].update_state(tf.cast(number, tf.float32))

    def take(self) -> dict[str, float]:
        """Returns the counts and resets them."""
        counted = dict.fromkeys(self._sums, 0.0)
        for name in self._counted:
            counted[name] = float(self._sums[name].result())
            self._sums[name].reset_state()
        return counted

    def warn(self, counted: dict[str, float]) -> None:
        """Warns of each kind once; raises if all sample weights were 0."""
        if counted["weighted"] and not counted["weight"]:
            raise ValueError(
                f"All sample weights are 0{self._of}, so that nothing can be learned. Use another "
                "sample_weight column, or none."
            )
        if counted["rows"] and not counted["labeled"]:
            self._warn(f"No example had a label{self._of}: its loss and metrics are undefined.")
        if counted["uninformative"]:
            self._warn(
                "Lists with a single item or with all-equal labels carry no training "
                f"signal{self._of}: {counted['uninformative']:,.0f} of {counted['lists']:,.0f} "
                "lists."
            )

    def _warn(self, text: str) -> None:
        kind = text.split()[0]
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(text, stacklevel=5)
