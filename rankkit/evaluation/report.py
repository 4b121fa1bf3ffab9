"""The result of `evaluate_ranking` and `compare_rankings`."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from rankkit.evaluation.metrics import MetricSettings

LOG_LOSS_OF_BIASES = "The log loss of 'biases' is undefined: some predictions are not in [0, 1]."


@dataclasses.dataclass(frozen=True)
class Report:
    """Table of metrics with confidence intervals; `print` shows it.

    Attributes:
        lines: One dict per subset of the rows and scorer: `rows`, `scorer`, `num_rows`,
            `num_queries`, and each metric with the bounds of its confidence interval, which have
            the suffixes `_low` and `_high`. A metric that is undefined is `None`; so are the bounds
            of one that only a single query, or row, has.
        notes: What is left out or undefined, and why, and how scores were judged by their values;
            `print` shows it below the table.
    """

    lines: list[dict[str, Any]]
    notes: list[str]

    @property
    def metrics(self) -> dict[str, float | None]:
        """Metric to value, of the first scorer on all rows."""
        return {name: self.lines[0][name] for name in _metric_names(self.lines[0])}

    def __str__(self) -> str:
        names = _metric_names(self.lines[0])
        table = [["rows", "scorer", "num_rows", *names]]
        for line in self.lines:
            cells = [_cell(line, name) for name in names]
            table.append([line["rows"], line["scorer"], f"{line['num_rows']:,}", *cells])
        return "\n".join([text_table(table, num_text_columns=2), *self.notes])


def _metric_names(line: dict[str, Any]) -> list[str]:
    return [name for name in line if f"{name}_low" in line]


def _cell(line: dict[str, Any], name: str) -> str:
    if line[name] is None:
        return "-"
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    if low is None:
        return f"{line[name]:.4f}"
    return f"{line[name]:.4f} ±{(high - low) / 2:.3f}"


def explain_gaps(
    lines: Sequence[dict[str, Any]], labels: np.ndarray, query: str | None, settings: MetricSettings
) -> list[str]:
    """Sentences about undefined metrics of the first line, and about missing intervals."""
    k, relevant = settings.k, settings.relevant
    no_relevant = f"no label reaches relevant={relevant:g}; the highest is {labels.max():g}"
    reasons = {
        f"ndcg_at_{k}": f"no {query} has two rows and a label above 0",
        "mrr": no_relevant,
        f"hit_rate_at_{k}": no_relevant,
        "auc": f"no {query} has rows with different labels",
        "global_auc": "all labels are equal",
        "normalized_entropy": "all labels are equal",
        "calibration": "all labels are 0",
    }
    if labels.min() < 0:
        reasons[f"ndcg_at_{k}"] = "a label is negative"
    names_by_reason: dict[str, list[str]] = {}
    for name in _metric_names(lines[0]):
        if lines[0][name] is None:
            names_by_reason.setdefault(reasons[name], []).append(name)
    notes = [
        f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} undefined: {reason}."
        for reason, names in names_by_reason.items()
    ]
    if any(
        line[name] is not None and line[f"{name}_low"] is None
        for line in lines
        for name in _metric_names(line)
    ):
        unit = query or "row"
        fix = " For intervals over rows, pass query=None." if query else ""
        notes.append(f"A value without \N{PLUS-MINUS SIGN} is that of a single {unit}.{fix}")
    return notes


def text_table(rows: Sequence[Sequence[str]], *, num_text_columns: int) -> str:
    """Align cells in columns: the first `num_text_columns` to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:<{width}}" if index < num_text_columns else f"{cell:>{width}}"
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
