"""`diagnose`: errors of a scorer by group of rows, calibration, and warnings."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rankkit.evaluation.diagnosis import (
    Diagnosis,
    calibration_lines,
    error_line,
    error_lines_by_count,
    histogram_lines,
    prediction_edges,
)
from rankkit.evaluation.metrics import RankedRows
from rankkit.evaluation.score_scale import FAR_OUTSIDE
from rankkit.evaluation.scored_rows import ComparedRows
from rankkit.layers import IdEmbedding
from rankkit.models.network import find_feature_layers
from rankkit.ranking.scoring import get_feature_specs
from rankkit.utils.errors import check_integer, check_range

_NEARLY_CONSTANT = 0.01  # of the standard deviation of the labels
_MAX_EXCESS = 0.001  # of the RMSE or AUC of the baseline
_ROUNDING = 1e-6  # of a score
_NEAR_MEAN = 0.01  # of the standard deviation of the embeddings
_MAX_SHARE_OUTSIDE = 0.001  # of the rows


def diagnose(
    scorer: Any,
    columns: Any,
    *,
    train: Any,
    query: str | None = "user_id",
    item: str | None = None,
    label: str | None = None,
    rating_range: tuple[float, float] | None = None,
    num_bins: int = 10,
) -> Diagnosis:
    """Compares predictions with labels and warns about common problems of a model.

    The result contains the distribution of the predictions for each label, the calibration, and the
    errors by number of training rows of the query and the item. All of it is also computed for a
    baseline: the mean label plus a bias for each query and item. There are warnings for

    - nearly constant predictions, over all rows or within the rows of a query or of an item: a
      standard deviation below 1 % of that of the labels. Within a query, the model ignores the
      item, and vice versa;
    - an RMSE more than 0.1 % above that of the baseline, or an AUC within queries more than 0.1 %
      below, if scores are only an order: the model is underfitted or overfitted;
    - an out-of-vocabulary (OOV) embedding that no training row used. This needs the layers
      `rankkit.layers.IdEmbedding` of a `RankingModel` or a network: an exported file has none;
    - predictions outside the range of the labels: more than 0.1 % of them by more than a tenth of
      the range, or any of them by more than the whole range.

    What scores are is decided as in `rankkit.evaluate_ranking`. Logits are diagnosed as
    probabilities. If scores are only an order, the tables are empty and their range is not checked.

    Args:
        scorer: As for `rankkit.evaluate_ranking`. The checks of OOV ids need a scorer that lists
            its features: neither a function nor an array of scores.
        columns: The rows to evaluate on, as a dict of arrays or lists, or a pandas DataFrame.
        train: The training rows of the scorer, with the columns `query`, `item` and `label`. The
            baseline, the counts and the checks of OOV ids need them.
        query: Column that identifies the query: rows are ranked within it. `None` if there is none.
            Defaults to `"user_id"`.
        item: Column that identifies the item. Defaults to `None`: no errors by item, and the
            baseline has biases for queries only.
        label: Column of labels. Defaults to `None`, the label of the `RankingModel`.
        rating_range: Lowest and highest rating, to which predictions are clipped, except for the
            checks for constant predictions. Defaults to `None`, no clipping.
        num_bins: Number of quantile bins of the calibration. Defaults to `10`.

    Returns:
        Tables of plain values and the warnings; `print` shows them.

    Raises:
        ValueError: If a column or an id is missing, there are no rows, all labels are equal, a
            label or score is not finite, an array has not one score per row, or an argument is out
            of range.
        TypeError: If labels or scores are not numbers, or ids are of different types.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "a", "b", "b"], "rating": [5, 1, 4, 2], "age": [3, 3, 4, 4]}
        >>> found = rk.evaluation.diagnose(
        ...     lambda columns: columns["age"], rows, train=rows, label="rating"
        ... )
        >>> for warning in found.warnings:
        ...     print(warning.split(":")[0])
        Predictions are nearly constant within each user_id
        The model is worse than the bias baseline of user_id
    """
    if rating_range is not None:
        check_range("rating_range", rating_range)
    check_integer("num_bins", num_bins, 2)
    rows = ComparedRows(scorer, columns, train, query, item, label, rating_range)
    return diagnose_rows(rows, query, item, num_bins)


def diagnose_rows(
    rows: ComparedRows, query: str | None, item: str | None, num_bins: int
) -> Diagnosis:
    """Diagnoses rows that are scored already."""
    if np.ptp(rows.labels) == 0:
        raise ValueError(
            f"Labels must have at least two values, but all values of column {rows.label!r} are "
            f"{rows.labels[0]:g}. Pass rows with different labels."
        )
    warnings, unchecked = _constant_predictions(rows, query, item)
    lines, untrained, not_possible = _check_unknown_ids(rows)
    unchecked += not_possible
    if rows.predictions is None:
        worse, not_possible = _ranks_worse(rows, query)
        unchecked += [*not_possible, *rows.scale.notes("model")]
        return Diagnosis(rows.label, [], [], [], [], [*warnings, *worse, *untrained], unchecked)
    scores = {"model": rows.predictions, "biases": rows.baseline_predictions}
    low, high = rows.scale.rating_range or (rows.all_labels.min(), rows.all_labels.max())
    edges = prediction_edges(low, high)
    errors = [values - rows.labels for values in scores.values()]
    lines.insert(0, error_line("all", *errors))
    for name in rows.ids:
        lines += error_lines_by_count(name, rows.columns[name], rows.train[name], *errors)
    rmse, biases_rmse = lines[0]["rmse"], lines[0]["biases_rmse"]
    if rmse > biases_rmse * (1 + _MAX_EXCESS):
        figures = f"RMSE {rmse:.4f} against {biases_rmse:.4f} on the same rows"
        warnings.append(_worse("is", rows.ids, figures))
    warnings += untrained
    unchecked += rows.scale.notes("model")
    return Diagnosis(
        label=rows.label,
        edges=edges.tolist(),
        histograms=histogram_lines(rows.labels, scores, edges),
        calibration=calibration_lines(rows.labels, scores, num_bins),
        errors=lines,
        warnings=[*warnings, *_out_of_range(rows.predictions, rows.label, low, high)],
        unchecked=unchecked,
    )


def _constant_predictions(
    rows: ComparedRows, query: str | None, item: str | None
) -> tuple[list[str], list[str]]:
    """Warnings for constant scores, overall or within a query or item; checks not possible."""
    compared, reference = rows.label, rows.labels.std()
    std = rows.scores.std()
    is_constant = std < _NEARLY_CONSTANT * reference
    if rows.predictions is None:  # an order has no scale of its own
        is_constant = std <= _ROUNDING * np.abs(rows.scores).max()
        compared, reference = ("all scores", std) if std else (compared, reference)
    threshold = _NEARLY_CONSTANT * reference
    if is_constant:
        return [
            f"Predictions are nearly constant: their standard deviation is {std:.2g}, that of "
            f"{compared} {reference:.2g}. Train with another seed or a lower learning rate: dead "
            "units give every row the same score."
        ], []
    warnings, unchecked = [], []
    checks: list[tuple[str, str | None, str]] = []
    if query is not None:
        checks.append((query, item, f"all candidates of a {query} get the same score"))
    if query is not None and item is not None:
        checks.append((item, query, f"every {query} gets the same ranking"))
    for name, other, effect in checks:
        std = _std_within(rows, name, other)
        if std is None:
            needed = f"with different values of {other}" if other else "to compare"
            unchecked.append(
                f"Whether predictions vary within each {name}: no {name} has two rows {needed}."
            )
        elif std < threshold:
            feature = f"{other} is a feature" if other else "item features are inputs"
            warnings.append(
                f"Predictions are nearly constant within each {name}: their standard deviation is "
                f"{std:.2g}, that of {compared} {reference:.2g}, so {effect}. Check that "
                f"{feature} of the network, with values as in its vocabulary."
            )
    return warnings, unchecked


def _std_within(rows: ComparedRows, name: str, other: str | None) -> float | None:
    """Standard deviation within groups of `name` with two or more values of `other`."""
    _, groups = np.unique(rows.columns[name], return_inverse=True)
    others = np.arange(len(groups))
    if other is not None:
        others = np.unique(rows.columns[other], return_inverse=True)[1]
    pairs = np.unique(np.stack([groups, others]), axis=1)
    is_varied = np.bincount(pairs[0])[groups] > 1
    if not is_varied.any():
        return None
    means = np.bincount(groups, rows.scores) / np.bincount(groups)
    return float(np.sqrt(np.mean((rows.scores - means[groups])[is_varied] ** 2)))


def _ranks_worse(rows: ComparedRows, query: str | None) -> tuple[list[str], list[str]]:
    """Warnings for scores that order the rows of a query worse than the baseline does."""
    check = "Whether the model ranks worse than the bias baseline:"
    if rows.queries is None:
        return [], [f"{check} there are no queries."]
    auc, biases_auc = (
        RankedRows(rows.queries, rows.labels, scores).auc()
        for scores in (rows.scores, rows.baseline_scores)
    )
    if np.isnan(auc).all():
        return [], [f"{check} no {query} has rows with different labels."]
    auc, biases_auc = np.nanmean(auc), np.nanmean(biases_auc)
    if auc >= biases_auc * (1 - _MAX_EXCESS):
        return [], []
    figures = f"AUC {auc:.4f} against {biases_auc:.4f} within each {query}"
    return [_worse("ranks", rows.ids, figures)], []


def _worse(verb: str, ids: list[str], figures: str) -> str:
    baseline = f"bias baseline of {' and '.join(ids)}" if ids else "mean label"
    return (
        f"The model {verb} worse than the {baseline}: {figures}. Train for more epochs or with "
        "another learning rate. If the model is better on the training rows, it overfits: train "
        "for fewer epochs."
    )


def _out_of_range(scores: np.ndarray, label: str, low: float, high: float) -> list[str]:
    excess = np.maximum(low - scores, scores - high) / (high - low)
    num_outside = int((excess > FAR_OUTSIDE).sum())
    if num_outside <= _MAX_SHARE_OUTSIDE * len(scores) and excess.max() <= 1:
        return []
    return [
        f"{num_outside:,} of {len(scores):,} predictions are far outside the range of {label}, "
        f"{low:g} to {high:g}: they range from {scores.min():.3g} to {scores.max():.3g}. Train "
        f"with a lower learning rate, or clip scores with rating_range=({low:g}, {high:g})."
    ]


def _check_unknown_ids(rows: ComparedRows) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Errors with the ids of a column replaced by an OOV id, warnings; checks not possible."""
    lines, warnings, unchecked = [], [], []
    for name in rows.ids:
        if name not in (get_feature_specs(rows.scorer) or ()):
            unchecked.append(
                f"How rows with an OOV {name} are scored: the scorer does not list {name} "
                "among its features."
            )
            continue
        layers = _id_layers(rows.scorer, name)
        vocabularies = [set(layer.vocabulary) for layer in layers]
        train_ids = set(rows.train[name].tolist())
        effect = ""
        if rows.predictions is not None:
            line = _unknown_id_line(rows, name, train_ids.union(*vocabularies))
            lines.append(line)
            effect = (
                f" With an OOV {name} the RMSE is {line['rmse']:.4f}, that of the bias baseline "
                f"{line['biases_rmse']:.4f}."
            )
        if not layers:
            unchecked.append(
                f"Whether the out-of-vocabulary embedding of {name} was trained: the scorer does "
                "not expose its IdEmbedding. Pass the model itself, or load its .keras file."
            )
        elif any(
            not layer.id_dropout_rate and train_ids <= vocabulary and not _is_oov_the_mean(layer)
            for layer, vocabulary in zip(layers, vocabularies, strict=True)
        ):
            warnings.append(
                f"The out-of-vocabulary embedding of {name} was never trained: the vocabulary "
                f"contains every training id, and id_dropout_rate is 0.{effect} Pass "
                "id_dropout_rate=0.1 to the layer, or leave rare ids out of its vocabulary."
            )
    return lines, warnings, unchecked


