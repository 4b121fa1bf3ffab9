"""The sections of the page of `html_report`."""

import dataclasses
import importlib.metadata
import platform
from typing import Any

import numpy as np

from rankkit import plots
from rankkit.evaluation.diagnosis import Diagnosis
from rankkit.evaluation.html import markup
from rankkit.evaluation.html.comparison import Comparison, compare, groups_of
from rankkit.evaluation.html.data import Part
from rankkit.evaluation.html.examples import Example, Examples
from rankkit.evaluation.html.markup import Html, element, join, number, raw, shorten, table
from rankkit.evaluation.html.metric_texts import MetricText, metric_text
from rankkit.evaluation.metrics import MetricSettings
from rankkit.evaluation.scored_rows import ScoredRows
from rankkit.models.network import find_feature_layers
from rankkit.ranking.scoring import get_feature_specs

_LEFT_OUT = ("loss", "total_loss", "regularization_loss", "lr", "learning_rate")
_PACKAGES = ("rankkit", "tensorflow", "tf_keras", "numpy")
_MAX_LABELS = 12
_NUM_CURVES = 2
_PLUS_MINUS = "\N{NO-BREAK SPACE}\N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}"

Section = tuple[str, str, Html]  # its id, its title and its content


@dataclasses.dataclass(frozen=True)
class Page:
    """What the sections show."""

    rows: ScoredRows
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
        return metric_text(name, self.label, self.noun(self.query), self.settings)

    def baseline(self, name: str) -> str:
        """A baseline in words."""
        if name == "mean":
            return f"the mean {self.label}"
        return f"the {markup.list_of([self.noun(each) for each in self.rows.ids])} biases"

    def headline_metrics(self) -> list[str]:
        """The metrics by which the ranker is judged: of errors and of rankings."""
        k, names = self.settings.k, self.comparison.names
        choices = ("rmse", "log_loss"), (f"ndcg_at_{k}", "auc", "global_auc")
        found = (next((name for name in each if name in names), None) for each in choices)
        return [name for name in found if name is not None]


def all_of(page: Page) -> list[Section | None]:
    """The sections in their order; `None` for one without content."""
    return [
        _results(page),
        _groups(page),
        _errors(page),
        _examples(page),
        _data(page),
        _training(page),
        _notes(page),
        _reproduce(page),
    ]


def subtitle(page: Page) -> Html:
    """What was evaluated."""
    rows = page.rows
    of = f" of {_distinct(page.parts[-1], page, page.query)}" if page.query else ""
    size = f"{len(rows.labels):,} test rows{of}"
    return join(["Prediction of ", element("b", page.label), f" \N{MIDDLE DOT} {size}"])


# --- Summary ---


def _verdict(page: Page, name: str, comparison: Comparison) -> tuple[str, str | None]:
    """Whether the model is better, worse or unclear, and the baseline it is compared with."""
    text = page.text(name)
    reference = comparison.reference(name, text)
    if reference is None or text.good == "near 1":
        return "unclear", None
    line = comparison.differences[reference]
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    if low is None or low <= 0 <= high:
        return "unclear", reference
    return "better" if (high < 0) == (text.good == "lower") else "worse", reference


def summary(page: Page) -> Html:
    """Whether the ranker beats its baselines, by how much, and the warnings."""
    names = page.headline_metrics()
    verdicts = {name: _verdict(page, name, page.comparison)[0] for name in names}
    titles = {
        verdict: markup.list_of([page.text(n).title for n, v in verdicts.items() if v == verdict])
        for verdict in ("better", "worse", "unclear")
    }
    kinds = set(verdicts.values())
    if kinds == {"better"}:
        status, headline = "better", "The ranker beats its baselines"
    elif "better" in kinds:
        status, others = "unclear", titles["worse"] or titles["unclear"]
        headline = f"The ranker beats its baselines by {titles['better']}, but not by {others}"
    elif "worse" in kinds:
        status, headline = "worse", f"The ranker is worse than a baseline by {titles['worse']}"
    else:
        status, headline = "unclear", "The ranker is not clearly better than its baselines"
    sentences = [element("p", _sentence(page, name)) for name in names]
    tiles = [_tile(page, name) for name in names]
    warnings = page.diagnosis.warnings
    if warnings:
        title = f"{len(warnings)} warning{'s' if len(warnings) > 1 else ''}"
        items = [element("li", shorten(each, 600)) for each in warnings]
        alarm = element("div", element("h3", title), element("ul", *items), class_="warnings")
    else:
        alarm = element("p", "No warnings.", class_="calm")
    verdict = element("div", element("h2", headline), *sentences, class_=f"verdict {status}")
    return join([verdict, element("div", *tiles, class_="tiles"), alarm])


