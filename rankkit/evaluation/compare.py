"""`compare_rankings`: paired comparison of scorers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rankkit.evaluation.metrics import MetricSettings
from rankkit.evaluation.report import Report
from rankkit.evaluation.scored_rows import read_labelled, score_rows
from rankkit.utils.errors import invalid, wrong_type


def compare_rankings(
    scorers: Mapping[str, Any],
    columns: Any,
    *,
    query: str = "user_id",
    label: str | None = None,
    k: int = 10,
    relevant: float = 4.0,
    rating_range: tuple[float, float] | None = None,
    num_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 42,
) -> Report:
    """Computes the differences between the metrics of scorers and those of the first scorer.

    The metrics are those of `rankkit.evaluate_ranking`. The bootstrap is paired: all scorers are
    evaluated on the same samples of queries, so the interval of a difference is usually far
    narrower than those of the metrics. A difference is significant if its interval excludes 0.

    Args:
        scorers: Name to scorer, two or more; the first is the one to compare with.
        columns: The rows to evaluate on, as a dict of arrays or lists, or a pandas DataFrame.
        query: Column that identifies the query: rows are ranked within it. Defaults to `"user_id"`.
        label: Column of labels. Defaults to `None`, the label of the first scorer.
        k: Rank cutoff. Defaults to `10`.
        relevant: Lowest label of a relevant row. Defaults to `4.0`, for ratings up to 5.
        rating_range: Lowest and highest rating, to which scores are clipped for `rmse` and `mae`.
            Defaults to `None`, no clipping.
        num_bootstrap: Number of bootstrap samples. Defaults to `1000`.
        confidence: Confidence level of the intervals. Defaults to `0.95`.
        seed: Random seed of the bootstrap. Defaults to `42`.

    Returns:
        A table of differences, one line per scorer except the first: `print` shows it, `lines` has
        everything as a list of dicts, `metrics` has the values of the first line.

    Raises:
        ValueError: If there are fewer than two scorers, a column is missing, or an argument is out
            of range.
        TypeError: If `scorers` is not a dict, or the labels are not numbers.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "a", "b", "b"], "rating": [5, 1, 4, 2], "year": [4, 3, 2, 1]}
        >>> scorers = {
        ...     "old": lambda columns: -columns["year"],
        ...     "new": lambda columns: columns["year"],
        ... }
        >>> found = rk.evaluation.compare_rankings(scorers, rows, label="rating")
        >>> found.metrics["auc"]
        1.0
    """
    if not isinstance(scorers, Mapping):
        fix = 'Name the scorers: {"old": ..., "new": ...}.'
        raise wrong_type("scorers", scorers, "a dict of names and scorers", fix)
    if len(scorers) < 2:
        raise invalid("scorers", list(scorers), "two or more", "Pass the scorers to compare.")
    settings = MetricSettings(k, relevant, rating_range, num_bootstrap, confidence, seed)
    first_scorer = next(iter(scorers.values()))
    label, rows, labels = read_labelled(first_scorer, columns, [query], label)
    _, queries = np.unique(rows[query], return_inverse=True)
    (first, expected), *others = (
        (name, settings.bootstrap(queries, labels, score_rows(scorer, rows, label)))
        for name, scorer in scorers.items()
    )
    lines = []
    for name, metrics in others:
        differences = {
            metric: (value - expected[metric][0], samples - expected[metric][1])
            for metric, (value, samples) in metrics.items()
        }
        lines.append(settings.line("all", f"{name} - {first}", queries, differences))
    return Report(lines)
