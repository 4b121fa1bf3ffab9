"""Arguments of `RankingModel.compile`: losses, metrics, and how steps are run."""

import copy
import difflib
import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.training.auc import AUC
from rankkit.utils.errors import check_boolean, check_integer, invalid, unknown, wrong_type
from rankkit.utils.graph_errors import assert_in_graph
from rankkit.utils.keras import function_of
from rankkit.utils.tensorflow import is_user_code


def check_run_options(steps: Any, jit_compile: Any, precompute: Any) -> tuple[Any, Any, bool]:
    """Checks `steps_per_execution`, `jit_compile` and `precompute_lookups`, and returns them."""
    if jit_compile is not None and not (isinstance(jit_compile, str) and jit_compile == "auto"):
        expected = "'auto', True, False or None"
        jit_compile = check_boolean("jit_compile", jit_compile, expected)
    if steps is not None and not (isinstance(steps, str) and steps == "auto"):
        fix = "Pass None or 'auto' to have it chosen."
        steps = check_integer("steps_per_execution", steps, 1, fix)
    return steps, jit_compile, check_boolean("precompute_lookups", precompute)


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
    try:
        found = tf.keras.losses.get(loss)
    except ValueError:
        found = None
    if not callable(found):
        raise _unknown_name("loss", loss, "losses", dir(tf.keras.losses))
    if not isinstance(found, tf.keras.losses.Loss):
        return _FunctionLoss(found)
    loss = copy.copy(found)
    loss.reduction = tf.keras.losses.Reduction.NONE
    return loss


def is_of_batch(values: tf.Tensor, labels: tf.Tensor) -> bool:
    """Whether a function of a loss or metric returned one number for a whole batch."""
    shape = values.shape
    return shape.rank == 0 or (shape.num_elements() == 1 and labels.shape[0] != 1)


