"""Looks for what is wrong with a scorer: where its errors are, and alarms."""

from typing import Any

import numpy as np

from rankkit._errors import invalid
from rankkit.data.batches import check_number
from rankkit.evaluation import alarms
from rankkit.evaluation.diagnosis import Diagnosis
from rankkit.evaluation.error_lines import error_line, error_lines_by_count
from rankkit.evaluation.prediction_bins import (
    calibration_lines,
    histogram_lines,
    prediction_edges,
)
from rankkit.evaluation.scored_rows import ScoredRows, check_rating_range, clipped
from rankkit.evaluation.unknown_ids import untrained_row, with_unknown_id


def diagnose(
    scorer: Any,
    columns: Any,
    *,
    train: Any,
    query: str = "user_id",
    item: str | None = None,
    label: str | None = None,
    rating_range: tuple[float, float] | None = None,
    num_bins: int = 10,
) -> Diagnosis:
    """Compares predictions with labels, and says in words what is wrong with a model.

    It tells how predictions spread for each label, whether labels are on average what was
    predicted, and how large the errors are for queries and items with few and with many training
    rows, all beside the mean with a bias for each query and item. There are alarms for

    - predictions that are nearly constant, all or within the rows of a query or of an item: with a
      standard deviation below 1 % of that of the labels. Then the model ignores the other one;
    - an error above that of the biases, by more than a thousandth of it: the model is undertrained,
      or overfitted;
    - a row for unknown ids that no training row was looked up in, as far as the scorer shows its
      `rankkit.layers.IdEmbedding`: a `RankingModel` or a network does, an exported file does not;
    - predictions outside the range of the labels: by more than a tenth of it for over one in a
      thousand of them, or by all of it for any.

    Of labels 0 and 1 with scores beyond them, logits as it seems, errors and ranges are not judged.

    Args:
        scorer: As for `rankkit.rank`: a model, a network, a SavedModel, a TFLite file or any
            function from a dict of columns to a score a row.
        columns: The rows to look at, as a dict of arrays or lists, or a pandas DataFrame.
        train: The rows that the scorer was trained on, of which the columns `query`, `item` and
            `label` are needed.
        query: Name of the column by which rows belong together. Defaults to `"user_id"`.
        item: Name of the column that holds the candidates. Defaults to `None`: nothing is told
            by item, and the baseline has biases for queries alone.
        label: Name of the column of labels. Defaults to `None`, that of the `RankingModel`.
        rating_range: Lowest and highest label, to which scores are clipped ahead of all but the
            checks for constant ones. Defaults to `None`, no clipping.
        num_bins: How many quantile bins the calibration has. Defaults to `10`.

    Returns:
        Lines of plain values and the alarms; `print` shows them.

    Raises:
        ValueError: If a column is missing, there are no rows, all labels are equal, a label or a
            score is not finite, or a number is out of its range.
        TypeError: If the labels are no numbers.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "a", "b", "b"], "rating": [5, 1, 4, 2], "age": [3, 3, 4, 4]}
        >>> found = rk.evaluation.diagnose(
        ...     lambda columns: columns["age"], rows, train=rows, label="rating"
        ... )
        >>> for alarm in found.alarms:
        ...     print(alarm[:46])
        Predictions are nearly constant within a user_
        The model is worse than the mean with biases o
    """
    check_rating_range(rating_range)
    check_number("num_bins", num_bins, 2)
    rows = ScoredRows(scorer, columns, train=train, query=query, item=item, label=label)
    if np.ptp(rows.labels) == 0:
        fix = "Give rows with labels that predictions could differ for."
        raise invalid(f"label {rows.label!r}", float(rows.labels[0]), "of at least two values", fix)
    scores = {
        "model": clipped(rows.scores, rating_range),
        "biases": clipped(rows.baseline_scores, rating_range),
    }
    everything = np.concatenate([rows.labels, rows.known[rows.label]])
    low, high = rating_range or (everything.min(), everything.max())
    edges = prediction_edges(low, high)
    errors = [values - rows.labels for values in scores.values()]
    all_rows = error_line("all", *errors)
    unknown, untrained, unchecked = _unknown_ids(rows, rating_range)
    by_count = [
        line
        for name in rows.ids
        for line in error_lines_by_count(name, rows.columns[name], rows.known[name], *errors)
    ]
    constant, too_few = alarms.constant_alarms(rows, query, item)
    undertrained = alarms.undertrained_alarms(all_rows["rmse"], all_rows["biases_rmse"], rows.ids)
    outside = alarms.out_of_range_alarms(scores["model"], rows.label, low, high)
    if logits := alarms.seem_logits(rows.labels, scores["model"]):
        undertrained = outside = []
        unchecked.append(logits)
    return Diagnosis(
        label=rows.label,
        edges=edges.tolist(),
        histograms=histogram_lines(rows.labels, scores, edges),
        calibration=calibration_lines(rows.labels, scores, num_bins),
        errors=[all_rows, *unknown, *by_count],
        alarms=[*constant, *undertrained, *untrained, *outside],
        unchecked=[*too_few, *unchecked],
    )


def _unknown_ids(
    rows: ScoredRows, rating_range: tuple[float, float] | None
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Gives the errors as if ids were unknown, alarms for dead rows, and what was not checked."""
    lines, found, unchecked = [], [], []
    for name in rows.ids:
        columns = with_unknown_id(rows, name)
        if columns is None:
            unchecked.append(
                f"How an unknown {name} is scored: the scorer does not say that it takes any."
            )
            continue
        scores = [rows.score(columns), rows.baseline(columns)]
        errors = [clipped(each, rating_range) - rows.labels for each in scores]
        line = error_line(f"all, as if {name} were unknown", *errors)
        lines.append(line)
        untrained = untrained_row(rows, name)
        if untrained:
            found.append(alarms.untrained_row_alarm(name, line["rmse"], line["biases_rmse"]))
        elif untrained is None:
            unchecked.append(
                f"Whether the row for an unknown {name} was trained: the scorer does not show its "
                "IdEmbedding. Give the live model, or load its .keras file."
            )
    return lines, found, unchecked
