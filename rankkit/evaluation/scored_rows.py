"""Rows with labels and scores, and how both are read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.data import batches
from rankkit.data.columns import as_columns
from rankkit.evaluation.baselines import BiasBaseline
from rankkit.ranking.scoring import compute_scores, get_feature_specs
from rankkit.utils.errors import wrong_type


class ScoredRows:
    """Rows with their labels, scores and baseline scores, and the training rows of the scorer.

    Attributes:
        scorer: As for `rankkit.rank`.
        label: Column of labels.
        ids: Columns that identify the query and, if there is one, the item.
        columns: Column name to array, `(rows,)` each.
        train: The columns `ids` and `label` of the training rows.
        labels: Labels, `(rows,)`.
        scores: Scores of the scorer, `(rows,)`.
        baseline: `BiasBaseline` of the training rows.
        baseline_scores: Scores of the baseline, `(rows,)`.
    """

    def __init__(
        self,
        scorer: Any,
        columns: Any,
        *,
        train: Any,
        query: str,
        item: str | None,
        label: str | None,
    ):
        self.scorer = scorer
        self.label = label_name(scorer, label)
        self.ids = [query] if item is None else [query, item]
        self.columns = labelled_rows(scorer, as_columns(columns), self.label)
        self.train = labelled_rows(scorer, as_columns(train, [*self.ids, self.label]), self.label)
        as_columns(self.columns, self.ids)  # raises if one is missing
        self.labels = label_values(self.columns, self.label)
        label_values(self.train, self.label)
        self.scores = self.score(self.columns)
        self.baseline = BiasBaseline(self.train, self.ids, label=self.label)
        self.baseline_scores = self.baseline(self.columns)

    def score(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Scores of the scorer for other columns of the same rows, `(rows,)`."""
        return score_rows(self.scorer, columns, self.label)


def score_rows(scorer: Any, columns: Mapping[str, np.ndarray], label: str) -> np.ndarray:
    """Scores of all rows, `(rows,)`."""
    chunks = feature_batches(scorer, columns, label)
    return compute_scores(scorer, chunks, len(next(iter(columns.values())))).astype(float)


def feature_batches(scorer: Any, columns: Mapping[str, np.ndarray], label: str) -> tf.data.Dataset:
    """Batches of the features of a scorer, or of all columns but the label if they are unknown."""
    specs = get_feature_specs(scorer)
    names = [name for name in columns if name != label] if specs is None else list(specs)
    return batches(columns, chunk_rows(scorer), columns=names)


def label_name(scorer: Any, label: str | None) -> str:
    """Column of labels; for `None` that of the scorer."""
    label = getattr(scorer, "label", None) if label is None else label
    if isinstance(label, Mapping):
        fix = f"Name one, or pass the scorer of one head: model.head({next(iter(label))!r})."
        raise wrong_type("label", dict(label), "the name of one column", fix)
    if not isinstance(label, str):
        fix = "This scorer has no label of its own: pass label=..."
        raise wrong_type("label", label, "the name of a column", fix)
    return label


def labelled_rows(scorer: Any, columns: dict[str, np.ndarray], label: str) -> dict[str, np.ndarray]:
    """Drop the rows whose label is NaN, if the scorer is one of several heads."""
    column = columns.get(label)
    if not getattr(scorer, "is_partly_labelled", False) or column is None:
        return columns
    if column.dtype.kind != "f" or not (is_missing := np.isnan(column)).any():
        return columns
    if is_missing.all():
        raise ValueError(
            f"No row has a label for this head: all values of column {label!r} are NaN. Pass rows "
            "of which at least one has a label."
        )
    return {name: values[~is_missing] for name, values in columns.items()}


def label_values(columns: Mapping[str, np.ndarray], label: str) -> np.ndarray:
    """Labels as floats, `(rows,)`; raises if they are not finite numbers."""
    column = as_columns(columns, [label])[label]
    if column.dtype.kind not in "biuf":
        raise TypeError(
            f"Labels must be numbers, but column {label!r} contains {column[:1].tolist()[0]!r}. "
            "Pass the name of a numeric column as label."
        )
    if not np.isfinite(column).all():
        value = column[~np.isfinite(column)][0]
        raise ValueError(
            f"Labels must be finite, but column {label!r} contains {value}. Drop those rows."
        )
    return column.astype(float)
