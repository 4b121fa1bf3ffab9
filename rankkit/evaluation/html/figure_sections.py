"""Figures of calibration, errors and training."""

import dataclasses

from rankkit import plots
from rankkit.evaluation.html import markup
from rankkit.evaluation.html.markup import element, number, shorten
from rankkit.evaluation.html.page import Page, Section

_LEFT_OUT = ("loss", "total_loss", "regularization_loss", "lr", "learning_rate")
_NUM_CURVES = 2


def errors(page: Page) -> Section:
    """Calibration, predictions by true label, and errors by popularity."""
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


def training(page: Page) -> Section | None:
    """Metrics by epoch."""
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
        caption = f"After the last epoch: {words} {markup.list_of(last)}."
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