def _unknown_id_line(rows: ComparedRows, name: str, known: set[Any]) -> dict[str, Any]:
    """Errors of all rows with the ids of a column replaced by one that is new."""
    known = known.union(rows.columns[name].tolist())
    is_text = isinstance(rows.columns[name][0], str)
    number = -1
    while (unknown := f"unknown{number}" if is_text else number) in known:
        number -= 1
    column = np.full(len(rows.labels), unknown, object if is_text else None)
    replaced = rows.replaced({**rows.columns, name: column})
    return error_line(f"all, as if {name} were OOV", *(each - rows.labels for each in replaced))


def _is_oov_the_mean(layer: IdEmbedding) -> bool:
    """Whether OOV ids have the mean vector of the known ones, as after Bayesian sampling."""
    [table] = layer.get_weights()
    oov, known = np.split(table, [layer.num_oov_indices])
    return bool(np.abs(oov - known.mean(axis=0)).max() < _NEAR_MEAN * known.std())


def _id_layers(scorer: Any, name: str) -> list[IdEmbedding]:
    """`IdEmbedding` layers of a live model or network that read a column."""
    network = getattr(scorer, "network", scorer)
    inputs = getattr(network, "input", None)
    if not isinstance(inputs, Mapping) or name not in inputs:
        return []
    layers = [layer for layer, _ in find_feature_layers(network, name)]
    return [layer for layer in layers if isinstance(layer, IdEmbedding)]
