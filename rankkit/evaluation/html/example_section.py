"""Example rankings of a few queries."""

from typing import Any

import numpy as np

from rankkit.core.timestamps import is_missing
from rankkit.evaluation.html import markup
from rankkit.evaluation.html.examples import Example
from rankkit.evaluation.html.markup import Html, element, join, number, raw
from rankkit.evaluation.html.page import Page, Section


def examples(page: Page) -> Section | None:
    """What a few queries liked before, and what the model ranks highest for them."""
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
    drawn = f"{number_drawn} {noun if number_drawn == 1 else users} drawn at random"
    if all(len(each.liked) for each in examples.queries):
        drawn += f" from those with a training row that has a {page.relevant}"
    text = (
        f"{drawn}. {ranked} Test rows of the {noun} show their {page.label}, in green for a "
        f"{page.relevant}."
    )
    cards = [_example(page, each) for each in examples.queries]
    return "examples", "Example rankings", join([element("p", text), *cards])


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
    shown = example.scores
    if scale.is_probability:  # others above the highest label are not clipped to the same number
        shown = np.asarray(scale.predictions(shown))
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
    nothing = f"Nothing is left to rank: the {noun} has training rows of everything."
    return element(
        "article",
        element("h3", f"{markup.capitalize(noun)} ", raw(example.query)),
        element(
            "div",
            element("div", element("h4", "Liked before ", element("small", known)), before),
            element(
                "div",
                element("h4", "Ranked highest ", element("small", _sizes(page, example))),
                element("ol", *best, class_="ranking") if best else element("p", nothing),
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


def _label(page: Page, label: Any) -> str:
    return f"{page.label.replace('_', ' ')} {label:g}"


def _name(page: Page, columns: dict[str, np.ndarray], row: int) -> Html:
    given = [name for name in page.item_columns if name in columns]
    names = [n for n in given if columns[n][row] != "" and not is_missing(columns[n][row])]
    names = names or [page.item]
    values = [raw(columns[name][row]) for name in names if name is not None]
    if not values:
        return element("span", f"row {row + 1:,}")
    others = [element("small", each) for each in values[1:]]
    return element("span", values[0], *(join([" ", each]) for each in others))
