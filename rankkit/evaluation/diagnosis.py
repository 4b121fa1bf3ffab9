"""What a diagnosis finds, and its table."""

import dataclasses
from typing import Any

from rankkit.evaluation.text_table import text_table


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """How a model's predictions relate to the labels, where its errors are, and what is wrong.

    Lines are dicts of plain values. Beside the scorer, which is `"model"`, stand the `"biases"`:
    the mean label with a bias for each query and item. Errors are prediction minus label, so that a
    `mean_error` above 0 is a model that promises too much.

    Attributes:
        label: Name of the column of labels, whose unit all values have.
        edges: Ends of the bins of predictions of `histograms`: from a tenth of the labels' range
            below it to a tenth above; predictions beyond are in the outermost bins.
        histograms: One dict for each label and scorer: `scorer`, `low` and `high` (equal, unless
            labels of more than 12 values were put into 5 groups of as many rows each),
            `num_rows`, `mean_prediction`, and `counts`, the number of predictions in each bin.
        calibration: One dict for each quantile bin of each scorer's predictions, from low to
            high: `scorer`, `num_rows`, `mean_prediction` and `mean_label`.
        errors: One dict for all rows, for the rows as if their query or item were unknown (where
            the scorer says what it takes), and for the rows whose query or item has `low` to
            `high` training rows: `rows` in words, `column`, `low`, `high`, `num_rows`, `rmse`,
            `mean_error`, `biases_rmse` and `biases_mean_error`.
        alarms: What is wrong, in plain words; empty if nothing was found.
        unchecked: What could not be looked for, and why.
    """

    label: str
    edges: list[float]
    histograms: list[dict[str, Any]]
    calibration: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    alarms: list[str]
    unchecked: list[str]

    def __str__(self) -> str:
        errors = [["rows", "number", "rmse", "of biases", "mean error", "of biases"]]
        for line in self.errors:
            values = [line["rmse"], line["biases_rmse"]]
            means = [line["mean_error"], line["biases_mean_error"]]
            cells = [*(f"{each:.4f}" for each in values), *(f"{each:+.4f}" for each in means)]
            errors.append([line["rows"], f"{line['num_rows']:,}", *cells])
        bins = [["mean prediction", f"mean {self.label}", "number"]]
        for line in self.calibration:
            if line["scorer"] == "model":
                cells = [f"{line['mean_prediction']:.3f}", f"{line['mean_label']:.3f}"]
                bins.append([*cells, f"{line['num_rows']:,}"])
        parts = [text_table(errors, num_names=1), text_table(bins, num_names=0)]
        parts.append("\n".join(f"ALARM: {alarm}" for alarm in self.alarms) or "No alarms.")
        parts += ["\n".join(f"Not checked: {each}" for each in self.unchecked)]
        return "\n\n".join(filter(None, parts))
