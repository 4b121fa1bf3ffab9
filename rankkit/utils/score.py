"""Name of the score among the outputs of a model."""

from collections.abc import Collection

SCORE = "score"  # the output by which candidates are ranked, of a model with several heads


def score_name(outputs: Collection[str]) -> str:
    """Returns the name of the score among the outputs of an export."""
    for name in (SCORE, "rating"):  # a head may be named "rating"
        if name in outputs:
            return name
    raise LookupError("no output 'rating' or 'score'")
