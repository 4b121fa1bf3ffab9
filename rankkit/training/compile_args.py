"""Losses and metrics as `RankingModel.compile` takes them."""

import copy
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rankkit.utils.errors import invalid, unknown, wrong_type
from rankkit.utils.tensorflow import is_own


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


_CROSS_ENTROPIES = (tf.keras.losses.BinaryCrossentropy, tf.keras.losses.BinaryFocalCrossentropy)
_FUNCTIONS = (tf.keras.losses.binary_crossentropy, tf.keras.losses.binary_focal_crossentropy)
_METRICS = {
    "auc": tf.keras.metrics.AUC,
    "bce": tf.keras.metrics.BinaryCrossentropy,
    "binary_crossentropy": tf.keras.metrics.BinaryCrossentropy,
    "binarycrossentropy": tf.keras.metrics.BinaryCrossentropy,
}
_OF_THRESHOLDS = ("binary_accuracy", "binaryaccuracy", "precision", "recall")


def gives_any_number(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer of rankkit does not keep its scores between 0 and 1.

    Args:
        layer: What gives the score. Layers of others may be anything, and are not judged.
    """
    low, high = getattr(layer, "rating_range", None) or (-math.inf, math.inf)
    return type(layer).__module__.startswith("rankkit.") and (low < 0 or high > 1)


def is_cross_entropy(loss: Any) -> bool:
    """Whether a loss is of labels from 0 to 1.

    Args:
        loss: From `rankkit._task.per_example`.
    """
    return isinstance(loss, _CROSS_ENTROPIES) or getattr(loss, "function", None) in _FUNCTIONS


def check_loss(loss: Any, layer: tf.keras.layers.Layer) -> None:
    """Refuses a cross entropy that reads a head's scores as what they are not.

    Args:
        loss: From `rankkit._task.per_example`.
        layer: What gives the score.

    Raises:
        ValueError: If it takes logits for chances, or the other way round.
    """
    if not is_cross_entropy(loss):
        return
    of_logits = getattr(loss, "from_logits", False)
    shown = loss.name or getattr(loss, "function", loss).__name__
    if gives_any_number(layer) and not of_logits:
        fix = "Write BinaryCrossentropy(from_logits=True), or bound the head from 0 to 1."
        raise invalid("loss", shown, "one of logits, as the head gives any number", fix)
    if getattr(layer, "rating_range", None) == (0.0, 1.0) and of_logits:
        fix = "Write BinaryCrossentropy(), or give the head no rating_range."
        raise invalid("loss", shown, "one of chances, as the head gives them", fix)


def read_metric(name: str, metric: Any, layer: tf.keras.layers.Layer) -> Any:
    """Makes a metric that is named one of logits, where the head gives any number.

    Args:
        name: The argument's name, for errors.
        metric: A Keras metric, the name of one, or a function.
        layer: What gives the score.

    Returns:
        The metric, made if it was named; anything else as it is.

    Raises:
        ValueError: If it would take logits for chances.
    """
    if not gives_any_number(layer):
        return metric
    if isinstance(metric, str):
        kind = metric.lower()
        if kind in _OF_THRESHOLDS:
            fix = "Give the metric itself, with its thresholds: 0 for a chance of a half."
            raise invalid(name, metric, "metrics that say where a logit becomes a yes", fix)
        shown = "auc" if kind == "auc" else "binary_crossentropy"
        return _METRICS[kind](name=shown, from_logits=True) if kind in _METRICS else metric
    of_chances = metric in _FUNCTIONS
    if isinstance(metric, tuple(_METRICS.values())):
        of_chances = not metric.get_config()["from_logits"]
    if of_chances:
        shown = getattr(metric, "name", None) or metric.__name__
        expected = "of logits, as the head gives any number"
        raise invalid(name, shown, expected, "Write it with from_logits=True.")
    return metric


def usual_metric(loss: Any) -> tf.keras.metrics.Metric:
    """Makes the metric that stands beside a loss of rows, if none is named.

    Args:
        loss: From `rankkit._task.per_example`.
    """
    if is_cross_entropy(loss):  # the loss is the log loss
        return tf.keras.metrics.AUC(name="auc", from_logits=getattr(loss, "from_logits", False))
    return tf.keras.metrics.RootMeanSquaredError()
