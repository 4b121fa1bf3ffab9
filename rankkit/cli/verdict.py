"""One sentence about whether a ranker beats its baselines."""

from collections.abc import Mapping, Sequence
from typing import Any

from rankkit.cli.recipe import Recipe

_BASELINES = {"biases": "the user and item biases", "mean": "the mean"}
_HINTS = (
    "Add rows per user and item, or columns that describe them, compare the kinds of model in "
    "ranker.toml, or rank by the biases."
)


def verdict(recipe: Recipe, differences: Sequence[Mapping[str, Any]]) -> str:
    """Returns whether the error, or for clicks the AUC, is better than that of each baseline.

    Args:
        recipe: The recipe of the ranker.
        differences: Lines of `rankkit.evaluation.compare_rankings` of model, biases and mean.
    """
    lines = {line["scorer"].removesuffix(" - model"): line for line in differences}
    names = ("auc", "global_auc") if recipe.data.task == "clicks" else ("rmse",)
    parts, is_best = [], True
    for baseline, words in _BASELINES.items():
        name = next((each for each in names if lines[baseline].get(each) is not None), None)
        if name is None:
            return "Too few test rows to compare the ranker with its baselines."
        line = lines[baseline]
        sign = -1 if name == "rmse" else 1  # of the baseline minus the model
        gain, low, high = (line.get(each) for each in (name, f"{name}_low", f"{name}_high"))
        gain = -sign * gain
        unit = "RMSE" if name == "rmse" else "AUC"
        interval, wins = "", gain > 0
        if low is not None and high is not None:
            low, high = sorted((-sign * low, -sign * high))
            wins = low > 0
            interval = f" (95 % interval {low:+.4f} to {high:+.4f})"
        is_best &= wins
        verb = "beats" if wins else "does not clearly beat" if gain > 0 else "does not beat"
        better = "lower" if unit == "RMSE" else "higher"
        if gain < 0:
            better, gain = ("higher" if unit == "RMSE" else "lower"), -gain
        parts.append(f"{verb} {words}: its {unit} is {gain:.4f} {better}{interval}")
    text = f"On the test rows, the ranker {', and '.join(parts)}."
    return text if is_best else f"{text} {_HINTS}"
