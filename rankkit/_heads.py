"""Several heads over one network, and the score that they make together."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid, unknown, wrong_type
from rankkit._features import check_names
from rankkit.layers import WeightedScore

SCORE = "score"  # of a network's outputs, that by which candidates are ranked


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
    for name in heads:
        if name == SCORE or name in features:
            raise invalid("name of a head", name, f"neither {SCORE!r} nor a feature's name")
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
            made = made[SCORE]
        scores[name] = made
    combine = WeightedScore(score, name=SCORE) if isinstance(score, Mapping) else score
    return {SCORE: combine(scores), **scores, **others}


def score_of(outputs: Any) -> Any:
    """Gives the score among the outputs of a network or another scorer.

    Args:
        outputs: A score a row, or a dict with it.
    """
    return outputs[SCORE] if isinstance(outputs, Mapping) else outputs


def check_columns(
    features: Iterable[str], labels: Iterable[str], sample_weight: str | None
) -> None:
    """Refuses labels and weights that are something else too.

    Args:
        features: Names of the features.
        labels: Columns of the labels.
        sample_weight: Column of the weights, or `None`.

    Raises:
        ValueError: If a label or the weight is a feature, or the weight a label.
    """
    labels, features = list(labels), list(features)
    for role, column in (*(("label", each) for each in labels), ("sample_weight", sample_weight)):
        if column in features:
            raise invalid(role, column, "a column that is no feature of the network")
    if sample_weight in labels:
        raise invalid("sample_weight", sample_weight, "another column than the label")


def outputs_by_name(network: tf.keras.Model, heads: Iterable[Any]) -> dict[Any, dict[str, str]]:
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


def gives_any_number(network: tf.keras.Model, output: str) -> bool:
    """Whether an output comes from a layer of rankkit that does not keep it between 0 and 1.

    Args:
        network: A network of `rankkit.ranking_network`.
        output: Name of one of its outputs.
    """
    tensors = network.output
    layer = (tensors[output] if isinstance(tensors, Mapping) else tensors).node.layer
    low, high = getattr(layer, "rating_range", None) or (-math.inf, math.inf)
    return type(layer).__module__.startswith("rankkit.") and (low < 0 or high > 1)


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
