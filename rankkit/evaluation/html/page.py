"""What the sections of the page of `html_report` show."""

import dataclasses
from typing import Any

from rankkit.evaluation.diagnosis import Diagnosis
from rankkit.evaluation.html import markup
from rankkit.evaluation.html.comparison import Comparison
from rankkit.evaluation.html.examples import Examples
from rankkit.evaluation.html.markup import Html, shorten
from rankkit.evaluation.html.metric_texts import MetricText, metric_text
from rankkit.evaluation.html.parts import Part
from rankkit.evaluation.metrics import MetricSettings
from rankkit.evaluation.score_scale import is_click
from rankkit.evaluation.scored_rows import ComparedRows

Section = tuple[str, str, Html]  # its id, its title and its content


@dataclasses.dataclass(frozen=True)
class Page:
    """What the sections show."""

    rows: ComparedRows
    settings: MetricSettings
    comparison: Comparison
    diagnosis: Diagnosis
    notes: list[str]
    parts: list[Part]
    examples: Examples
    query: str | None
    item: str | None
    item_columns: list[str]
    groups: list[str]
    history: dict[str, Any]
    code: str | None

    @property
    def label(self) -> str:
        """The column of labels, as it is shown."""
        return shorten(self.rows.label, 40)

    def noun(self, name: str | None) -> str:
        """A column of ids as a noun, such as "user"."""
        words = shorten(name or "query", 40).replace("_", " ")
        return words.removesuffix(" id") or words

    def text(self, name: str) -> MetricText:
        """The texts of a metric."""
        return metric_text(name, self.label, self.noun(self.query), self.relevant)

    def baseline(self, name: str) -> str:
        """A baseline in words."""
        if name == "mean":
            return f"the mean {self.label}"
        return f"the {markup.list_of([self.noun(each) for each in self.rows.ids])} biases"

    @property
    def relevant(self) -> str:
        """What a relevant row has, in words."""
        lowest = self.settings.relevant
        if lowest == 1 and is_click(self.rows.all_labels):
            return f"{self.label} of 1"
        return f"{self.label} of at least {lowest:g}"

    def distinct(self, name: str) -> str:
        """The number of distinct test ids of a column, in words."""
        size, noun = self.parts[-1].distinct[name], self.noun(name)
        return f"{size:,} {noun if size == 1 else markup.plural(noun)}"

    def headline_metrics(self) -> list[str]:
        """The metrics by which the ranker is judged: of errors and of rankings."""
        k, names = max(self.settings.cutoffs), self.comparison.names
        choices = ("rmse", "log_loss"), (f"ndcg_at_{k}", "auc", "global_auc")
        found = (next((name for name in each if name in names), None) for each in choices)
        return [name for name in found if name is not None]