def _sentence(page: Page, name: str) -> Html:
    text, line = page.text(name), page.comparison.lines["model"]
    verdict, reference = _verdict(page, name, page.comparison)
    start = [element("b", f"{text.title} is {number(line[name])}")]
    if reference is None:
        return join([*start, "; no baseline has one."])
    change = page.comparison.differences[reference]
    value, low, high = (change[f"{name}{end}"] for end in ("", "_low", "_high"))
    other = page.comparison.lines[reference][name]
    relative = markup.share(abs(value) / abs(other)) if other else ""
    interval = f"no interval, as a single {page.noun(page.query)} has this metric"
    if low is not None:
        if verdict != "unclear":
            low, high = sorted((abs(low), abs(high)))
        interval = f"95\N{NO-BREAK SPACE}% interval {number(low, 2)} to {number(high, 2)}"
    start += [
        f", {number(abs(value), 2)} {'lower' if value < 0 else 'higher'} than the "
        f"{number(other)} of {page.baseline(reference)} ("
        + "; ".join(filter(None, [relative, interval]))
        + f"). {text.good.capitalize()} is better"
    ]
    ending = ": these rows do not show a difference." if verdict == "unclear" and low else "."
    return join([*start, ending])


def _tile(page: Page, name: str) -> Html:
    lines = page.comparison.lines
    _, reference = _verdict(page, name, page.comparison)
    other = f"{reference} {number(lines[reference][name])}" if reference else ""
    return element(
        "div",
        element("span", page.text(name).title, class_="name"),
        element("strong", number(lines["model"][name])),
        element("span", _margin(lines["model"], name), class_="margin"),
        element("span", other, class_="name"),
        class_="tile",
    )


def _margin(line: dict[str, Any], name: str) -> str:
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    return (
        ""
        if low is None
        else f"{_PLUS_MINUS.strip()}\N{NO-BREAK SPACE}{number((high - low) / 2, 2)}"
    )


def _value(line: dict[str, Any], name: str, digits: int = 4) -> Html:
    margin = _margin(line, name)
    parts = [number(line[name], digits)]
    return join([*parts, " ", element("small", margin)] if margin else parts)


def _change(page: Page, name: str, comparison: Comparison) -> Html | str:
    """The difference from the best baseline, and what it means."""
    verdict, reference = _verdict(page, name, comparison)
    if reference is None:
        return markup.MISSING
    value = _value(comparison.differences[reference], name, 3)
    return join([value, " ", element("span", verdict, class_=f"badge {verdict}")])


# --- Results ---


def _results(page: Page) -> Section:
    comparison = page.comparison
    scorers = [each for each in ("biases", "mean") if each in comparison.differences]
    rows = []
    for name in comparison.names:
        text = page.text(name)
        good = f"{text.good} is better"
        head = join(
            [
                element("b", text.title),
                " ",
                element("span", good, class_="good"),
                element("span", text.meaning, class_="meaning"),
            ]
        )
        cells = [_value(comparison.lines[each], name) for each in ("model", *scorers)]
        rows.append([head, *cells, _change(page, name, comparison)])
    head = [
        "Metric",
        "Ranker",
        *map(str.capitalize, scorers),
        "Ranker \N{MINUS SIGN} best baseline",
    ]
    meaning = {
        "biases": f"the mean training label plus a bias for each "
        f"{markup.list_of([page.noun(each) for each in page.rows.ids])}",
        "mean": "the mean training label for every row, whose order is random",
    }
    baselines = "; ".join(f"{each}: {meaning[each]}" for each in scorers)
    unit = "rows" if page.query is None else markup.plural(page.noun(page.query))
    text = (
        f"On {comparison.num_rows:,} test rows. The number after \N{PLUS-MINUS SIGN} is half the "
        f"width of a 95\N{NO-BREAK SPACE}% interval, from resampling {unit}. The last "
        "column is the difference from the better baseline on the same samples; it is called "
        f"better or worse if its interval excludes 0. Baselines: {baselines}."
    )
    return (
        "results",
        "Results",
        join([table("Results", head, rows, class_="metrics"), element("p", text)]),
    )


