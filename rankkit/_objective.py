"""What a model is trained and measured by: a TFRS task and the means that `fit` reports."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
import tensorflow_recommenders as tfrs

from rankkit._errors import invalid
from rankkit._task import as_metrics, per_example

_REPORTED = ("loss", "regularization_loss", "total_loss")


def _no_state(store: Any) -> None:
    pass


class Objective:
    """A `tfrs.tasks.Ranking` with its metrics.

    Args:
        loss: A Keras loss, its name, or a function; `None` for the mean squared error.
        metrics: Metrics that are never weighted; `None` for the root mean squared error.
        weighted_metrics: Metrics that are weighted, or `None`.

    Raises:
        ValueError: If two metrics have the same name, or one that `fit` reports anyway.
        TypeError: If something is of the wrong kind.
    """

    def __init__(
        self, loss: Any, metrics: Sequence[Any] | None, weighted_metrics: Sequence[Any] | None
    ):
        if metrics is None:
            metrics = [tf.keras.metrics.RootMeanSquaredError()]
        unweighted = as_metrics("metrics", metrics)
        self._weighted = as_metrics("weighted_metrics", weighted_metrics or [])
        self._means = [tf.keras.metrics.Mean(name) for name in _REPORTED]
        self.task = tfrs.tasks.Ranking(
            loss=per_example(tf.keras.losses.MeanSquaredError() if loss is None else loss),
            metrics=unweighted,
        )
        self.metrics = [*self._means, *unweighted, *self._weighted]
        for metric in self.metrics:
            # What an epoch has come to is no part of a file, nor could a strategy load it.
            for method in ("save_own_variables", "load_own_variables"):
                setattr(metric, method, _no_state)
        names = [metric.name for metric in self.metrics]
        for name in names:
            if names.count(name) > 1:
                fix = "Name one of them otherwise, such as RootMeanSquaredError(name='weighted')."
                raise invalid("name of a metric", name, "unlike that of any other", fix)

    def update(
        self,
        labels: tf.Tensor,
        predictions: tf.Tensor,
        weights: tf.Tensor | None,
        regularization: Any,
    ) -> tf.Tensor:
        """Updates the metrics, and gives the loss of each example.

        Args:
            labels: `(batch, 1)`.
            predictions: `(batch, 1)`.
            weights: `(batch,)`, or `None`.
            regularization: Scalar.

        Returns:
            The weighted losses, `(batch,)`.
        """
        if weights is None:
            losses = self.task(labels=labels, predictions=predictions)
        else:
            # Twice, since the task would weight its metrics too; the unused loss is pruned.
            self.task(labels=labels, predictions=predictions)
            losses = self.task(labels, predictions, sample_weight=weights, compute_metrics=False)
        for metric in self._weighted:
            metric.update_state(labels, predictions, sample_weight=weights)
        regularization = tf.zeros_like(losses) + regularization
        reported = (losses, regularization, losses + regularization)
        for mean, values in zip(self._means, reported, strict=True):
            mean.update_state(values)
        return losses
