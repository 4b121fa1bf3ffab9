"""The summary, and the metrics on all test rows and on groups of them."""

from typing import Any

from rankkit.evaluation.html import markup
from rankkit.evaluation.html.comparison import Comparison, compare, groups_of
from rankkit.evaluation.html.markup import Html, element, join, number, shorten, table
from rankkit.evaluation.html.page import Page, Section

_OTHER_TILES = ("mae", "global_auc", "auc", "mrr")


def subtitle(page: Page) -> Html:
    """What the ranker predicts."""
    verb = "Ranking by" if page.rows.scale.kind == "order" else "Prediction of"
    return join([f"{verb} ", element("b", page.label)])


def _setting(page: Page) -> Html:
    """The test rows and the baselines."""
    of = f" of {page.distinct(page.query)}" if page.query else ""
    texts = [
        f"On {len(page.rows.labels):,} test rows{of}, beside ",
        element("b", "mean"),
        f", the mean {page.label} of the training rows",
    ]
    if page.rows.ids:
        nouns = markup.list_of([page.noun(each) for each in page.rows.ids])
        texts += [", and ", element("b", "biases"), f", which adds a bias for each {nouns}"]
    return element("p", *texts, ".")


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
    # Biases of clicks may have no log loss: the headline is about metrics of all baselines.
    lines = [page.comparison.lines[each] for each in page.comparison.differences]
    judged = [name for name in names if all(line[name] is not None for line in lines)] or names
    verdicts = {name: _verdict(page, name, page.comparison)[0] for name in judged}
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
    elif kinds:
        status, headline = "unclear", "The ranker is not clearly better than its baselines"
    else:
        status, headline = "unclear", "No metric is defined on these test rows"
    sentences = [_setting(page), *(element("p", _sentence(page, name)) for name in names)]
    others = [each for each in _OTHER_TILES if each in page.comparison.names]
    tiles = [_tile(page, name) for name in list(dict.fromkeys([*names, *others]))[:3]]
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
    margin = 0.0
    if low is not None:
        margin = (high - low) / 2
        if verdict != "unclear":
            low, high = sorted((abs(low), abs(high)))
        bounds = " to ".join(markup.rounded(each, margin) for each in (low, high))
        interval = f"95\N{NO-BREAK SPACE}% interval {bounds}"
    start += [
        f", {markup.rounded(abs(value), margin)} {'lower' if value < 0 else 'higher'} than the "
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
    """Half the width of the interval; empty without one, or if it is 0 but for rounding."""
    low, high = line[f"{name}_low"], line[f"{name}_high"]
    if low is None or high - low < 1e-9 * max(abs(low), abs(high), 1e-9):
        return ""
    return f"\N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}{number((high - low) / 2, 2)}"


def _value(line: dict[str, Any], name: str) -> Html:
    margin = _margin(line, name)
    return join([number(line[name]), *([" ", element("small", margin)] if margin else [])])


def _change(page: Page, name: str, comparison: Comparison) -> Html | str:
    """The difference from the best baseline, and what it means."""
    verdict, reference = _verdict(page, name, comparison)
    if reference is None:
        return markup.MISSING
    line = comparison.differences[reference]
    value, low, high = (line[f"{name}{end}"] for end in ("", "_low", "_high"))
    badge = element("span", verdict, class_=f"badge {verdict}")
    if low is None or not _margin(line, name):
        return join([number(value, 2), " ", badge])
    value, *bounds = (markup.rounded(each, (high - low) / 2) for each in (value, low, high))
    return join([value, " ", element("small", " to ".join(bounds)), " ", badge])


def results(page: Page) -> Section:
    """Every metric of the ranker and its baselines, with its meaning."""
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
    unit = "rows" if page.query is None else markup.plural(page.noun(page.query))
    text = (
        f"The number after \N{PLUS-MINUS SIGN} is half the "
        f"width of a 95\N{NO-BREAK SPACE}% interval, from resampling {unit}. The last "
        "column is the difference from the better baseline on the same samples; it is called "
        "better or worse if its interval excludes 0."
    )
    return (
        "results",
        "Results",
        join([table("Results", head, rows, class_="metrics"), element("p", text)]),
    )


def groups(page: Page) -> Section | None:
    """The first headline metric on groups of the test rows."""
    name = next(iter(page.headline_metrics()), None)
    if name is None:
        return None
    text = page.text(name)
    reference = page.comparison.reference(name, text)
    if reference is None:
        return None
    titles: dict[str, list[list[Any]]] = {}
    nouns = {each: page.noun(each) for each in page.rows.ids}
    for title, group, mask in groups_of(page.rows, nouns, page.groups):
        found = compare(page.rows, page.settings, mask, [reference], name)
        values = [_value(found.lines[each], name) for each in ("model", reference)]
        change = _change(page, name, found)
        titles.setdefault(title, []).append([_group(group, found.num_rows), *values, change])
    head = ["Ranker", reference.capitalize(), "Difference"]
    tables = [
        table(title, ["Group", *head], lines, class_="groups", caption=title)
        for title, lines in titles.items()
    ]
    intro = element("p", f"{text.title} of groups of test rows; {text.good} is better.")
    return ("groups", "By group", join([intro, *tables])) if tables else None


def _group(name: str, num_rows: int) -> Html:
    return join([element("bdi", name), " ", element("small", f"{num_rows:,} rows")])