def _groups(page: Page) -> Section | None:
    name = page.headline_metrics()[0]
    text = page.text(name)
    reference = page.comparison.reference(name, text)
    if reference is None:
        return None
    titles: dict[str, list[list[Any]]] = {}
    nouns = {each: page.noun(each) for each in page.rows.ids}
    for title, group, mask in groups_of(page.rows, nouns, page.groups):
        found = compare(page.rows, page.settings, mask, [reference])
        values = [_value(found.lines[each], name) for each in ("model", reference)]
        change = _change(page, name, found)
        titles.setdefault(title, []).append([_group(group, found.num_rows), *values, change])
    head = ["Ranker", reference.capitalize(), "Difference"]
    tables = [
        table(title, [title, *head], lines, class_="groups") for title, lines in titles.items()
    ]
    intro = element("p", f"{text.title} of groups of test rows; {text.good} is better.")
    return ("groups", "By group", join([intro, *tables])) if tables else None


def _group(name: str, num_rows: int) -> Html:
    return join([element("bdi", name), " ", element("small", f"{num_rows:,} rows")])


# --- Figures ---


def _errors(page: Page) -> Section:
    title = "Calibration and errors"
    if not page.diagnosis.errors:
        text = (
            f"The scores of this ranker are only an order, not predictions of {page.label}: they "
            "have no errors and no calibration."
        )
        return "errors", title, element("p", text)
    label = page.label
    diagnosis = dataclasses.replace(page.diagnosis, label=label)
    figures = [
        markup.figure(
            f"Mean true {label} by mean predicted {label}, of the ranker and the bias baseline",
            "Rows with similar predictions are one point. On the diagonal, predictions are right "
            "on average; below it they are too high.",
            plots.calibration,
            diagnosis,
        ),
        markup.figure(
            f"Histograms of the predicted {label} for each true {label}",
            "The less these histograms overlap, the better the ranker tells rows apart.",
            plots.predicted_against_true,
            diagnosis,
        ),
    ]
    for column in page.rows.ids:
        noun = page.noun(column)
        errors = [
            {**line, "column": noun} for line in page.diagnosis.errors if line["column"] == column
        ]
        figures.append(
            markup.figure(
                f"Error by the number of training rows of the {noun}",
                f"Errors by popularity of the {noun}: from few training rows on the left to many "
                "on the right, with the number of test rows in brackets.",
                plots.error_by_count,
                dataclasses.replace(diagnosis, errors=errors),
            )
        )
    return "errors", title, element("div", *figures, class_="figures")


def _training(page: Page) -> Section | None:
    metrics = [name for name in page.history if not name.startswith("val_")]
    metrics = [name for name in metrics if name not in _LEFT_OUT] or metrics
    if not metrics:
        return None
    figures = []
    for name in metrics[:_NUM_CURVES]:
        values = {
            each: page.history[each] for each in (name, f"val_{name}") if each in page.history
        }
        words = shorten(name, 60).replace("_", " ")
        last = [
            f"{number(float(each[-1]))} on {of} rows"
            for each, of in zip(values.values(), ("training", "validation"), strict=False)
        ]
        caption = f"{words} after each epoch; after the last: {markup.list_of(last)}."
        figures.append(
            markup.figure(
                f"Learning curve of {words}",
                caption,
                plots.learning_curve,
                page.history,
                metric=name,
            )
        )
    return "training", "Learning curve", element("div", *figures, class_="figures")


# --- Examples ---


