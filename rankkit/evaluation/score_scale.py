"""What scores are: predictions of the label, logits or probabilities of a click, or an order."""

import dataclasses
from typing import Any

import numpy as np
from scipy.special import expit

from rankkit.evaluation.metrics import clip_scores

FAR_OUTSIDE = 0.1  # of the range of the labels
_MAX_SHARE_OUTSIDE = 0.25  # of predictions of the label, unless the model has diverged


@dataclasses.dataclass(frozen=True)
class ScoreScale:
    """How scores relate to the labels.

    Attributes:
        kind: `"estimate"` of the label, `"logit"` or `"probability"` of the label 1, or `"order"`.
        label: Column of labels.
        rating_range: Range to which estimates are clipped.
        epsilon: Smallest distance of a probability from 0 and 1.
        reason: Why the scores are an order only, or how the kind was inferred from their values.
    """

    kind: str
    label: str
    rating_range: tuple[float, float] | None
    epsilon: float
    reason: str = ""

    @property
    def is_probability(self) -> bool:
        return self.kind in ("logit", "probability")

    def predictions(self, scores: np.ndarray) -> np.ndarray | None:
        """Scores on the scale of the labels; `None` if they are an order only."""
        if self.kind == "order":
            return None
        values = expit(scores) if self.kind == "logit" else scores
        values = clip_scores(values, self.rating_range)
        return np.clip(values, self.epsilon, 1 - self.epsilon) if self.is_probability else values

    def notes(self, *names: str) -> list[str]:
        """What is left out for the scorers of these names, or how their kind was inferred."""
        shown = " and ".join(map(repr, names))
        if self.kind == "order":
            return [
                f"The scores of {shown} are only an order, not predictions of {self.label!r}: "
                f"{self.reason} Errors, log loss and calibration are left out."
            ]
        kinds = {"estimate": "predictions", "probability": "probabilities"}
        meant = f"The scores of {shown} count as {kinds.get(self.kind)} of {self.label!r}"
        return [f"{meant}, by their values: {self.reason}"] if self.reason else []


def score_scale(
    scorer: Any,
    scores: np.ndarray,
    label: str,
    labels: np.ndarray,
    rating_range: tuple[float, float] | None,
) -> ScoreScale:
    """Decides what scores are, by the loss of the scorer or else by their values.

    `labels` are those of `scores` and further ones, such as those of the training rows.
    """
    kind = getattr(scorer, "score_kind", None)
    if kind != "order" and getattr(scorer, "label", None) != label:
        kind = None  # the loss compared the score with other labels
    is_binary = is_click(labels)
    low, high = (labels.min(), labels.max()) if rating_range is None else rating_range
    if is_binary:
        low, high = 0.0, 1.0
    reason = ""
    if kind == "order":
        reason = "the loss ranks lists, the score combines several heads (see model.head), or the "
        reason += "scorer was fitted without labels."
    elif kind in ("logit", "probability") and not 0 <= low <= high <= 1:
        kind, reason = "order", "they are logits or probabilities of labels from 0 to 1."
    predictions = clip_scores(scores, rating_range)
    is_bounded = 0 <= predictions.min() <= predictions.max() <= 1
    if kind == "probability" and not is_bounded:
        kind = None
    is_inferred = kind is None
    if kind is None:
        shown = scores if is_binary else predictions
        margin = FAR_OUTSIDE * (high - low)
        share = float(np.mean((shown < low - margin) | (shown > high + margin))) if margin else 0.0
        kind = "estimate" if share <= _MAX_SHARE_OUTSIDE else "order"
        reason = _out_of_range(share, low, high, is_binary)
        if kind == "estimate":
            reason = f"{1 - share:.0%} are in or near the range {low:g} to {high:g} of the labels."
    if kind == "estimate" and is_binary and is_bounded:
        kind = "probability"
        if is_inferred:
            fix = "If they are logits, pass probabilities, such as tf.sigmoid(scores)."
            reason = f"all are from 0 to 1, and the labels 0 and 1. {fix}"
    epsilon = np.finfo(scores.dtype if kind == "probability" else float).eps
    return ScoreScale(kind, label, rating_range, float(epsilon), reason)


def _out_of_range(share: float, low: float, high: float, is_binary: bool) -> str:
    fix = f"predictions, pass rating_range=({low:g}, {high:g})"
    if is_binary:
        fix = "logits, pass probabilities, such as lambda rows: tf.sigmoid(scorer(rows))"
    return f"{share:.0%} are far outside the range {low:g} to {high:g}. If they are {fix}."


def is_click(labels: np.ndarray) -> bool:
    """Whether all labels are 0 or 1."""
    return bool(np.isin(labels, (0.0, 1.0)).all())
