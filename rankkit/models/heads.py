"""Heads of a ranking network: their outputs, and their settings in a `RankingModel`."""

import dataclasses
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.features import check_names
from rankkit.core.keras_graph import layer_of
from rankkit.core.list_context import compares_rows
from rankkit.layers import WeightedScore
from rankkit.models.logits import outputs_logits
from rankkit.utils.errors import check_known, invalid, unknown, wrong_type
from rankkit.utils.score import SCORE

_LOGGED = ("total", "regularization")  # `fit` logs `total_loss` and `regularization_loss`


def check_heads(
    heads: Mapping[str, Any], score: Any, features: Iterable[str]
) -> dict[str, Callable[[Any], Any]]:
    """Checks the names of several heads and the `score` that combines them."""
    if not heads:
        raise invalid("head", heads, "a dict with at least one head")
    check_names((name for name in heads if name != "rating"), "head")  # a valid name for a head
    reserved = [SCORE, *_LOGGED, *features]
    for name in heads:
        if name in reserved:
            expected = f"different from the features and the other outputs, {reserved}"
            raise invalid("the name of a head", name, expected, "Rename it.")
    if score is None:
        fix = f"For example, score={{{next(iter(heads))!r}: 1.0}}."
        raise invalid("score", None, "a dict of weights by head, or a function of the scores", fix)
    if isinstance(score, Mapping):
        check_known("head in score", score, heads)
    elif not callable(score):
        raise wrong_type("score", score, "a dict of weights by head, or a function of the scores")
    return dict(heads)


def apply_heads(heads: Mapping[str, Any], inputs: Any, score: Any) -> dict[str, Any]:
    """Calls heads on one vector, or on a dict with one each, and names their outputs."""
    if isinstance(inputs, Mapping) and set(inputs) != set(heads):
        expected = f"a single vector, or a dict with one for each of the heads {list(heads)}"
        raise invalid("the result of the interaction", sorted(inputs), expected)
    scores: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, head in heads.items():
        outputs = head(inputs[name] if isinstance(inputs, Mapping) else inputs)
        if isinstance(outputs, Mapping):
            others |= {f"{name}_{key}": value for key, value in outputs.items() if key != SCORE}
            if shared := set(others) & {*heads}:
                raise ValueError(
                    f"Head {name!r} has an output named {min(shared)!r}, which is also the name "
                    "of a head. Rename one of the heads."
                )
            outputs = outputs[SCORE]
        scores[name] = outputs
    combine = WeightedScore(score, name=SCORE) if isinstance(score, Mapping) else score
    return {SCORE: combine(scores), **scores, **others}


def score_of(outputs: Any, name: str = SCORE) -> Any:
    """Returns one score among the outputs of a scorer, which are a tensor or a dict."""
    return outputs[name] if isinstance(outputs, Mapping) else outputs


def named_outputs(outputs: Any) -> dict[str, tf.Tensor]:
    """Returns the outputs of a network by their names in an export."""
    return dict(outputs) if isinstance(outputs, Mapping) else {"rating": outputs}


@dataclasses.dataclass(frozen=True)  # Keras would track a tuple
class HeadSettings:
    """Settings of a model by name of the head; a single head has the key `None`.

    Attributes:
        labels: Label column; `None` for losses that need none.
        weights: Sample weight column, or `None`.
        outputs: Output of the head to its name in the network; `score` is among them.
        layers: Layer that computes the score.
        logits: Whether the score is a logit; `None` if the network does not show it.
        biases: Network that is added to the score in training, for heads that have one.
        compares_rows: Whether a score depends on the other rows of its list.
    """

    labels: dict[Any, str | None]
    weights: dict[Any, str | None]
    outputs: dict[Any, dict[str, str]]
    layers: dict[Any, tf.keras.layers.Layer]
    logits: dict[Any, bool | None]
    biases: dict[Any, tf.keras.Model]
    compares_rows: bool


def head_settings(
    network: tf.keras.Model,
    features: Iterable[str],
    label: str | Mapping[str, str] | None,
    sample_weight: str | Mapping[str, str] | None,
    training_bias: Any,
) -> HeadSettings:
    """Checks the arguments of a `RankingModel` and returns them by head."""
    labels: dict[Any, str | None] = dict(label) if isinstance(label, Mapping) else {None: label}
    if not labels:
        raise invalid("label", labels, "the name of a column, or a dict with at least one head")
    outputs = _outputs_by_head(network, labels)
    weights = per_head("sample_weight", sample_weight, labels)
    _check_columns(features, () if label is None else labels.values(), weights.values())
    _warn_about_untrained_heads(network, labels)
    scores = {head: score_of(network.output, names[SCORE]) for head, names in outputs.items()}
    biases = _training_biases(training_bias, labels)
    return HeadSettings(
        labels=labels,
        weights={head: weights.get(head) for head in labels},
        outputs=outputs,
        layers={head: layer_of(score) for head, score in scores.items()},
        logits={head: outputs_logits(score) for head, score in scores.items()},
        biases=biases,
        compares_rows=any(map(compares_rows, (network, *biases.values()))),
    )