def _examples(page: Page) -> Section | None:
    examples = page.examples
    if not examples.queries:
        return None
    noun = page.noun(page.query)
    users = markup.plural(noun)
    if examples.num_items is None:
        ranked = f"Each list ranks the test rows of the {noun}, not all items. {examples.reason}"
    else:
        items = markup.plural(page.noun(page.item))
        ranked = f"Each list ranks the {items} that the {noun} has no training row for."
    number_drawn = len(examples.queries)
    drawn = (
        f"{number_drawn} {noun if number_drawn == 1 else users} drawn at random, those who liked "
        f"something before others. {ranked} A {page.label} in the ranking is that of a test row, "
        f"green if it is at least {page.settings.relevant:g}."
    )
    cards = [_example(page, each) for each in examples.queries]
    return "examples", "Example rankings", join([element("p", drawn), *cards])


def _example(page: Page, example: Example) -> Html:
    columns, train = page.examples.columns, page.examples.train
    scale, noun = page.rows.scale, page.noun(page.query)
    liked = [
        element(
            "li",
            _name(page, train, row),
            element("span", _label(page, train[page.rows.label][row]), class_="badge"),
        )
        for row in example.liked
    ]
    before = (
        element("ol", *liked) if liked else element("p", "No liked training rows.", class_="calm")
    )
    predictions = scale.predictions(example.scores)
    shown = example.scores if predictions is None else predictions
    best = []
    for row, score, label in zip(example.ranked, shown, example.labels, strict=True):
        is_liked = label >= page.settings.relevant
        badge = None
        if not np.isnan(label):
            kind = "badge better" if is_liked else "badge"
            badge = element("span", _label(page, label), class_=kind)
        text = markup.share(score) if scale.is_probability else number(score, 3)
        best.append(
            element(
                "li",
                _length(page, score),
                _name(page, columns, row),
                "" if badge is None else badge,
                element("span", text, class_="score"),
            )
        )
    known = f"{example.num_known:,} training rows"
    return element(
        "article",
        element("h3", f"{noun.capitalize()} ", raw(example.query)),
        element(
            "div",
            element("div", element("h4", "Liked before ", element("small", known)), before),
            element(
                "div",
                element("h4", "Ranked highest ", element("small", _sizes(page, example))),
                element("ol", *best, class_="ranking"),
            ),
            class_="pair",
        ),
    )


def _sizes(page: Page, example: Example) -> str:
    size = f"of {example.num_candidates:,}"
    if example.num_candidates < example.num_new:
        return f"{size} drawn at random from {example.num_new:,}"
    return f"{size} test rows" if page.examples.num_items is None else size


def _length(page: Page, score: float) -> Html:
    """A bar from the lowest to the highest label; none for scores that are only an order."""
    if page.rows.scale.kind == "order":
        return join([])
    low, high = page.rows.all_labels.min(), page.rows.all_labels.max()
    share = np.clip((score - low) / (high - low), 0, 1)
    return element("i", style=f"width:{100 * share:.0f}%")


def _label(page: Page, label: float) -> str:
    return f"{page.label.replace('_', ' ')} {label:g}"


def _name(page: Page, columns: dict[str, np.ndarray], row: int) -> Html:
    names = [name for name in page.item_columns if name in columns] or [page.item]
    values = [raw(columns[name][row]) for name in names if name is not None]
    if not values:
        return element("span", f"row {row + 1:,}")
    others = [element("small", each) for each in values[1:]]
    return element("span", values[0], *(join([" ", each]) for each in others))


# --- Data ---


def _distinct(part: Part, page: Page, name: str | None) -> str:
    assert name is not None
    size, noun = part.distinct[name], page.noun(name)
    return f"{size:,} {noun if size == 1 else markup.plural(noun)}"


