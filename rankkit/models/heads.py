"""Heads of a network and the settings of each."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit.core.features import check_names
from rankkit.layers import WeightedScore
from rankkit.utils.errors import invalid, unknown, wrong_type

SCORE = "score"  # of a network's outputs, that by which candidates are ranked
_LOGGED = ("total", "regularization")  # whose `_loss` is not that of a head


def check_heads(
    heads: Mapping[str, Any], score: Any, features: Iterable[str]
) -> dict[str, Callable[[Any], Any]]:
    """Refuses heads that have no name of their own, or no score that they make together.

    Args:
        heads: Name to head.
        score: What candidates are ranked by.
        features: Names of the features.

    Raises:
        ValueError: If there is no head, one has the name of a feature or of another output, or
            the score is missing or of unknown heads.
    """
    if not heads:
        raise invalid("head", heads, "a dict with at least one head")
    check_names(name for name in heads if name != "rating")  # which features must not be called
    taken = [SCORE, *_LOGGED, *features]
    for name in heads:
        if name in taken:
            raise invalid("name of a head", name, f"none of {taken}", "Rename the head.")
    if score is None:
        fix = f"Name their weights, such as score={{{next(iter(heads))!r}: 1.0}}."
        raise invalid("score", None, "what candidates are ranked by, with several heads", fix)
    if isinstance(score, Mapping):
        for name in score:
            if name not in heads:
                raise unknown("head in score", name, heads)
    elif not callable(score):
        raise wrong_type("score", score, "a dict of weights, or a function of the heads' scores")
    return dict(heads)


def outputs_of(heads: Mapping[str, Any], joined: Any, score: Any) -> dict[str, Any]:
    """Gives the outputs of all heads by name, and the score.

    Args:
        heads: Name to head.
        joined: The vector for all heads, or a dict with one for each.
        score: Name of the head to weight, or a function of their scores.
    """
    if isinstance(joined, Mapping) and set(joined) != set(heads):
        raise invalid(
            "vectors of the interaction", sorted(joined), f"one for each of {list(heads)}"
        )
    scores: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for name, head in heads.items():
        made = head(joined[name] if isinstance(joined, Mapping) else joined)
        if isinstance(made, Mapping):
            others |= {f"{name}_{key}": value for key, value in made.items() if key != SCORE}
            if taken := set(others) & {*heads, SCORE}:
                fix = f"Head {name!r} gives an output of that name: rename one of them."
                raise invalid("name of a head", min(taken), "no other head's output", fix)
            made = made[SCORE]
        scores[name] = made
    combine = WeightedScore(score, name=SCORE) if isinstance(score, Mapping) else score
    return {SCORE: combine(scores), **scores, **others}


def score_of(outputs: Any, name: str = SCORE) -> Any:
    """Gives the score among the outputs of a network or another scorer.

    Args:
        outputs: A score a row, or a dict with it.
        name: Its name in the dict. Defaults to `"score"`.
    """
    return outputs[name] if isinstance(outputs, Mapping) else outputs


def named_outputs(outputs: Any) -> dict[str, tf.Tensor]:
    """Gives the outputs of a network by the names that they have in an export.

    Args:
        outputs: A score a row, or a dict with it.
    """
    return dict(outputs) if isinstance(outputs, Mapping) else {"rating": outputs}


def score_name(outputs: Mapping[str, Any]) -> str:
    """Gives the name of the score among the outputs of an export.

    Args:
        outputs: Name to output.

    Raises:
        LookupError: If there is none.
    """
    for name in (SCORE, "rating"):
        if name in outputs:
            return name
    raise LookupError("no output 'rating' or 'score'")


@dataclasses.dataclass(frozen=True)  # a tuple Keras would track
class HeadSettings:
    """Settings by name of the head, `None` for the only one.

    Attributes:
        labels: The columns of labels.
        weights: Those of weights, or `None`.
        outputs: What the head gives, its score by `score`, to the name of that output.
        layers: The layer that gives its score.
        biases: Networks whose scores are added while training, of the heads that have one.
    """

    labels: dict[Any, str]
    weights: dict[Any, str | None]
    outputs: dict[Any, dict[str, str]]
    layers: dict[Any, tf.keras.layers.Layer]
    biases: dict[Any, tf.keras.Model]


def head_settings(
    network: tf.keras.Model,
    features: Iterable[str],
    label: str | Mapping[str, str],
    sample_weight: str | Mapping[str, str] | None,
    training_bias: Any,
) -> HeadSettings:
    """Reads the settings of a model.

    Args:
        network: A network of `rankkit.ranking_network`.
        features: The columns that it reads.
        label: The column of labels, or one for each head.
        sample_weight: The column of weights, for all heads or for each; or `None`.
        training_bias: A network of one score, or one for each head; or `None`.

    Raises:
        ValueError: If a head is unknown, a column is something else too, or a network does not
            give one score.
        TypeError: If something is of the wrong kind.
    """
    labels = dict(label) if isinstance(label, Mapping) else {None: label}
    outputs = _outputs_by_name(network, labels)
    weights = _by_head("sample_weight", sample_weight, labels)
    _check_columns(features, labels.values(), weights.values())
    _tell_untrained(network, labels)
    return HeadSettings(
        labels=labels,
        weights={head: weights.get(head) for head in labels},
        outputs=outputs,
        layers={
            head: score_of(network.output, keys[SCORE]).node.layer for head, keys in outputs.items()
        },
        biases=_biases(training_bias, labels),
    )


def _by_head(setting: str, value: Any, labels: Mapping[Any, str]) -> dict[Any, Any]:
    """Gives a setting of a model for each head that has one.

    Args:
        setting: Its name, for errors.
        value: For all heads, or a dict by head; `None` for none.
        labels: Head to the column of its labels; the only head is `None`.

    Raises:
        ValueError: If a head is unknown.
        TypeError: If there is one head alone, and a dict.
    """
    if not isinstance(value, Mapping):
        return {} if value is None else dict.fromkeys(labels, value)
    if None in labels:
        raise wrong_type(setting, dict(value), "no dict, as there is a single head")
    for head in value:
        if head not in labels:
            raise unknown(f"head in {setting}", head, labels)
    return dict(value)


def _check_columns(features: Iterable[str], labels: Iterable[Any], weights: Iterable[Any]) -> None:
    """Refuses labels and weights that are something else too.

    Args:
        features: Names of the features.
        labels: Columns of the labels.
        weights: Columns of the weights.

    Raises:
        ValueError: If a label or a weight is a feature, or a weight a label.
        TypeError: If one is no name.
    """
    columns = [("label", each) for each in labels]
    columns += [("sample_weight", each) for each in weights]
    features = list(features)
    for role, column in columns:
        if not isinstance(column, str):
            raise wrong_type(role, column, "the name of a column")
        if column in features:
            raise invalid(role, column, "a column that is no feature of the network")
        if role == "sample_weight" and ("label", column) in columns:
            raise invalid("sample_weight", column, "another column than the label")


def _tell_untrained(network: tf.keras.Model, labels: Mapping[Any, str]) -> None:
    """Warns of heads that count for the score and have no label.

    Args:
        network: A network of `rankkit.ranking_network`.
        labels: Head to the column of its labels.
    """
    score = score_of(network.output)
    layer = score.node.layer
    if not isinstance(layer, WeightedScore) or None in labels:
        return
    weights = layer.weights_by_head.items()
    for head in [name for name, weight in weights if weight and name not in labels]:
        text = f"Head {head!r} counts for the score and has no label here: it stays as it is."
        warnings.warn(text, stacklevel=5)


def _biases(training_bias: Any, labels: Mapping[Any, str]) -> dict[Any, tf.keras.Model]:
    """Gives the network whose score is added to that of each head, where there is one."""
    if None not in labels and not isinstance(training_bias, Mapping | None):
        fix = f"Name the head: {{{next(iter(labels))!r}: ...}}."
        raise wrong_type("training_bias", training_bias, "a dict, as there are several heads", fix)
    biases = _by_head("training_bias", training_bias, labels)
    for bias in biases.values():
        if getattr(bias, "output_shape", None) != (None, 1):
            raise invalid("training_bias", bias, "a network of one score")
    return biases


def _outputs_by_name(network: tf.keras.Model, heads: Iterable[Any]) -> dict[Any, dict[str, str]]:
    """Tells which outputs of a network are those of each head.

    Args:
        network: A network of `rankkit.ranking_network`.
        heads: Names of its heads, or `None` for the only one.

    Returns:
        Head to what it gives, its score by `score`, to the name of that output.

    Raises:
        ValueError: If there is no score, or no such head.
    """
    shapes = network.output_shape
    shapes = dict(shapes) if isinstance(shapes, Mapping) else {SCORE: shapes}
    if shapes.get(SCORE) != (None, 1):
        raise invalid("network.output_shape", network.output_shape, "(None, 1), one score a row")
    found: dict[Any, dict[str, str]] = {}
    for head in heads:
        if head is None:
            found[head] = {name: name for name in shapes}
            continue
        if shapes.get(head) != (None, 1) or head == SCORE:
            raise unknown("head", head, [name for name in shapes if name != SCORE])
        begin = f"{head}_"
        more = {name.removeprefix(begin): name for name in shapes if name.startswith(begin)}
        found[head] = {**more, SCORE: head}
    return found


def plain(value: Any) -> Any:
    """Without the wrapper that Keras puts around a dict."""
    return dict(value) if isinstance(value, Mapping) else value
