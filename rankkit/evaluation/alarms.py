"""What is wrong with a model's predictions, in words: the thing, its value and what to do."""

import numpy as np

from rankkit.evaluation.scored_rows import ScoredRows

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
        The alarms, and what could not be checked.
    """
    deviation = rows.labels.std()
    least = _NEARLY_CONSTANT * deviation
    if (spread := rows.scores.std()) < least:
        return [
            f"Predictions are nearly constant: standard deviation {spread:.2g}, that of "
            f"{rows.label} {deviation:.2g}. Train from another seed or with a lower learning "
            "rate: dead units give one score to every row."
        ], []
    alarms, unchecked = [], []
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
            alarms.append(
                f"Predictions are nearly constant within a {name}: standard deviation "
                f"{spread:.2g}, that of {rows.label} {deviation:.2g}, so that {effect}. Is "
                f"{other or 'what tells its rows apart'} a feature of the network, and written as "
                "in its vocabulary?"
            )
    return alarms, unchecked


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