def _data(page: Page) -> Section:
    parts = page.parts
    total = sum(len(part.labels) for part in parts)
    lines: list[list[Any]] = [
        ["Rows", *(f"{len(p.labels):,} ({markup.share(len(p.labels) / total)})" for p in parts)]
    ]
    for name in page.rows.ids:
        noun = page.noun(name)
        users = markup.plural(noun)
        lines.append([f"Distinct {users}", *(f"{part.distinct[name]:,}" for part in parts)])
        cells = [
            f"{part.new[name]:,} ({markup.share(part.new[name] / len(part.labels))})"
            for part in parts[1:]
        ]
        lines.append([f"Rows of {users} without training rows", markup.MISSING, *cells])
    if parts[0].repeated is not None:
        cells = [f"{part.repeated:,}" for part in parts[1:]]
        lines.append(["Rows whose pair of ids is also in training rows", markup.MISSING, *cells])
    lines.append([f"Mean {page.label}", *(number(float(p.labels.mean())) for p in parts)])
    spans = [f"{p.labels.min():g} to {p.labels.max():g}" for p in parts]
    lines.append([f"Range of {page.label}", *spans])
    relevant = f"{page.label} of at least {page.settings.relevant:g}"
    lines.append([f"Rows with a {relevant}", *(markup.share(part.relevant) for part in parts)])
    if any(part.times for part in parts):
        for title, end in (("First time", 0), ("Last time", 1)):
            cells = [part.times[end] if part.times else markup.MISSING for part in parts]
            lines.append([title, *cells])
    head = ["", *(part.name for part in parts)]
    texts = [table("Data", head, lines, class_="data")]
    late = parts[-1].late
    if late is not None:
        text = "All test rows are later than all training rows."
        if late < 1:
            text = (
                f"{markup.share(1 - late)} of the test rows are not later than the last training "
                "row: the split is not by time, and future rows helped to train the ranker."
            )
        texts.append(element("p", text))
    values = np.unique(np.concatenate([part.labels for part in parts]))
    if len(values) <= _MAX_LABELS:
        shares = [[float(np.mean(part.labels == each)) for part in parts] for each in values]
        rows = [
            [f"{value:g}", *(_bar(each) for each in line)]
            for value, line in zip(values, shares, strict=True)
        ]
        title = f"Share of each {page.label}"
        texts.append(table(title, [title, *(p.name for p in parts)], rows, class_="data shares"))
    return "data", "Data and split", join(texts)


def _bar(value: float) -> Html:
    return join([element("i", style=f"width:{60 * value:.1f}%"), markup.share(value)])


# --- Notes and reproduction ---


def _notes(page: Page) -> Section | None:
    notes = list(dict.fromkeys([*page.notes, *page.diagnosis.unchecked]))
    if not notes:
        return None
    items = [element("li", shorten(each, 600)) for each in notes]
    return "notes", "What was not computed or checked", element("ul", *items)


def _reproduce(page: Page) -> Section:
    rows = page.rows
    texts: list[Html] = []
    network = getattr(rows.scorer, "network", rows.scorer)
    specs = get_feature_specs(rows.scorer)
    if specs:
        lines = []
        for name, spec in specs.items():
            layers = find_feature_layers(network, name) if hasattr(network, "input") else []
            kinds = dict.fromkeys(type(layer).__name__ for layer, _ in layers)
            lines.append([raw(name), spec.dtype.name, ", ".join(kinds) or markup.MISSING])
        texts.append(table("Features", ["Feature", "Type", "Read by"], lines, class_="data"))
    versions = [(name, importlib.metadata.version(name)) for name in _PACKAGES]
    lines = [["Python", platform.python_version()], *map(list, versions)]
    if hasattr(network, "count_params"):
        lines.append(["Weights of the network", f"{network.count_params():,}"])
    lines += [
        ["Bootstrap samples, seed", f"{page.settings.num_bootstrap:,}, {page.settings.seed}"],
        ["Scores are", _KINDS[rows.scale.kind].format(label=page.label)],
    ]
    if rows.scale.rating_range is not None:
        low, high = rows.scale.rating_range
        lines.append(["Predictions are clipped to", f"{low:g} to {high:g}"])
    texts.append(table("Versions", ["Made with", "Version"], lines, class_="data"))
    if page.code is not None:
        texts.append(element("p", "This program trained the ranker and wrote this report:"))
        texts.append(element("pre", element("code", page.code)))
    return "reproduce", "How to reproduce it", join(texts)


_KINDS = {
    "estimate": "predictions of {label}",
    "logit": "logits, shown as probabilities of {label} = 1",
    "probability": "probabilities of {label} = 1",
    "order": "an order only",
}
