"""The data and its split, what was not checked, and how to reproduce the report."""

import importlib.metadata
import platform
from typing import Any

import numpy as np

from rankkit.evaluation.html import markup
from rankkit.evaluation.html.markup import Html, element, join, number, raw, shorten, table
from rankkit.evaluation.html.page import Page, Section
from rankkit.models.network import find_feature_layers
from rankkit.ranking.scoring import get_feature_specs

_PACKAGES = ("rankkit", "tensorflow", "tf_keras", "numpy")
_MAX_LABELS = 12
_NO_CURVE = (
    "There is no learning curve, as no history of the training was passed. A Bayesian model has "
    "none: it is sampled."
)
_KINDS = {
    "estimate": "predictions of {label}",
    "logit": "logits, shown as probabilities of {label} = 1",
    "probability": "probabilities of {label} = 1",
    "order": "an order only",
}


def data(page: Page) -> Section:
    """The parts of the data, and the shares of their labels."""
    parts = page.parts
    total = sum(len(part.labels) for part in parts)
    lines: list[list[Any]] = [["Rows", *(_count(len(part.labels), total) for part in parts)]]
    for name in page.rows.ids:
        noun = page.noun(name)
        users = markup.plural(noun)
        lines.append([f"Distinct {users}", *(f"{part.distinct[name]:,}" for part in parts)])
        cells = [_count(part.new[name], len(part.labels)) for part in parts[1:]]
        lines.append([f"Rows of {users} without training rows", markup.MISSING, *cells])
    if parts[0].repeated is not None:
        cells = [f"{part.repeated:,}" for part in parts[1:]]
        lines.append(["Rows whose pair of ids is also in training rows", markup.MISSING, *cells])
    lines.append([f"Mean {page.label}", *(number(float(p.labels.mean())) for p in parts)])
    spans = [f"{p.labels.min():g} to {p.labels.max():g}" for p in parts]
    lines.append([f"Range of {page.label}", *spans])
    lines.append([f"Rows with a {page.relevant}", *(markup.share(part.relevant) for part in parts)])
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
            start = f"Only {markup.share(late)} of the test rows are" if late else "No test row is"
            text = (
                f"{start} later than the last training row: this is not a split by time, and the "
                "ranker was trained with rows that are later than those it is tested on."
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


def _count(size: int, total: int) -> Html:
    return join([f"{size:,} ", element("small", markup.share(size / total))])


def _bar(value: float) -> Html:
    return join([element("i", style=f"width:{3 * value:.2f}em"), markup.share(value)])


def notes(page: Page) -> Section | None:
    """What was left out, and why."""
    notes = list(dict.fromkeys([*page.notes, *page.diagnosis.unchecked]))
    if not page.history:
        notes.append(_NO_CURVE)
    if not notes:
        return None
    items = [element("li", shorten(each, 600)) for each in notes]
    return "notes", "What was not computed or checked", element("ul", *items)


def reproduce(page: Page) -> Section:
    """The features and the versions, and the program."""
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
        texts.append(table("Features", ["Feature", "Type", "Read by"], lines, class_="data facts"))
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
    texts.append(
        table("Versions and settings", ["Version or setting", "Value"], lines, class_="data facts")
    )
    if page.code is not None:
        texts.append(element("p", "This program trained the ranker and wrote this report:"))
        texts.append(element("pre", element("code", page.code)))
    return "reproduce", "How to reproduce it", join(texts)
