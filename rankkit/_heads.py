"""Several heads over one network, and the score that they make together."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from rankkit._errors import invalid, unknown, wrong_type
from rankkit._features import check_names
from rankkit.layers import WeightedScore

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
