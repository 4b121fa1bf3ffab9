"""What a head is trained and measured by: a TFRS task, and metrics."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit._batch import Batch
from rankkit._errors import invalid, unknown
from rankkit._heads import SCORE
from rankkit._lists import checked_labels
from rankkit._logits import check_loss, is_cross_entropy, usual_metric
from rankkit._notices import Notices
from rankkit._task import as_metrics, is_own_code, per_example
from rankkit.losses import ListLoss
from rankkit.metrics import NDCG, ListMetric


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
        steps = [getattr(each, "steps", None) for each in (loss, layer)]
        if None not in steps and steps[0] != steps[1]:
            fix = "Give both all steps there are."
            raise invalid("steps of the loss", steps[0], f"those of the head, {steps[1]}", fix)
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
