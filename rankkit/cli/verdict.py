"""One sentence about whether a ranker beats its baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

from rankkit.cli.recipe import Recipe

_BASELINES = {"biases": "user and item biases", "mean": "the mean"}
_HINTS = (
    "To improve it, add rows, or columns that describe users and items, try another kind of model "
    "in ranker.toml, or use the biases."
)


def verdict(recipe: Recipe, differences: Sequence[Mapping[str, Any]]) -> str:
    """Returns whether the RMSE, or for clicks the AUC, is better than that of each baseline.

    Args:
        recipe: The recipe of the ranker.
        differences: Lines of `rankkit.evaluation.compare_rankings` of model, biases and mean.
    """
    lines = {line["scorer"].removesuffix(" - model"): line for line in differences}
    names = ("auc", "global_auc") if recipe.data.task == "clicks" else ("rmse",)
    defined = [name for name in names if all(lines[each].get(name) is not None for each in lines)]
    if not defined:
        return "The test rows are too few to compare the ranker with its baselines."
    found = {each: _compare(lines[each], defined[0]) for each in _BASELINES}
    parts = [f"{text} {_BASELINES[each]} {detail}" for each, (_, text, detail) in found.items()]
    text = f"On the test rows, the ranker {', and '.join(parts)}."
    return text if all(is_better for is_better, *_ in found.values()) else f"{text} {_HINTS}"


def _compare(line: Mapping[str, Any], name: str) -> tuple[bool, str, str]:
    """Returns whether the model is better for sure, and says so, given baseline minus model."""
    sign = 1 if name == "rmse" else -1  # a gain is above 0
    gain = sign * line[name]
    metric = name.upper().replace("_", " ")
    detail = f"{metric} {abs(gain):.4f} {'lower' if line[name] > 0 else 'higher'}"
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    is_better = False
    if low is not None:
        low, high = sorted((sign * low, sign * high))
        detail += f"; 95 % interval of the gain: {low:.4f} to {high:.4f}"
        is_better = low > 0
    words = "beats" if is_better else "does not clearly beat" if gain > 0 else "does not beat"
    return is_better, words, f"({detail})"
