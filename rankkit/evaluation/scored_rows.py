"""Test examples with their scores, grouped by query."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.chunking import chunk_rows
from rankkit.data import batches
from rankkit.data.columns import as_columns
from rankkit.evaluation.baselines import BiasBaseline
from rankkit.ranking.scoring import scores_of, specs_of
from rankkit.utils.errors import invalid, wrong_type


class ScoredRows:
    """Rows with their labels and scores, beside the rows that the scorer was trained on.

    Args:
        scorer: As for `rankkit.rank`.
        columns: The rows to judge it on.
        train: The rows that it was trained on.
        query: Name of the column by which rows belong together.
        item: Name of the column of candidates, or None.
        label: Name of the column of labels; None asks the scorer for it.

    Attributes:
        label: Name of the column of labels.
        ids: Names of the columns of ids: the query's and, if there is one, the item's.
        columns: Column name to array, `(rows,)` each.
        known: The same of the training rows, of the ids and the label alone.
        labels: The rows' labels, `(rows,)`.
        scores: The scorer's, `(rows,)`.
        baseline: The mean with a bias for each id of the training rows.
        baseline_scores: What it predicts, `(rows,)`.

    Raises:
        ValueError: If a column is missing, there are no rows, or a label or score is not finite.
        TypeError: If labels are no numbers, or no label is named.
    """

    def __init__(
        self, scorer: Any, columns: Any, *, train: Any, query: str, item: str | None,
        label: str | None,
    ):  # fmt: skip
        self.scorer = scorer
        self.label = label_of(scorer, label)
        self.ids = [query] if item is None else [query, item]
        self.columns = labelled_rows(scorer, as_columns(columns), self.label)
        known = as_columns(train, [*self.ids, self.label])
        self.known = labelled_rows(scorer, known, self.label)
        as_columns(self.columns, self.ids)
        self.labels = label_numbers(self.columns, self.label)
        label_numbers(self.known, self.label)
        self.scores = self.score(self.columns)
        self.baseline = BiasBaseline(self.known, self.ids, label=self.label)
        self.baseline_scores = self.baseline(self.columns)

    def score(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Asks the scorer for the scores of such rows, `(rows,)`."""
        chunks = feature_batches(self.scorer, columns, self.label)
        return scores_of(self.scorer, chunks, len(self.labels)).astype(float)


def feature_batches(scorer: Any, columns: Mapping[str, np.ndarray], label: str) -> tf.data.Dataset:
    """Gives the columns that a scorer takes, or all but the label if it does not say, in chunks."""
    specs = specs_of(scorer)
    names = [name for name in columns if name != label] if specs is None else list(specs)
    return batches(columns, chunk_rows(scorer), columns=names)


def label_of(scorer: Any, label: str | None) -> str:
    """Gives the name of the column of labels; `None` asks the scorer for it.

    Raises:
        TypeError: If the scorer does not tell it.
    """
    label = getattr(scorer, "label", None) if label is None else label
    if isinstance(label, Mapping):
        fix = f"Name one, or take the scorer of a head: model.head({next(iter(label))!r})."
        raise wrong_type("label", dict(label), "the name of one column", fix)
    if not isinstance(label, str):
        raise wrong_type("label", label, "the name of a column", "This scorer does not tell it.")
    return label


def labelled_rows(scorer: Any, columns: dict[str, np.ndarray], label: str) -> dict[str, np.ndarray]:
    """Leaves out the rows without a label, NaN, where a scorer is one of several heads.

    Raises:
        ValueError: If none has a label.
    """
    column = columns.get(label)
    if not getattr(scorer, "is_partly_labelled", False) or column is None:
        return columns
    if column.dtype.kind != "f" or not (missing := np.isnan(column)).any():
        return columns
    if missing.all():
        raise invalid(f"label {label!r}", "NaN alone", "there in some of the rows")
    return {name: values[~missing] for name, values in columns.items()}


def label_numbers(columns: Mapping[str, np.ndarray], label: str) -> np.ndarray:
    """Gives the labels as numbers, `(rows,)`.

    Raises:
        ValueError: If there is no such column, or a label is not finite.
        TypeError: If they are no numbers.
    """
    column = as_columns(columns, [label])[label]
    if column.dtype.kind not in "biuf":
        raise wrong_type(f"label {label!r}", column[0], "a number")
    if not np.isfinite(column).all():
        raise invalid(
            f"label {label!r}", column[~np.isfinite(column)][0], "finite", "Drop the row."
        )
    return column.astype(float)


def check_rating_range(rating_range: tuple[float, float] | None) -> None:
    """Refuses ends that do not span a range.

    Raises:
        ValueError: If the lowest is not below the highest.
    """
    if rating_range is not None and not rating_range[0] < rating_range[1]:
        raise invalid("rating_range", rating_range, "(lowest, highest) with lowest < highest")


def clipped(scores: np.ndarray, rating_range: tuple[float, float] | None) -> np.ndarray:
    """Moves scores outside the range to its ends; without a range they stay as they are."""
    return scores if rating_range is None else np.clip(scores, *rating_range)
