"""Metrics over rows, as ratios of sums that a bootstrap can resample."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from scipy.special import xlogy

_MAX_UNITS = 10_000  # of rows without queries
_MEAN_LABEL = "mean label"  # by which the log loss is normalized

Terms = dict[str, tuple[np.ndarray, np.ndarray]]
Values = dict[str, tuple[Any, Any]]


def metric_names(kinds: Collection[str], *, is_binary: bool) -> list[str]:
    """The metrics over rows that scores of all these kinds have."""
    names = []
    if set(kinds) == {"estimate"}:
        names = ["rmse", "mae", "calibration"] if is_binary else ["rmse", "mae"]
    elif set(kinds) <= {"logit", "probability"}:
        names = ["log_loss", "normalized_entropy", "calibration"]
    return [*names, "global_auc"] if is_binary else names


def row_terms(
    names: Sequence[str],
    labels: np.ndarray,
    scores: np.ndarray,
    predictions: np.ndarray | None,
    units: np.ndarray,
) -> Terms:
    """Metric to the sums and the counts of each unit, `(units,)`: the metric is their ratio."""
    sizes = np.bincount(units)
    undefined = np.zeros(len(sizes)), np.zeros(len(sizes))
    terms: Terms = {}
    for name in names:
        terms[name] = undefined
        if name == "global_auc":
            terms[name] = _auc_terms(labels, scores, units) or undefined
        elif predictions is None:
            continue
        elif name == "calibration":
            terms[name] = np.bincount(units, predictions), np.bincount(units, labels)
        elif name in ("rmse", "mae"):
            errors = labels - predictions
            errors = errors**2 if name == "rmse" else np.abs(errors)
            terms[name] = np.bincount(units, errors), sizes
        elif 0 <= predictions.min() <= predictions.max() <= 1:
            terms[name] = np.bincount(units, _log_loss(labels, predictions)), sizes
    if "normalized_entropy" in terms:
        terms[_MEAN_LABEL] = np.bincount(units, labels), sizes
    return terms


def finished(values: Values) -> Values:
    """Turns ratios of sums, on all rows and on each sample, into metrics."""
    rate, rates = values.pop(_MEAN_LABEL, (np.nan, np.nan))
    for name, (value, samples) in values.items():
        if name == "rmse":
            values[name] = np.sqrt(value), np.sqrt(samples)
        elif name == "normalized_entropy":
            values[name] = divide(value, _entropy(rate)), divide(samples, _entropy(rates))
        elif name == "global_auc":
            values[name] = value, np.clip(samples, 0, 1)
    return values


def _entropy(rate: Any) -> Any:
    return -xlogy(rate, rate) - xlogy(1 - rate, 1 - rate)


def _log_loss(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    epsilon = np.finfo(float).eps
    clipped = np.clip(probabilities, epsilon, 1 - epsilon)
    return -xlogy(labels, clipped) - xlogy(1 - labels, 1 - clipped)


def _auc_terms(
    labels: np.ndarray, scores: np.ndarray, units: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Terms whose mean over resampled units is the AUC of their rows, to first order."""
    # The influence of a row is the share of the rows of the other label that it is ordered
    # correctly with, less the AUC (DeLong et al. 1988; Obuchowski 1997 for units of several rows).
    is_positive = labels == 1
    if is_positive.all() or not is_positive.any():
        return None
    correct = np.empty(len(labels))
    for mask, sign in ((is_positive, 1), (~is_positive, -1)):
        own, others = sign * scores[mask], np.sort(sign * scores[~mask])
        below = np.searchsorted(others, own, "left") + np.searchsorted(others, own, "right")
        correct[mask] = below / (2 * len(others))
    auc = correct[is_positive].mean()
    num_of_label = np.where(is_positive, is_positive.sum(), (~is_positive).sum())
    influences = np.bincount(units, (correct - auc) / num_of_label)
    return auc + len(influences) * influences, np.ones(len(influences))


def row_blocks(num_rows: int, seed: int) -> np.ndarray:
    """Units of rows without queries: each row, or random blocks of equal size if there are many."""
    if num_rows <= _MAX_UNITS:
        return np.arange(num_rows)
    return np.random.default_rng(seed).permutation(num_rows) % _MAX_UNITS


def divide(sums: Any, counts: Any) -> Any:
    """Divide sums by counts of the same shape; NaN where a count is 0."""
    return np.where(counts > 0, sums / np.where(counts > 0, counts, 1), np.nan)
