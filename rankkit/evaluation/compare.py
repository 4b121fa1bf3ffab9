"""Paired comparison of two scorers."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rankkit.data.columns import as_columns
from rankkit.evaluation.report import Report, check_settings, drawn_metrics, with_intervals
from rankkit.evaluation.scored_rows import feature_batches, label_numbers, label_of, labelled_rows
from rankkit.ranking.scoring import scores_of
from rankkit.utils.errors import invalid


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
    """Tells by how much each scorer's metrics differ from those of the first.

    The metrics are those of `rankkit.evaluate_ranking`. Each draw of queries is the same for all
    scorers, so that the interval is that of the difference, mostly far narrower than those of the
    two: one that does not hold 0 tells scorers apart.

    Args:
        scorers: Name to scorer, two or more; the others are compared with the first.
        columns: The rows to evaluate on, as a dict of arrays or lists, or a pandas DataFrame.
        query: Name of the column by which rows belong together. Defaults to `"user_id"`.
        label: Name of the column of labels. Defaults to `None`, that of the first scorer.
        k: How many places count. Defaults to `10`.
        relevant: Labels from this on are relevant. Defaults to `4.0`, of ratings up to 5.
        rating_range: Lowest and highest label, to which scores are clipped for `rmse` and `mae`.
            Defaults to `None`, no clipping.
        num_bootstrap: How many times queries are drawn for the intervals. Defaults to `1000`.
        confidence: Share of the draws within an interval. Defaults to `0.95`.
        seed: Chooses the draws. Defaults to `42`.

    Returns:
        A table of differences, one line for each scorer but the first: `print` shows it, `lines`
        has everything as a list of dicts, `metrics` the first line's.

    Raises:
        ValueError: If there are fewer than two scorers, a column is missing, or a number is out of
            its range.
        TypeError: If the labels are no numbers.

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
    if len(scorers) < 2:
        raise invalid("scorers", list(scorers), "two or more")
    check_settings(k, rating_range, num_bootstrap, confidence)
    first_scorer = next(iter(scorers.values()))
    label = label_of(first_scorer, label)
    rows = labelled_rows(first_scorer, as_columns(columns), label)
    queries = as_columns(rows, [query])[query]
    labels = label_numbers(rows, label)
    settings: dict[str, Any] = {
        "k": k, "relevant": relevant, "rating_range": rating_range,
        "num_bootstrap": num_bootstrap, "seed": seed,
    }  # fmt: skip
    found = {}
    for name, scorer in scorers.items():
        scores = scores_of(scorer, feature_batches(scorer, rows, label), len(labels)).astype(float)
        found[name] = drawn_metrics(queries, labels, scores, **settings)
    first, *others = found
    lines = []
    for name in others:
        differences = {
            metric: (value - found[first][metric][0], samples - found[first][metric][1])
            for metric, (value, samples) in found[name].items()
        }
        counts = {"num_rows": len(labels), "num_queries": len(np.unique(queries))}
        scorer = f"{name} - {first}"
        line = {"rows": "all", "scorer": scorer, **counts}
        lines.append({**line, **with_intervals(differences, confidence)})
    return Report(lines)