def per_head(
    setting: str, value: Any, heads: Collection[Any], *, can_be_shared: bool = True
) -> dict[Any, Any]:
    """Returns a setting by head, without heads that have none; a single head has the key `None`."""
    if value is None:
        return {}
    if None in heads and isinstance(value, Mapping):
        fix = "Pass the value itself, or label as a dict by head."
        raise wrong_type(
            setting, dict(value), "a single value, because there is a single head", fix
        )
    if not isinstance(value, Mapping):
        if None not in heads and not can_be_shared:
            fix = f"For example, {setting}={{{next(iter(heads))!r}: ...}}."
            raise wrong_type(setting, value, "a dict by head, because there are several heads", fix)
        return dict.fromkeys(heads, value)
    check_known(f"head in {setting}", value, heads)
    return dict(value)


def _training_biases(training_bias: Any, heads: Collection[Any]) -> dict[Any, tf.keras.Model]:
    """Returns the position-bias network of each head that has one."""
    biases = per_head("training_bias", training_bias, heads, can_be_shared=False)
    for bias in biases.values():
        if getattr(bias, "output_shape", None) != (None, 1):
            expected = "a network with one output of shape (None, 1)"
            fix = "Build it with rankkit.ranking_network and a single head."
            raise invalid("training_bias", bias, expected, fix)
    return biases


def _check_columns(features: Iterable[str], labels: Iterable[Any], weights: Iterable[Any]) -> None:
    """Checks that labels and weights are names of columns that have no other role."""
    columns = [("label", each) for each in labels]
    columns += [("sample_weight", each) for each in weights]
    features = list(features)
    for role, column in columns:
        if not isinstance(column, str) or not column:
            fix = "Pass the name; the values are a column of each batch."
            raise wrong_type(role, column, "the name of a column", fix)
        if column in features:
            fix = "Pass another column, or build the network without that feature."
            raise invalid(role, column, "a column that is not a feature of the network", fix)
        if role == "sample_weight" and ("label", column) in columns:
            fix = "Pass another column, or None for equal weights."
            raise invalid("sample_weight", column, "a column other than the label", fix)


def _warn_about_untrained_heads(network: tf.keras.Model, heads: Collection[Any]) -> None:
    """Warns about heads that have a weight in the score but no label."""
    layer = layer_of(score_of(network.output))
    if not isinstance(layer, WeightedScore) or None in heads:
        return
    for head, weight in layer.weights_by_head.items():
        if weight and head not in heads:
            text = f"Head {head!r} contributes to the score but has no label: it is not trained."
            warnings.warn(text, stacklevel=5)


def _outputs_by_head(network: tf.keras.Model, heads: Iterable[Any]) -> dict[Any, dict[str, str]]:
    """Maps each head to its outputs, `score` among them, and these to names in the network."""
    shapes = network.output_shape
    shapes = dict(shapes) if isinstance(shapes, Mapping) else {SCORE: shapes}
    if shapes.get(SCORE) != (None, 1):
        expected = "(None, 1), one score for each example"
        fix = "End the network with a layer such as rankkit.layers.DenseRatingHead."
        raise invalid("network.output_shape", network.output_shape, expected, fix)
    for output in tf.nest.flatten(network.output):
        check_not_half("The outputs of a network", layer_of(output), output.dtype)
    found: dict[Any, dict[str, str]] = {}
    for head in heads:
        if head is None:
            found[head] = {name: name for name in shapes}
            continue
        if shapes.get(head) != (None, 1) or head == SCORE:
            raise unknown("head", head, [name for name in shapes if name != SCORE])
        prefix = f"{head}_"
        others = {name.removeprefix(prefix): name for name in shapes if name.startswith(prefix)}
        found[head] = {**others, SCORE: head}
    return found


def check_not_half(
    subject: str, layer: tf.keras.layers.Layer, dtype: Any, fix: str = "Create"
) -> None:
    """Raises for numbers that a layer rounds to half precision."""
    dtype = tf.as_dtype(dtype)
    if dtype in (tf.float16, tf.bfloat16):
        shown = layer.dtype_policy if layer.compute_dtype == dtype.name else dtype
        raise ValueError(
            f"{subject} must not be rounded to half precision. Got: layer {layer.name!r} of "
            f"dtype={shown.name!r}. {fix} that layer with dtype='float32'."
        )


def unwrap_dict(value: Any) -> Any:
    """Returns a plain dict in place of the wrapper that Keras puts around a dict attribute."""
    return dict(value) if isinstance(value, Mapping) else value
