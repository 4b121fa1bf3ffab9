"""Rows with labels and scores, and how both are read."""

from collections.abc import Mapping, Sequence
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
        columns, labels: Column name to array, and the labels, `(rows,)` each.
        train: The columns `ids` and `label` of the training rows.
        baseline: `BiasBaseline` of the training rows.
        scores, baseline_scores: Scores of the scorer and of the baseline, `(rows,)`.
    """

    def __init__(
        self, scorer: Any, columns: Any, train: Any, query: str, item: str | None, label: str | None
    ):
        self.scorer = scorer
        self.ids = [query] if item is None else [query, item]
        self.label, self.columns, self.labels = read_labelled(scorer, columns, self.ids, label)
        train = as_columns(train, [*self.ids, self.label])
        _, self.train, _ = read_labelled(scorer, train, self.ids, self.label)
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


def read_labelled(
    scorer: Any, rows: Any, ids: Sequence[str], label: str | None
) -> tuple[str, dict[str, np.ndarray], np.ndarray]:
    """Returns the column of labels, for `None` that of the scorer, all columns, and the labels.

    If the scorer is one of several heads, rows whose label is NaN are left out. Raises if a column
    is missing or the labels are not finite numbers.
    """
    label = getattr(scorer, "label", None) if label is None else label
    if isinstance(label, Mapping):
        fix = f"Name one, or pass the scorer of one head: model.head({next(iter(label))!r})."
        raise wrong_type("label", dict(label), "the name of one column", fix)
    if not isinstance(label, str):
        fix = "This scorer has no label of its own: pass label=..."
        raise wrong_type("label", label, "the name of a column", fix)
    columns = as_columns(rows)
    column = as_columns(columns, [*ids, label])[label]
    if column.dtype.kind not in "biuf":
        raise TypeError(
            f"Labels must be numbers, but column {label!r} contains {column[:1].tolist()[0]!r}. "
            "Pass the name of a numeric column as label."
        )
    if getattr(scorer, "is_partly_labelled", False) and (is_missing := np.isnan(column)).any():
        if is_missing.all():
            raise ValueError(
                f"No row has a label for this head: all values of column {label!r} are NaN. Pass "
                "rows of which at least one has a label."
            )
        columns = {name: values[~is_missing] for name, values in columns.items()}
        column = columns[label]
    if not np.isfinite(column).all():
        value = column[~np.isfinite(column)][0]
        raise ValueError(
            f"Labels must be finite, but column {label!r} contains {value}. Drop those rows."
        )
    return label, columns, column.astype(float)
