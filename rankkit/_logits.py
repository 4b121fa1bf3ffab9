"""Whether losses and metrics of clicks take what a head gives: any number, or chances."""

import math
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid

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
