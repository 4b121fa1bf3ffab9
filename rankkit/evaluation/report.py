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
        tables: dict[str, list[str]] = {}
        for name in names:
            tables.setdefault(_family(name) if "_at_" in name else "", []).append(name)
        if all(len(each) == 1 for family, each in tables.items() if family):
            tables = {"": names}  # a single cutoff
        text = "\n\n".join(map(self._table, tables.values()))
        return "\n".join([text, *self.notes])

    def _table(self, names: Sequence[str]) -> str:
        """All lines with some of the metrics."""
        table = [["rows", "scorer", "num_rows", *names]]
        for line in self.lines:
            cells = [_cell(line, name) for name in names]
            table.append([line["rows"], line["scorer"], f"{line['num_rows']:,}", *cells])
        return text_table(table, num_text_columns=2)


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
    lines: Sequence[dict[str, Any]],
    labels: np.ndarray,
    query: str | None,
    queries: np.ndarray | None,
    settings: MetricSettings,
) -> list[str]:
    """Sentences about undefined metrics of the first line, conventions and missing intervals."""
    relevant = settings.relevant
    no_relevant = f"no label reaches relevant={relevant:g}; the highest is {labels.max():g}"
    reasons = {
        "ndcg": f"no {query} has two rows and a label above 0",
        "mrr": no_relevant,
        "map": no_relevant,
        "hit_rate": no_relevant,
        "auc": f"no {query} has rows with different labels",
        "global_auc": "all labels are equal",
        "normalized_entropy": "all labels are equal",
        "calibration": "all labels are 0",
    }
    if labels.min() < 0:
        reasons["ndcg"] = "a label is negative"
    names_by_reason: dict[str, list[str]] = {}
    for name in _metric_names(lines[0]):
        if lines[0][name] is None:
            names_by_reason.setdefault(reasons[_family(name)], []).append(name)
    notes = [
        f"{_list_of(names)} {'is' if len(names) == 1 else 'are'} undefined: {reason}."
        for reason, names in names_by_reason.items()
    ]
    if queries is not None:
        notes += _conventions(labels, query, queries, settings)
    if any(
        line[name] is not None and line[f"{name}_low"] is None
        for line in lines
        for name in _metric_names(line)
    ):
        unit = query or "row"
        fix = " For intervals over rows, pass query=None." if query else ""
        notes.append(f"A value without \N{PLUS-MINUS SIGN} is that of a single {unit}.{fix}")
    return notes


def _conventions(
    labels: np.ndarray, query: str | None, queries: np.ndarray, settings: MetricSettings
) -> list[str]:
    """Sentences about the gains, and about the queries without relevant rows."""
    notes = ["The gains of NDCG are linear."] if settings.gain == "linear" else []
    convention, num_queries = settings.no_relevant, len(np.unique(queries))
    without_gain, without_relevant = settings.num_without_relevant(queries, labels)
    no_gain, no_relevant = "no label above 0", f"no label of at least {settings.relevant:g}"
    verbs, ending = ("counts", "count"), f" as {convention}"
    if convention == "skip":
        verbs, ending = ("leaves out", "leave out"), ""
        no_gain = f"a single row or {no_gain}"
    if labels.min() < 0:  # NDCG is undefined
        without_gain = 0
    for metrics, verb, num, reason in (
        ("NDCG", verbs[0], without_gain, no_gain),
        ("MRR, MAP and hit rate", verbs[1], without_relevant, no_relevant),
    ):
        if num and (num < num_queries or convention != "skip"):
            notes.append(
                f"{metrics} {verb} {num:,} of {num_queries:,} {query} with {reason}{ending} "
                f"(no_relevant={convention!r})."
            )
    return notes


def _family(name: str) -> str:
    """The name of a metric without its cutoff."""
    return name.partition("_at_")[0]


def _list_of(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


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
