"""The result of `evaluate_ranking`."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from rankkit.data.batches import check_number
from rankkit.evaluation.metrics import bootstrap_means, means_of, metrics_by_query
from rankkit.evaluation.scored_rows import check_rating_range, clipped
from rankkit.utils.errors import invalid


@dataclasses.dataclass(frozen=True)
class Report:
    """What an evaluation has found.

    Attributes:
        lines: One dict for each part of the rows and each scorer: `rows`, `scorer`, `num_rows`,
            `num_queries`, and for each metric its value and, with `_low` and `_high` after its
            name, the ends of its interval; `None` where no query has it.
    """

    lines: list[dict[str, Any]]

    @property
    def metrics(self) -> dict[str, float | None]:
        """Metric to value, of the scorer on all rows."""
        return {name: self.lines[0][name] for name in _metric_names(self.lines[0])}

    def __str__(self) -> str:
        names = _metric_names(self.lines[0])
        head = ["rows", "scorer", "number", *names]
        table = [head]
        for line in self.lines:
            cells = [_cell(line, name) for name in names]
            table.append([line["rows"], line["scorer"], f"{line['num_rows']:,}", *cells])
        return text_table(table, num_names=2)


def _metric_names(line: dict[str, Any]) -> list[str]:
    return [name for name in line if f"{name}_low" in line]


def _cell(line: dict[str, Any], name: str) -> str:
    if line[name] is None:
        return "-"
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    return f"{line[name]:.4f} ±{(high - low) / 2:.3f}"


def check_settings(
    k: int, rating_range: tuple[float, float] | None, num_bootstrap: int, confidence: float
) -> None:
    """Refuses settings of which no metrics or intervals can be made.

    Raises:
        ValueError: If a number is out of its range, or the range does not ascend.
    """
    for name, number in (("k", k), ("num_bootstrap", num_bootstrap)):
        check_number(name, number, 1)
    if not 0 < confidence < 1:
        raise invalid("confidence", confidence, "between 0 and 1", "Such as 0.95.")
    check_rating_range(rating_range)


def report_line(
    queries: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    confidence: float,
    **settings: Any,
) -> dict[str, Any]:
    """Computes all metrics of some rows.

    Args:
        queries: The query of each row, `(rows,)`.
        labels: Its label, `(rows,)`.
        scores: Its score, `(rows,)`.
        confidence: Share of the draws within an interval.
        **settings: Further arguments of `drawn_metrics`.

    Returns:
        The part of a `Report`'s line that depends on the rows.
    """
    metrics = drawn_metrics(queries, labels, scores, **settings)
    return {
        "num_rows": len(labels),
        "num_queries": len(np.unique(queries)),
        **with_intervals(metrics, confidence),
    }


def drawn_metrics(
    queries: np.ndarray,
    labels: np.ndarray,
    scores: np.ndarray,
    *,
    k: int,
    relevant: float,
    rating_range: tuple[float, float] | None,
    num_bootstrap: int,
    seed: int,
) -> dict[str, tuple[float, np.ndarray]]:
    """Computes all metrics of some rows, and of draws of their queries.

    Args:
        queries: The query of each row, `(rows,)`.
        labels: Its label, `(rows,)`.
        scores: Its score, `(rows,)`.
        k: How many places count.
        relevant: Labels from this on are relevant.
        rating_range: Ends that scores are clipped to for errors, or None.
        num_bootstrap: How often queries are drawn.
        seed: Chooses them: the same for other scores.

    Returns:
        Metric to its value and to that of each draw, `(num_bootstrap,)`; NaN where there is none.
    """
    _, numbers = np.unique(queries, return_inverse=True)
    sizes = np.bincount(numbers)
    errors = labels - clipped(scores, rating_range)
    per_query = metrics_by_query(numbers, labels, scores, k=k, relevant=relevant)
    values = np.stack(list(per_query.values()), axis=1)  # (queries, metrics)
    errors_of = [np.bincount(numbers, each) for each in (errors**2, np.abs(errors))]
    sums = np.column_stack([*errors_of, np.nan_to_num(values)])
    counts = np.column_stack([sizes, sizes, np.isfinite(values)]).astype(float)
    means = _rooted(means_of(sums.sum(0), counts.sum(0)))
    samples = _rooted(bootstrap_means(sums, counts, num_samples=num_bootstrap, seed=seed))
    names = ["rmse", "mae", *per_query]
    return {name: (means[place], samples[:, place]) for place, name in enumerate(names)}


def with_intervals(
    metrics: dict[str, tuple[float, np.ndarray]], confidence: float
) -> dict[str, float | None]:
    """Gives metrics with the ends of their intervals, `None` where there is none.

    Args:
        metrics: As `drawn_metrics` gives them.
        confidence: Share of the draws within an interval.
    """
    line: dict[str, float | None] = {}
    tail = (1 - confidence) / 2
    for name, (value, samples) in metrics.items():
        drawn = samples[np.isfinite(samples)]
        low, high = np.quantile(drawn, [tail, 1 - tail]) if len(drawn) else (math.nan, math.nan)
        ends = {name: value, f"{name}_low": low, f"{name}_high": high}
        line |= {key: float(end) if math.isfinite(end) else None for key, end in ends.items()}
    return line


def _rooted(means: np.ndarray) -> np.ndarray:
    """Takes the root of the mean squared error, which comes first."""
    rooted = means.copy()
    rooted[..., 0] = np.sqrt(rooted[..., 0])
    return rooted


def text_table(rows: Sequence[Sequence[str]], *, num_names: int) -> str:
    """Lays cells out in columns: names to the left, numbers to the right.

    Args:
        rows: The cells of each row, the head among them; all rows of one length.
        num_names: How many columns, the first ones, hold names.

    Returns:
        One line a row.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if place < num_names else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
