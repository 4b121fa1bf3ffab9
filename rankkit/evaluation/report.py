"""The result of `evaluate_ranking` and `compare_rankings`."""

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Report:
    """Table of ranking metrics with confidence intervals; `print` shows it.

    Attributes:
        lines: One dict per subset of the rows and scorer: `rows`, `scorer`, `num_rows`,
            `num_queries`, and each metric with the bounds of its confidence interval, which have
            the suffixes `_low` and `_high`. A metric that no query has is `None`.
    """

    lines: list[dict[str, Any]]

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
        return text_table(table, num_text_columns=2)


def _metric_names(line: dict[str, Any]) -> list[str]:
    return [name for name in line if f"{name}_low" in line]


def _cell(line: dict[str, Any], name: str) -> str:
    if line[name] is None:
        return "-"
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    return f"{line[name]:.4f} ±{(high - low) / 2:.3f}"


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
