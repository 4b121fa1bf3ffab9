"""Losses and metrics as `RankingModel.compile` takes them."""

import copy
import difflib
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from rankkit.utils.errors import invalid, unknown, wrong_type
from rankkit.utils.keras import function_of
from rankkit.utils.tensorflow import is_user_code


class _FunctionLoss(tf.keras.losses.Loss):
    """A function of `(y_true, y_pred)` as a loss for each example."""

    def __init__(self, function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]):
        super().__init__(reduction=tf.keras.losses.Reduction.NONE)
        self.function = function

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        return self.function(y_true, y_pred)


def per_example(loss: Any) -> tf.keras.losses.Loss:
    """Returns a loss without its own reduction: the training step averages over the batch."""
    if isinstance(loss, type):
        raise _class_error("loss is", loss)
    if not isinstance(loss, str) and not callable(loss):
        raise wrong_type("loss", loss, "a tf.keras loss, the name of one, or a function")
    loss = tf.keras.losses.get(loss)
    if not isinstance(loss, tf.keras.losses.Loss):
        return _FunctionLoss(loss)
    loss = copy.copy(loss)
    loss.reduction = tf.keras.losses.Reduction.NONE
    return loss


def _class_error(subject: str, given: type) -> TypeError:
    shown = given.__name__
    return TypeError(f"{subject} the class {shown}. Pass an instance: {shown}().")


def as_metrics(
    name: str, metrics: Sequence[Any], head: str | None, layer: tf.keras.layers.Layer
) -> list[tf.keras.metrics.Metric]:
    """Converts metrics, their names and functions to Keras metrics.

    Those of a named `head` are copied, as they are renamed; `layer` outputs the measured score.
    """
    if not isinstance(metrics, (list, tuple)):
        raise wrong_type(name, metrics, "a list of tf.keras metrics, names or functions")
    if head is not None:
        metrics = [metric_like(each) for each in metrics]
    return [_as_metric(name, read_metric(name, metric, layer)) for metric in metrics]


def metric_like(metric: Any) -> Any:
    """Copies a metric without its state; returns names and functions as they are."""
    if not isinstance(metric, tf.keras.metrics.Metric):
        return metric
    try:
        return type(metric).from_config(metric.get_config())
    except TypeError as error:
        fix = f"Return all arguments of its class from get_config. ({error})"
        raise wrong_type("metric", metric, "a metric with a get_config", fix) from None


def _as_metric(name: str, metric: Any) -> tf.keras.metrics.Metric:
    if isinstance(metric, type):
        raise _class_error(f"{name} has", metric)
    if not isinstance(metric, (str, tf.keras.metrics.Metric)) and not callable(metric):
        raise wrong_type(name, metric, "a list of tf.keras metrics, names or functions")
    if metric in ("accuracy", "acc"):
        fix = "Use BinaryAccuracy(threshold=...): 0.5 for probabilities, 0 for logits."
        raise invalid(name, metric, "metrics with an explicit decision threshold", fix)
    made = tf.keras.metrics.get(metric)
    if isinstance(made, str):  # Keras resolves the name when `fit` starts
        made = _metric_class(name, made)()
    if isinstance(made, tf.keras.metrics.Metric):  # Keras would append a number to a name
        return type(made)(name=_snake_case(metric)) if isinstance(metric, str) else made
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
        nearest = difflib.get_close_matches(metric, sorted(classes), n=5, cutoff=0.0)
        raise unknown(f"metric in {name}", metric, nearest, listed="Nearest")
    return classes[metric]


def is_user_written(part: Any) -> bool:
    """Whether a loss or a metric is written by the user: AutoGraph has to convert it."""
    if isinstance(part, _FunctionLoss):
        part = part.function
    return is_user_code(function_of(part))


def over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Sums a number over all replicas."""
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
_WITH_THRESHOLD = ("binary_accuracy", "binaryaccuracy", "precision", "recall")


def outputs_logits(layer: tf.keras.layers.Layer) -> bool:
    """Whether a layer of rankkit outputs scores that are not bounded to [0, 1]: logits."""
    low, high = getattr(layer, "rating_range", None) or (-math.inf, math.inf)
    return type(layer).__module__.startswith("rankkit.") and (low < 0 or high > 1)


def is_cross_entropy(loss: Any) -> bool:
    """Whether a loss of `per_example` is a binary cross entropy."""
    return isinstance(loss, _CROSS_ENTROPIES) or getattr(loss, "function", None) in _FUNCTIONS


def check_loss(loss: Any, layer: tf.keras.layers.Layer) -> None:
    """Checks that a cross entropy expects logits or probabilities as the head outputs them."""
    if not is_cross_entropy(loss):
        return
    of_logits = getattr(loss, "from_logits", False)
    shown = loss.name or getattr(loss, "function", loss).__name__
    if outputs_logits(layer) and not of_logits:
        fix = "Use BinaryCrossentropy(from_logits=True), or bound the head to rating_range=(0, 1)."
        raise invalid("loss", shown, "a loss of logits, as the head outputs logits", fix)
    if getattr(layer, "rating_range", None) == (0.0, 1.0) and of_logits:
        fix = "Use BinaryCrossentropy(), or remove the rating_range of the head."
        expected = "a loss of probabilities, as the head outputs values in [0, 1]"
        raise invalid("loss", shown, expected, fix)


def read_metric(name: str, metric: Any, layer: tf.keras.layers.Layer) -> Any:
    """Makes the logit version of a named metric where the head outputs logits."""
    if not outputs_logits(layer):
        return metric
    if isinstance(metric, str):
        kind = metric.lower()
        if kind in _WITH_THRESHOLD:
            fix = "Pass the metric object with thresholds: a logit of 0 is a probability of 0.5."
            raise invalid(name, metric, "metrics with an explicit decision threshold", fix)
        shown = "auc" if kind == "auc" else "binary_crossentropy"
        return _METRICS[kind](name=shown, from_logits=True) if kind in _METRICS else metric
    of_probabilities = metric in _FUNCTIONS
    if isinstance(metric, tuple(_METRICS.values())):
        of_probabilities = not metric.get_config()["from_logits"]
    if of_probabilities:
        shown = getattr(metric, "name", None) or metric.__name__
        expected = "a metric of logits, as the head outputs logits"
        raise invalid(name, shown, expected, "Pass it with from_logits=True.")
    return metric


def usual_metric(loss: Any) -> tf.keras.metrics.Metric:
    """The default metric beside a loss of single rows."""
    if is_cross_entropy(loss):  # the loss itself is the log loss
        return tf.keras.metrics.AUC(name="auc", from_logits=getattr(loss, "from_logits", False))
    return tf.keras.metrics.RootMeanSquaredError()
