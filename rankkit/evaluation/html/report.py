"""`html_report`: everything about a trained ranker on one page."""

import dataclasses
import datetime
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from rankkit.data.columns import as_columns
from rankkit.evaluation.diagnose import diagnose_rows
from rankkit.evaluation.html import (
    data_sections,
    example_section,
    figure_sections,
    results_sections,
)
from rankkit.evaluation.html.comparison import compare
from rankkit.evaluation.html.examples import make_examples
from rankkit.evaluation.html.markup import Html, element, join, shorten
from rankkit.evaluation.html.page import Page
from rankkit.evaluation.html.parts import parts_of
from rankkit.evaluation.metrics import MetricSettings, check_cutoffs
from rankkit.evaluation.report import LOG_LOSS_OF_BIASES, explain_gaps
from rankkit.evaluation.score_scale import is_click
from rankkit.evaluation.scored_rows import ComparedRows, LabeledRows
from rankkit.utils.errors import check_known, check_mapping, check_path, check_sequence, check_text
from rankkit.utils.files import write_atomically

_PAGE = Path(__file__).with_name("page.html")
_NUM_BINS = 10


def html_report(
    path: str | os.PathLike[str],
    scorer: Any,
    columns: Any,
    *,
    train: Any,
    validation: Any = None,
    query: str | None = "user_id",
    item: str | None = None,
    label: str | None = None,
    timestamp: str | None = None,
    k: int | Sequence[int] = 10,
    relevant: float | None = None,
    gain: str = "exponential",
    no_relevant: str = "skip",
    rating_range: tuple[float, float] | None = None,
    history: Mapping[str, Sequence[float]] | None = None,
    item_columns: Sequence[str] = (),
    groups: Sequence[str] = (),
    title: str = "Ranker report",
    code: str | None = None,
    seed: int = 42,
) -> None:
    """Writes a report of a ranker as one HTML file that needs no other file and no network.

    The report says first whether the ranker beats its baselines, by the interval of the paired
    difference, and which warnings there are. It then has the metrics of
    `rankkit.evaluate_ranking`; the numbers of rows, users and items of each part of the data, and
    what the parts share; the learning curve; the tables and warnings of
    `rankkit.evaluation.diagnose` as figures; metrics by group; and the rankings of three users,
    drawn at random, beside what they liked in the training rows.

    Candidates of these rankings are the items of the training and test rows that the user has not
    in the training rows, or 10,000 of them. That needs an `item` column and features that belong
    either to the item or to the user, or are the `timestamp`; those of the user are taken from the
    user's last test row. Otherwise each user's test rows are ranked. The report says which.

    It needs matplotlib, the extra `plots`. For the same input, only the date differs.

    Args:
        path: HTML file to write. It is replaced if it exists.
        scorer: As for `rankkit.evaluate_ranking`. For a model with several heads whose `label` is
            a dict, the scorer of one head: `model.head(name)`.
        columns: The test rows, as a dict of arrays or lists, or a pandas DataFrame.
        train: The training rows of the scorer, with the columns `query`, `item` and `label`; for
            rankings of all items, with the features, too.
        validation: Further rows that were held out, for the table of the data. Defaults to `None`.
        query: Column that identifies the query, such as the user. `None` if there is none. Defaults
            to `"user_id"`.
        item: Column that identifies the item. Defaults to `None`.
        label: Column of labels. Defaults to `None`, the label of the `RankingModel`.
        timestamp: Column of timestamps, to show the time of each part. Defaults to `None`.
        k: Rank cutoff, or several: the summary and the example rankings use the highest. Defaults
            to `10`.
        relevant: Lowest label of a relevant row, one that the user liked. Defaults to `None`: 1.0
            if all labels are 0 and 1, and else 4.0, for ratings up to 5.
        gain: Gains of NDCG, as in `rankkit.evaluate_ranking`. Defaults to `"exponential"`.
        no_relevant: What queries without a relevant row count as, as in
            `rankkit.evaluate_ranking`. Defaults to `"skip"`.
        rating_range: Lowest and highest rating, to which predictions are clipped, as in
            `rankkit.evaluate_ranking`. Defaults to `None`, no clipping.
        history: Metric name to one value per epoch, for the learning curve: `fit(...).history`.
            Defaults to `None`.
        item_columns: Columns that describe an item in the example rankings, such as its title.
            Defaults to `()`.
        groups: Columns by whose values metrics are given, such as a country; of each, the eight
            most frequent values. Defaults to `()`.
        title: Title of the page. Defaults to `"Ranker report"`.
        code: Text of the program that trained the ranker, to show. Defaults to `None`.
        seed: Random seed of the bootstrap and of the choice of users. Defaults to `42`.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: As for `rankkit.evaluate_ranking`, and if all labels of the test rows are equal.
        TypeError: As for `rankkit.evaluate_ranking`.

    Example:
        >>> import tempfile
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "a", "b", "b"], "rating": [5, 1, 4, 2], "year": [4, 3, 2, 1]}
        >>> file = tempfile.mkdtemp() + "/report.html"
        >>> rk.evaluation.html_report(
        ...     file, lambda columns: columns["year"], rows, train=rows, label="rating"
        ... )
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ImportError(
            "rankkit.evaluation.html_report needs matplotlib. Install rankkit with its extra: "
            "pip install '.[plots]' in a clone."
        )
    check_path("path", path)
    check_text("title", title)
    if code is not None:
        check_text("code", code)
    if history is not None:
        check_mapping("history", history, "a dict of lists", "Pass `fit(...).history`.")
        for name, values in history.items():
            check_sequence(f"history[{name!r}]", values, "a list of numbers")
    item_columns = check_sequence("item_columns", item_columns, "a list of column names")
    groups = check_sequence("groups", groups, "a list of column names")
    settings = MetricSettings(
        check_cutoffs(k),
        4.0 if relevant is None else relevant,
        rating_range,
        seed=seed,
        gain=gain,
        no_relevant=no_relevant,
    )
    known = list(as_columns(columns, argument="columns"))
    used = [*item_columns, *groups, *([] if timestamp is None else [timestamp])]
    check_known("column", used, known)
    rows = ComparedRows(scorer, columns, train, query, item, label, rating_range)
    if relevant is None and is_click(rows.all_labels):
        settings = dataclasses.replace(settings, relevant=1.0)
    diagnosis = diagnose_rows(rows, query, item, _NUM_BINS)
    training = LabeledRows(scorer, train, rows.ids, rows.label, argument="train")
    held_out = None
    if validation is not None:
        held_out = LabeledRows(scorer, validation, rows.ids, rows.label, argument="validation")
    comparison = compare(rows, settings)
    if query is None and not comparison.names:
        raise ValueError(f"With query=None there is no metric. {rows.scale.notes('model')[0]}")
    notes = explain_gaps([comparison.lines["model"]], rows.labels, query, rows.queries, settings)
    if comparison.lines.get("biases", {}).get("log_loss", 0) is None:
        notes.append(LOG_LOSS_OF_BIASES)
    page = Page(
        rows=rows,
        settings=settings,
        comparison=comparison,
        diagnosis=diagnosis,
        notes=notes,
        parts=parts_of(rows, training, held_out, query, item, timestamp, settings.relevant),
        examples=make_examples(
            rows,
            training.columns,
            training.labels,
            query,
            item,
            timestamp,
            item_columns,
            max(settings.cutoffs),
            settings.relevant,
            seed,
        ),
        query=query,
        item=item,
        item_columns=item_columns,
        groups=groups,
        history=dict(history or {}),
        code=code,
    )
    text = _fill(title, page)
    with write_atomically(path, replace=True) as part:
        part.write_text(text, encoding="utf-8")


_SECTIONS = (
    results_sections.results,
    results_sections.groups,
    figure_sections.errors,
    example_section.examples,
    data_sections.data,
    figure_sections.training,
    data_sections.notes,
    data_sections.reproduce,
)


def _fill(title: str, page: Page) -> str:
    """The text of the page."""
    shown = shorten(title, 200)
    body = [each for each in (make(page) for make in _SECTIONS) if each is not None]
    links = [element("a", name, href=f"#{key}") for key, name, _ in body]
    main = [element("section", element("h2", name), content, id=key) for key, name, content in body]
    today = datetime.date.today()
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=join([shown]),
        heading=element("h1", shown, dir="auto"),
        date=element("time", f"{today.day} {today:%B %Y}", datetime=today.isoformat()),
        subtitle=results_sections.subtitle(page),
        summary=results_sections.summary(page),
        links=Html("\n".join(links)),
        main=Html("\n".join(main)),
    )
