"""`diagnose`: where the errors of a scorer are, and warnings."""

from typing import Any

import numpy as np

from rankkit.data.batches import check_number
from rankkit.evaluation.diagnosis import (
    Diagnosis,
    calibration_lines,
    error_line,
    error_lines_by_count,
    histogram_lines,
    prediction_edges,
    untrained_row,
    with_unknown_id,
)
from rankkit.evaluation.scored_rows import ScoredRows, check_rating_range, clipped
from rankkit.utils.errors import invalid


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
    rows, all beside the mean with a bias for each query and item. There are warnings for

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
        Lines of plain values and the warnings; `print` shows them.

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
        >>> for alarm in found.warnings:
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
    constant, too_few = constant_alarms(rows, query, item)
    undertrained = undertrained_alarms(all_rows["rmse"], all_rows["biases_rmse"], rows.ids)
    outside = out_of_range_alarms(scores["model"], rows.label, low, high)
    if logits := seem_logits(rows.labels, scores["model"]):
        undertrained = outside = []
        unchecked.append(logits)
    return Diagnosis(
        label=rows.label,
        edges=edges.tolist(),
        histograms=histogram_lines(rows.labels, scores, edges),
        calibration=calibration_lines(rows.labels, scores, num_bins),
        errors=[all_rows, *unknown, *by_count],
        warnings=[*constant, *undertrained, *untrained, *outside],
        unchecked=[*too_few, *unchecked],
    )


def _unknown_ids(
    rows: ScoredRows, rating_range: tuple[float, float] | None
) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Gives the errors as if ids were unknown, warnings for dead rows, and what was not checked."""
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
            found.append(untrained_row_alarm(name, line["rmse"], line["biases_rmse"]))
        elif untrained is None:
            unchecked.append(
                f"Whether the row for an unknown {name} was trained: the scorer does not show its "
                "IdEmbedding. Give the live model, or load its .keras file."
            )
    return lines, found, unchecked


_NEARLY_CONSTANT = 0.01  # of the labels' standard deviation
_NO_WORSE = 0.001  # of the baseline's error
_FAR_OUTSIDE = 0.1  # of the labels' range
_SOME = 0.001  # of the rows


def constant_alarms(rows: ScoredRows, query: str, item: str | None) -> tuple[list[str], list[str]]:
    """Looks for scores that are alike: all of them, those of a query, or those of an item.

    Args:
        rows: The rows with their scores.
        query: The column by which rows belong together.
        item: The column of candidates, or None.

    Returns:
        The warnings, and what could not be checked.
    """
    deviation = rows.labels.std()
    least = _NEARLY_CONSTANT * deviation
    if (spread := rows.scores.std()) < least:
        return [
            f"Predictions are nearly constant: standard deviation {spread:.2g}, that of "
            f"{rows.label} {deviation:.2g}. Train from another seed or with a lower learning "
            "rate: dead units give one score to every row."
        ], []
    warnings, unchecked = [], []
    pairs = [(query, item, f"every candidate of a {query} gets the same score")]
    if item is not None:
        pairs.append((item, query, f"every {query} gets the same order"))
    for name, other, effect in pairs:
        spread = _spread_within(rows, name, other)
        differing = f"differing {other}" if other else "their own"
        if spread is None:
            unchecked.append(
                f"Whether predictions differ within a {name}: none has two rows of {differing}."
            )
        elif spread < least:
            warnings.append(
                f"Predictions are nearly constant within a {name}: standard deviation "
                f"{spread:.2g}, that of {rows.label} {deviation:.2g}, so that {effect}. Is "
                f"{other or 'what tells its rows apart'} a feature of the network, and written as "
                "in its vocabulary?"
            )
    return warnings, unchecked


def _spread_within(rows: ScoredRows, name: str, other: str | None) -> float | None:
    """Standard deviation from the mean of a group, over groups of two values of `other` or more."""
    _, groups = np.unique(rows.columns[name], return_inverse=True)
    others = np.arange(len(groups))
    if other is not None:
        others = np.unique(rows.columns[other], return_inverse=True)[1]
    pairs = np.unique(np.stack([groups, others]), axis=1)
    telling = np.bincount(pairs[0])[groups] > 1
    if not telling.any():
        return None
    means = np.bincount(groups, rows.scores) / np.bincount(groups)
    return float(np.sqrt(np.mean((rows.scores - means[groups])[telling] ** 2)))


def undertrained_alarms(rmse: float, biases_rmse: float, ids: list[str]) -> list[str]:
    """Compares a model's error with that of the mean and a bias for each id."""
    if rmse <= biases_rmse * (1 + _NO_WORSE):
        return []
    return [
        f"The model is worse than the mean with biases of {' and '.join(ids)}: RMSE {rmse:.4f} "
        f"against {biases_rmse:.4f} on the same rows. Train for more epochs or with another "
        "learning rate; or for fewer, if it is better on the training rows."
    ]


def untrained_row_alarm(name: str, rmse: float, biases_rmse: float) -> str:
    """Words the alarm of an embedding whose row for unknown ids was never trained."""
    return (
        f"The row for an unknown {name} was never trained: its vocabulary holds every training id, "
        f"and its id_dropout_rate is 0. With {name} unknown the RMSE is {rmse:.4f}, that of the "
        f"biases {biases_rmse:.4f}. Give the layer id_dropout_rate=0.1, or leave rare ids out of "
        "its vocabulary."
    )


def out_of_range_alarms(scores: np.ndarray, label: str, low: float, high: float) -> list[str]:
    """Looks for scores far outside the range of the labels.

    That is by a tenth of the range for more than one score in a thousand, or by all of it for any.
    """
    beyond = np.maximum(low - scores, scores - high) / (high - low)
    outside = int((beyond > _FAR_OUTSIDE).sum())
    if outside <= _SOME * len(scores) and beyond.max() <= 1:
        return []
    return [
        f"{outside:,} of {len(scores):,} predictions are far outside the range of {label}, "
        f"{low:g} to {high:g}: they go from {scores.min():.3g} to {scores.max():.3g}. Train with "
        f"a lower learning rate, or clip them with rating_range=({low:g}, {high:g})."
    ]


def seem_logits(labels: np.ndarray, scores: np.ndarray) -> str:
    """Tells what is not judged of scores that seem to be logits; empty, if they do not."""
    if not np.isin(labels, (0.0, 1.0)).all() or 0 <= scores.min() <= scores.max() <= 1:
        return ""
    return (
        "How far off predictions are: labels are 0 and 1, and scores beyond them, logits as it "
        "seems. Diagnose chances, such as those of lambda rows: tf.sigmoid(scorer(rows))."
    )