def for_examples(values: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Returns one number per example, with that of a whole batch for each of its examples."""
    if values.shape.rank is not None and not is_of_batch(values, labels):
        return values
    size = tf.size(values)
    size = tf.where(size == 1, tf.shape(labels)[0], size)  # of values of unknown shape
    return tf.broadcast_to(tf.reshape(values, [-1]), [size])


def check_per_example(values: tf.Tensor, labels: tf.Tensor, error: Exception) -> tf.Tensor:
    """Returns values to weight, one per example; raises an error where they are of a batch."""
    if is_of_batch(values, labels):
        raise error
    if values.shape.rank is not None:
        return values
    fits = tf.size(values) == tf.shape(labels)[0]  # known when the function has run
    with tf.control_dependencies([assert_in_graph(fits, str(error))]):
        return tf.reshape(values, [-1])


def _metric_function(name: str, function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """A custom metric function that returns one number per example."""

    @functools.wraps(function)
    def values(y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        found = tf.convert_to_tensor(function(y_true, y_pred))
        if name == "weighted_metrics":
            shown, expected = shown_name(function), "metrics per example, which can be weighted"
            fix = "Return one number per example, of shape (batch,), or pass it in metrics."
            found = check_per_example(found, y_true, invalid(name, shown, expected, fix))
        return for_examples(found, y_true)

    return values


def _class_error(subject: str, given: type) -> TypeError:
    shown = given.__name__
    return TypeError(f"{subject} the class {shown}. Pass an instance: {shown}().")


def as_metrics(
    name: str,
    metrics: Sequence[Any],
    head: str | None,
    logits: bool | None,
    score_kind: str | None = None,
) -> list[tf.keras.metrics.Metric]:
    """Converts metrics, their names and functions to Keras metrics.

    Those of a named `head` are copied, as they are renamed; `logits` is whether it outputs logits,
    and `score_kind` how the loss interprets the score.
    """
    if not isinstance(metrics, (list, tuple)):
        raise wrong_type(name, metrics, "a list of tf.keras metrics, names or functions")
    if head is not None:
        metrics = [metric_like(each) for each in metrics]
    made = [_as_metric(name, metric, logits) for metric in metrics]
    return [_checked(name, metric, logits, score_kind) for metric in made]


def metric_like(metric: Any) -> Any:
    """Copies a metric without its state; returns names and functions as they are."""
    if not isinstance(metric, tf.keras.metrics.Metric):
        return metric
    try:
        return type(metric).from_config(metric.get_config())
    except TypeError as error:
        fix = f"Return all arguments of its class from get_config. ({error})"
        raise wrong_type("metric", metric, "a metric with a get_config", fix) from None


def _as_metric(name: str, metric: Any, logits: bool | None) -> tf.keras.metrics.Metric:
    if isinstance(metric, type):
        raise _class_error(f"{name} has", metric)
    if not isinstance(metric, (str, tf.keras.metrics.Metric)) and not callable(metric):
        raise wrong_type(name, metric, "a list of tf.keras metrics, names or functions")
    if metric in ("accuracy", "acc"):
        fix = "Use BinaryAccuracy(threshold=...): 0.5 for probabilities, 0 for logits."
        raise invalid(name, metric, "metrics with an explicit decision threshold", fix)
    made = _BY_NAME.get(metric.lower()) if isinstance(metric, str) else None
    if made and (logits is not False or made is AUC):
        if logits is None:
            fix = f"Pass {made.__name__}(from_logits=True), or from_logits=False for probabilities."
            raise invalid(name, metric, f"metrics with from_logits{_UNKNOWN}", fix)
        return made(name=_snake_case(made.__name__), from_logits=logits)
    made = tf.keras.metrics.get(metric)
    if isinstance(made, str):  # Keras resolves the name when `fit` starts
        made = _metric_class(made)()
    if isinstance(made, tf.keras.metrics.Metric):  # Keras would append a number to a name
        return type(made)(name=_snake_case(metric)) if isinstance(metric, str) else made
    shown = metric if isinstance(metric, str) else getattr(made, "__name__", "metric")
    if is_user_code(made):
        made = _metric_function(name, made)
    return tf.keras.metrics.MeanMetricWrapper(made, name=shown)


def shown_name(part: Any) -> str:
    """The name of a loss, a metric or a function in an error."""
    part = getattr(part, "function", part)
    return getattr(part, "__name__", None) or getattr(part, "name", None) or type(part).__name__


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _metric_class(metric: str) -> type:
    classes = {
        _snake_case(each): getattr(tf.keras.metrics, each)
        for each in dir(tf.keras.metrics)
        if isinstance(getattr(tf.keras.metrics, each), type)
    }
    if metric not in classes:
        raise _unknown_name("metric", metric, "metrics", sorted(classes))
    return classes[metric]


def _unknown_name(kind: str, name: Any, module: str, known: Sequence[str]) -> ValueError:
    nearest = difflib.get_close_matches(name, known, n=5, cutoff=0.0)
    return unknown(kind, name, nearest, listed=f"Nearest in tf.keras.{module}")


def is_user_written(part: Any) -> bool:
    """Whether a loss or a metric is written by the user: AutoGraph has to convert it."""
    if isinstance(part, _FunctionLoss):
        part = part.function
    return is_user_code(inspect.unwrap(function_of(part)))


def over_replicas(value: tf.Tensor) -> tf.Tensor:
    """Sums a number over all replicas."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return value
    return replica.all_reduce(tf.distribute.ReduceOp.SUM, value)


# Losses and metrics of Keras, by what they take a score to be. Classes and functions have one name.
_CROSS_ENTROPIES = ("BinaryCrossentropy", "BinaryFocalCrossentropy")
_CROSS_ENTROPIES += ("binary_crossentropy", "binary_focal_crossentropy")
_WITH_LOGITS = (*_CROSS_ENTROPIES, "AUC")  # have the argument from_logits
_WITH_THRESHOLD = ("BinaryAccuracy", "binary_accuracy", "BinaryIoU", "Precision", "Recall")
_WITH_THRESHOLD += ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")
_F_SCORES = ("F1Score", "FBetaScore")  # their threshold is above 0, but that of logits is 0
_OF_PROBABILITIES = (*_F_SCORES, "KLDivergence", "kl_divergence")
_OF_PROBABILITIES += ("PrecisionAtRecall", "RecallAtPrecision")
_OF_PROBABILITIES += ("SensitivityAtSpecificity", "SpecificityAtSensitivity")
_OF_LABELS = ("RootMeanSquaredError", "MeanRelativeError", "R2Score")  # on the labels' scale
_OF_LABELS += ("MeanSquaredError", "mean_squared_error", "Huber", "huber", "Poisson", "poisson")
_OF_LABELS += ("MeanAbsoluteError", "mean_absolute_error", "LogCosh", "LogCoshError", "log_cosh")
_OF_LABELS += ("MeanAbsolutePercentageError", "mean_absolute_percentage_error")
_OF_LABELS += ("MeanSquaredLogarithmicError", "mean_squared_logarithmic_error")
_OF_CLASSES = ("Accuracy", "accuracy", "CosineSimilarity", "cosine_similarity", "IoU", "MeanIoU")
_NAMES = (*dir(tf.keras.losses), *dir(tf.keras.metrics))
_OF_CLASSES += tuple(name for name in _NAMES if re.search("(?i)categorical(?!_?hinge)", name))
_BY_NAME = {
    "auc": AUC,
    "bce": tf.keras.metrics.BinaryCrossentropy,
    "binary_crossentropy": tf.keras.metrics.BinaryCrossentropy,
    "binarycrossentropy": tf.keras.metrics.BinaryCrossentropy,
}
_UNKNOWN = ", because the layers of the network do not show whether it outputs logits"


def _is_one_of(part: Any, names: Sequence[str]) -> bool:
    """Whether a loss or metric, or the function it wraps, is one of Keras's of these names."""
    wrapped: Any = part.function if isinstance(part, _FunctionLoss) else function_of(part)
    parts = (*type(part).__mro__, *type(wrapped).__mro__, wrapped)
    return any(getattr(each, "__name__", "") in names and not is_user_code(each) for each in parts)


def is_cross_entropy(loss: Any) -> bool:
    """Whether a loss of `per_example` is a binary cross entropy."""
    return _is_one_of(loss, _CROSS_ENTROPIES)


def takes_logits(part: Any) -> bool | None:
    """Whether a loss or metric takes scores for logits or for probabilities; `None` for neither."""
    if _is_one_of(part, _WITH_LOGITS):
        wrapped = function_of(part)  # by a metric: a function, or a loss with its own config
        config = (wrapped if hasattr(wrapped, "get_config") else part).get_config()
        return bool(config.get("from_logits"))
    if _is_one_of(part, _OF_PROBABILITIES):
        return False
    if _is_one_of(part, _WITH_THRESHOLD):
        config = part.get_config()
        threshold = config.get("thresholds", config.get("threshold"))
        is_usual = threshold is None or np.array_equal(threshold, 0.5)
        return False if is_usual and config.get("top_k") is None else None
    return None


def _compares_classes(part: Any) -> bool:
    """Whether a loss or metric compares several scores of an example, or the number of a class."""
    if _is_one_of(part, _F_SCORES):
        return part.get_config()["threshold"] is None
    return _is_one_of(part, _OF_CLASSES) and not _is_one_of(part, ["BinaryIoU"])


def check_loss(loss: Any, logits: bool | None) -> bool | None:
    """Checks that a loss fits an output; returns whether the output is a logit, `None` if unknown.

    `logits` is the answer of the layers of the network; without one, that of the loss counts.
    """
    shown = shown_name(loss)
    if _compares_classes(loss):
        fix = "Use BinaryCrossentropy or another loss of numbers."
        raise invalid("loss", shown, "a loss of one score, not of several classes", fix)
    takes = takes_logits(loss)
    if logits is None and is_cross_entropy(loss) and isinstance(loss, _FunctionLoss):
        fix = "Use BinaryCrossentropy(from_logits=True), or from_logits=False for probabilities."
        raise invalid("loss", shown, f"a loss with from_logits{_UNKNOWN}", fix)
    if takes is None or logits is None:
        return takes if logits is None else logits
    if logits and not takes:
        fix = "Use BinaryCrossentropy(from_logits=True), or bound the head to rating_range=(0, 1)."
        raise invalid("loss", shown, "a loss of logits, as the head outputs logits", fix)
    if takes and not logits:
        fix = "Use BinaryCrossentropy(), or a head without rating_range or sigmoid."
        expected = "a loss of probabilities, as the head outputs values in [0, 1]"
        raise invalid("loss", shown, expected, fix)
    return logits


def _checked(
    name: str, metric: tf.keras.metrics.Metric, logits: bool | None, score_kind: str | None
) -> tf.keras.metrics.Metric:
    """Returns a metric after a check that it fits the output of the head."""
    if is_user_code(type(metric).update_state):  # it may convert the scores
        return metric
    if _compares_classes(metric):
        fix = "Use BinaryAccuracy or F1Score, with a threshold."
        raise invalid(name, metric.name, "metrics of one score, not of several classes", fix)
    if score_kind == "logit" and _is_one_of(metric, _OF_LABELS):
        expected = "a metric of logits, as the loss is a cross entropy of logits"
        fix = "Pass a function of labels and logits that takes the sigmoid, or leave it out."
        raise invalid(name, metric.name, expected, fix)
    takes = takes_logits(metric)
    if takes is None or logits is None or takes == logits:
        return metric
    if takes:
        expected = "a metric of probabilities, as the head outputs values in [0, 1]"
        raise invalid(name, metric.name, expected, "Pass it with from_logits=False.")
    if _is_one_of(metric, _WITH_THRESHOLD):
        fix = "Pass the metric object with a threshold: a logit of 0 is a probability of 0.5."
        raise invalid(name, metric.name, "metrics with an explicit decision threshold", fix)
    fix = "Bound the head to rating_range=(0, 1), or leave the metric out."
    if _is_one_of(metric, _WITH_LOGITS):
        fix = "Pass it with from_logits=True."
    raise invalid(name, metric.name, "a metric of logits, as the head outputs logits", fix)


def usual_metric(loss: Any) -> tf.keras.metrics.Metric:
    """The default metric beside a loss of single rows."""
    if is_cross_entropy(loss):  # the loss itself is the log loss
        return AUC(from_logits=getattr(loss, "from_logits", False))
    return tf.keras.metrics.RootMeanSquaredError()
