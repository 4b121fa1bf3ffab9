"""Metrics of a model beside its baselines, with paired differences, on all rows and on groups."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from rankkit.core.arrays import single_values
from rankkit.evaluation.diagnosis import groups_by_count
from rankkit.evaluation.html.markup import plural, shorten
from rankkit.evaluation.html.metric_texts import MetricText
from rankkit.evaluation.metrics import MetricSettings
from rankkit.evaluation.row_metrics import metric_names
from rankkit.evaluation.score_scale import is_click
from rankkit.evaluation.scored_rows import ComparedRows

_MAX_GROUPS = 8  # values of a column; the others are one group


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Metrics on the same rows.

    Attributes:
        num_rows: Number of rows.
        lines: Scorer, `"model"` first, to its line of a `Report`.
        differences: Baseline to the line of the metrics of the model minus its own.
    """

    num_rows: int
    lines: dict[str, dict[str, Any]]
    differences: dict[str, dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """The metrics that the model has."""
        line = self.lines["model"]
        return [name for name in line if f"{name}_low" in line and line[name] is not None]

    def reference(self, name: str, text: MetricText) -> str | None:
        """The best baseline by a metric; `None` if it is undefined for all of them."""
        values = {each: self.lines[each][name] for each in self.differences}
        known = {each: text.distance(value) for each, value in values.items() if value is not None}
        return min(known, key=known.__getitem__) if known else None


def compare(
    rows: ComparedRows,
    settings: MetricSettings,
    mask: np.ndarray | None = None,
    baselines: Sequence[str] = ("biases", "mean"),
    only: str | None = None,
) -> Comparison:
    """Compares a model with baselines, on the same bootstrap samples of queries.

    If `only` is given, other metrics are left out.
    """
    names = metric_names([rows.scale.kind], is_binary=is_click(rows.all_labels))
    names = [name for name in names if only in (None, name)]
    mask = np.ones(len(rows.labels), bool) if mask is None else mask
    queries = None if rows.queries is None else rows.queries[mask]
    values = {
        name: settings.bootstrap(
            queries,
            rows.labels[mask],
            scores[mask],
            None if predictions is None else predictions[mask],
            names,
            only,
        )
        for name, (scores, predictions) in rows.scorers().items()
        if name in ("model", *baselines)
    }
    size = int(mask.sum())
    differences = {
        scorer: {
            name: (values["model"][name][0] - value, values["model"][name][1] - samples)
            for name, (value, samples) in metrics.items()
        }
        for scorer, metrics in values.items()
        if scorer != "model"
    }
    lines, differences = (
        {name: settings.line("", name, size, queries, each) for name, each in metrics.items()}
        for metrics in (values, differences)
    )
    return Comparison(size, lines, differences)


def groups_of(
    rows: ComparedRows, nouns: dict[str, str], columns: Sequence[str]
) -> Iterator[tuple[str, str, np.ndarray]]:
    """Groups of the rows: by training rows of each id, and by columns; title, group and mask."""
    for name in rows.ids:
        title = f"Training rows of the {nouns[name]}"
        for low, high, mask in groups_by_count(rows.columns[name], rows.train[name]):
            span = f"{low:,} to {high:,}" if low else f"none (new {plural(nouns[name])})"
            yield title, span, mask
    for name in columns:
        cells = list(map(shorten, single_values(f"column {name!r}", rows.columns[name])))
        values = [value for value, _ in Counter(cells).most_common(_MAX_GROUPS)]
        of_value = {value: np.array([cell == value for cell in cells]) for value in values}
        for value in sorted(values):
            yield f"By {name}", value, of_value[value]
        rest = ~np.any(list(of_value.values()), axis=0)
        if rest.any():
            yield f"By {name}", "all other values", rest
