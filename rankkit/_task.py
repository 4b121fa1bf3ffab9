"""Losses and metrics as `tfrs.tasks.Ranking` needs them to be right on any number of replicas."""

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid, unknown, wrong_type
from rankkit._logits import read_metric
from rankkit._own_code import is_own


class _FunctionLoss(tf.keras.losses.Loss):
    """A function of `(y_true, y_pred)` as a loss for each example."""

    def __init__(self, function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]):
        super().__init__(reduction=tf.keras.losses.Reduction.NONE)
        self.function = function

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return self.function(y_true, y_pred)


def per_example(loss: Any) -> tf.keras.losses.Loss:
    """Gives a loss without a reduction of its own.

    Averaging over the global batch is left to the train step: a loss that reduces by itself
    knows only its replica's part of the batch.

    Args:
        loss: A Keras loss, the name of one, or a function of `(y_true, y_pred)`.

    Returns:
        A loss of one value per example; `loss` itself is left as it is.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(loss, type):
        raise wrong_type("loss", loss, "a loss, not its class", f"Make one: {loss.__name__}().")
    if not isinstance(loss, str) and not callable(loss):
        raise wrong_type("loss", loss, "a tf.keras loss, the name of one, or a function")
    loss = tf.keras.losses.get(loss)
    if not isinstance(loss, tf.keras.losses.Loss):
        return _FunctionLoss(loss)
    loss = copy.copy(loss)
    loss.reduction = tf.keras.losses.Reduction.NONE
    return loss


def as_metrics(
    name: str, metrics: Sequence[Any], head: str | None, layer: tf.keras.layers.Layer
) -> list[tf.keras.metrics.Metric]:
    """Gives Keras metrics for metrics, names and functions.

    Args:
        name: The argument's name, for messages.
        metrics: Keras metrics, names of them, or functions of `(y_true, y_pred)`.
        head: The head that they measure; for one of several they are copies, since their names
            will begin with its. `None` for the only one, whose metrics are the user's own.
        layer: What gives the score that they measure.

    Raises:
        TypeError: If `metrics` is not a list of these, or one cannot be copied.
        ValueError: If one takes logits for chances.
    """
    if not isinstance(metrics, (list, tuple)):
        raise wrong_type(name, metrics, "a list of tf.keras metrics, names or functions")
    if head is not None:
        metrics = [metric_like(each) for each in metrics]
    return [_as_metric(name, read_metric(name, metric, layer)) for metric in metrics]


def metric_like(metric: Any) -> Any:
    """Makes a metric of the same kind; what the other has counted stays there.

    Args:
        metric: A Keras metric; a name or a function is given back as it is.

    Raises:
        TypeError: If Keras cannot make it from its config.
    """
    if not isinstance(metric, tf.keras.metrics.Metric):
        return metric
    try:
        return type(metric).from_config(metric.get_config())
    except TypeError as error:
        fix = f"Give its class one with all its arguments. ({error})"
        raise wrong_type("metric", metric, "a metric with a get_config", fix) from None


def _as_metric(name: str, metric: Any) -> tf.keras.metrics.Metric:
    if isinstance(metric, type):
        fix = f"Make one: {metric.__name__}()."
        raise wrong_type(name, metric, "a list of metrics, not of their classes", fix)
    if not isinstance(metric, (str, tf.keras.metrics.Metric)) and not callable(metric):
        raise wrong_type(name, metric, "a list of tf.keras metrics, names or functions")
    if metric in ("accuracy", "acc"):
        fix = "Use BinaryAccuracy(threshold=...): 0.5 for probabilities, 0 for logits."
        raise invalid(name, metric, "metrics that say where a score becomes a yes", fix)
    made = tf.keras.metrics.get(metric)
    if isinstance(made, str):  # as `fit` reports those that have a class only
        made = _metric_class(name, made)()
    if isinstance(metric, str) and isinstance(made, tf.keras.metrics.Metric):
        return type(made)(name=_snake_case(metric))  # Keras would number it
    if isinstance(made, tf.keras.metrics.Metric):
        return made
    shown = metric if isinstance(metric, str) else getattr(made, "__name__", "metric")
    return tf.keras.metrics.MeanMetricWrapper(made, name=shown)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _metric_class(name: str, metric: str) -> type:
    classes = {
        _snake_case(each): getattr(tf.keras.metrics, each)
        for each in dir(tf.keras.metrics)
        if each[0].isupper()
    }
    if metric not in classes:
        raise unknown(f"metric in {name}", metric, sorted(classes))
    return classes[metric]


def is_own_code(part: Any) -> bool:
    """Whether a loss or a metric is written by the user, not by a library that needs no conversion.

    Args:
        part: As `per_example` and `as_metrics` give it.
    """
    if isinstance(part, _FunctionLoss):
        part = part.function
    return is_own(getattr(part, "_fn", part))  # of a metric that wraps a function


def over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Adds a number up over all replicas."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return value
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, value)
