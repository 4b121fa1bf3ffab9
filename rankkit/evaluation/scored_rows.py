"""Rows with labels and scores, and how both are read."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rankkit.core.arrays import as_array
from rankkit.core.chunking import chunk_rows
from rankkit.core.columns import as_text, is_column
from rankkit.core.features import check_features
from rankkit.core.list_context import check_independent_rows, compares_rows
from rankkit.data import batches
from rankkit.data.columns import as_columns, select_names
from rankkit.evaluation.baselines import (
    BiasBaseline,
    check_finite_labels,
    numeric_labels,
    unique_ids,
)
from rankkit.evaluation.metrics import clip_scores
from rankkit.evaluation.score_scale import score_scale
from rankkit.models import ItemTransitions
from rankkit.models.heads import SCORE, score_of
from rankkit.ranking.scoring import (
    compute_scores,
    get_feature_specs,
    make_single_query_scorer,
)
from rankkit.utils.errors import invalid, unknown, wrong_type


class LabeledRows:
    """Rows with finite labels; those whose label is NaN are left out for one of several heads.

    Raises if a column is missing or the labels are not finite numbers. `ids` are the columns of
    ids, among them that of the `query`.
    """

    def __init__(
        self,
        scorer: Any,
        rows: Any,
        ids: Sequence[str],
        label: str | None,
        argument: str = "columns",
        query: str | None = None,
    ):
        self.label = _label_column(scorer, label)
        columns = as_columns(rows, argument=argument)
        needed = ids if self.label in ids else [*ids, self.label]
        if isinstance(query, str) and query not in columns:
            fix = "Name the column that says which rows are ranked together: query=..."
            raise ValueError(f"{unknown('column', query, columns)} {fix}")
        select_names(needed, list(columns))  # raises if one is missing
        columns |= {name: as_text(name, columns[name]) for name in ids}
        labels = numeric_labels(self.label, columns[self.label])
        columns[self.label] = labels
        self._is_kept = np.ones(len(labels), bool)
        if getattr(scorer, "is_partly_labeled", False):
            self._is_kept = ~np.isnan(labels)
        if not self._is_kept.any():
            raise ValueError(
                f"No row has a label for this head: all values of column {self.label!r} are NaN. "
                "Pass rows of which at least one has a label."
            )
        self._lists = (columns, None if query is None else unique_ids(query, columns[query])[1])
        if not self._is_kept.all():
            columns = {name: values[self._is_kept] for name, values in columns.items()}
        check_finite_labels(self.label, columns[self.label])
        self.columns, self.labels = columns, columns[self.label].astype(float)  # (rows,) each
        # The index of the query of each row, (rows,).
        self.queries = None if query is None else unique_ids(query, columns[query])[1]

    def score(self, scorer: Any, argument: str = "scorer") -> np.ndarray:
        """Scores of these rows by a scorer, or of an array with scores of all rows, `(rows,)`."""
        if compares_rows(scorer):  # also with rows that have no label
            columns, queries = self._lists
            return score_rows(scorer, columns, self.label, queries)[self._is_kept]
        if callable(scorer) or hasattr(scorer, "signatures"):
            return score_rows(scorer, self.columns, self.label)
        return _given_scores(argument, scorer, len(self._is_kept))[self._is_kept]


class ScoredRows(LabeledRows):
    """Rows with labels and scores, and what the scores are."""

    def __init__(
        self,
        scorer: Any,
        columns: Any,
        query: str | None,
        item: str | None,
        label: str | None,
        rating_range: tuple[float, float] | None,
        further_labels: Sequence[float] | np.ndarray = (),
    ):
        self.scorer = scorer
        self.ids = [name for name in (query, item) if name is not None]
        super().__init__(scorer, columns, self.ids, label, query=query)
        self.all_labels = np.concatenate([self.labels, further_labels])
        scores = self.score(scorer)
        self.scores = scores.astype(float)
        self.scale = score_scale(scorer, scores, self.label, self.all_labels, rating_range)
        # The scores on the scale of the labels; `None` if they are an order only.
        self.predictions = self.scale.predictions(self.scores)

    def scorers(self) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
        """Scores and predictions by the name of a scorer."""
        return {"model": (self.scores, self.predictions)}


class ComparedRows(ScoredRows):
    """Rows with scores of a model and of baselines, and the training rows of both."""

    def __init__(
        self,
        scorer: Any,
        columns: Any,
        train: Any,
        query: str | None,
        item: str | None,
        label: str | None,
        rating_range: tuple[float, float] | None,
        timestamp: str | None = None,
    ):
        ids = [name for name in (query, item) if name is not None]
        label = _label_column(scorer, label)
        if timestamp is not None and len(ids) < 2:
            fix = "Transitions are counted between items of a query: pass both columns, or neither."
            raise invalid("timestamp", timestamp, "None without query and item", fix)
        if train is None:
            fix = (
                "The baseline is fitted to the training rows; rankkit.evaluate_ranking and "
                "compare_rankings need none."
            )
            raise wrong_type("train", None, "a dict of arrays or a DataFrame", fix)
        names = ids if label in ids else [*ids, label]
        names += [] if timestamp is None else [timestamp]
        train = as_columns(train, names, argument="train")
        training_rows = LabeledRows(scorer, train, ids, label)
        super().__init__(scorer, columns, query, item, label, rating_range, training_rows.labels)
        self.train = training_rows.columns
        self.baseline = BiasBaseline(self.train, self.ids, label=self.label)
        self.baseline_scores = self.baseline(self.columns)
        self.baseline_predictions = clip_scores(self.baseline_scores, rating_range)
        self.transition_scores: np.ndarray | None = None
        if timestamp is not None:
            user, item_id = self.ids
            if f"history_{item_id}" not in self.columns:
                fix = "Add it with rankkit.data.InteractionLog, or leave timestamp out."
                expected = f"None for rows without the column 'history_{item_id}'"
                raise invalid("timestamp", timestamp, expected, fix)
            transitions = ItemTransitions(
                train, user=user, item=item_id, timestamp=timestamp, history=f"history_{item_id}"
            )
            self.transition_scores = score_rows(transitions, self.columns, self.label)

    def scorers(self) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
        """Scores and predictions by the name of a scorer: the model and the baselines."""
        mean = np.full(len(self.labels), self.baseline.mean)
        scorers = {
            **super().scorers(),
            "biases": (self.baseline_scores, self.baseline_predictions),
            "mean": (mean, clip_scores(mean, self.scale.rating_range)),
        }
        if not self.ids:
            del scorers["biases"]  # the mean
        if self.transition_scores is not None:
            scorers["transitions"] = (self.transition_scores.astype(float), None)
        return scorers

    def replaced(self, columns: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Predictions of the scorer and of the baseline for other columns of the same rows."""
        scores = score_rows(self.scorer, columns, self.label, self.queries).astype(float)
        baseline = clip_scores(self.baseline(columns), self.scale.rating_range)
        predictions = self.scale.predictions(scores)
        assert predictions is not None
        return [predictions, baseline]


def _label_column(scorer: Any, label: str | None) -> str:
    label = getattr(scorer, "label", None) if label is None else label
    if isinstance(label, Mapping):
        fix = f"Name one, or pass the scorer of one head: model.head({next(iter(label))!r})."
        raise wrong_type("label", dict(label), "the name of one column", fix)
    if not isinstance(label, str):
        fix = "This scorer has no label of its own: pass label=..."
        raise wrong_type("label", label, "the name of a column", fix)
    return label


def _given_scores(argument: str, scores: Any, num_rows: int) -> np.ndarray:
    """Checks an array of scores, or the dict of arrays that a model of several heads predicts."""
    fix = "Pass a model, a function, or an array with one score per row."
    if hasattr(scores, "predict"):
        fix = "Wrap it: rankkit.models.TreeScorer(scorer, features)."
    if isinstance(scores, Mapping):
        if SCORE not in scores:
            raise unknown(f"output of {argument}, a dict of scores", SCORE, scores)
        scores = score_of(scores)
    if not is_column(scores):
        raise wrong_type(argument, scores, "a scorer or an array of scores", fix)
    array = as_array(scores)
    if array.dtype.kind not in "biuf":
        raise wrong_type(argument, array[:9].tolist(), "an array of numbers", fix)
    if array.shape not in ((num_rows,), (num_rows, 1)):
        raise ValueError(
            f"{argument} must have the shape ({num_rows},) or ({num_rows}, 1), one score per row "
            f"in the order of the rows. Got: an array of shape {array.shape}."
        )
    if not (is_finite := np.isfinite(array)).all():
        fix = "Drop those rows from scores and columns."
        raise invalid(f"each score in {argument}", array[~is_finite][0].item(), "finite", fix)
    return _as_floats(array.reshape(-1))


def score_rows(
    scorer: Any,
    columns: Mapping[str, np.ndarray],
    label: str,
    queries: np.ndarray | None = None,
) -> np.ndarray:
    """Scores of all rows as floats of the precision of the scorer, `(rows,)`.

    `queries` has the index of the query of each row.
    """
    return _as_floats(RowChunks(scorer, columns, label, queries).score())


def _as_floats(scores: np.ndarray) -> np.ndarray:
    return scores if scores.dtype.kind == "f" else scores.astype(float)


class RowChunks:
    """The features of rows as a scorer takes them: in chunks, or the rows of a query together.

    These are all columns but the label if the scorer does not declare its features.
    """

    def __init__(
        self,
        scorer: Any,
        columns: Mapping[str, np.ndarray],
        label: str,
        queries: np.ndarray | None,
    ):
        specs = get_feature_specs(scorer)
        check_features(specs or {}, columns)
        names = [name for name in columns if name != label] if specs is None else list(specs)
        self._num_rows = len(next(iter(columns.values())))
        self._scorer, self._order = scorer, None
        if not compares_rows(scorer):
            self._chunks = batches(columns, chunk_rows(scorer), columns=names)
            return
        if queries is None:
            fix = "Pass query=..., the column that says which rows are ranked together."
            check_independent_rows(scorer, "An evaluation without a query", fix)
        assert queries is not None
        self._scorer = make_single_query_scorer(scorer, ()) or scorer
        self._order = np.argsort(queries, kind="stable")
        features = {name: columns[name][self._order] for name in names}
        (whole,) = batches(features, self._num_rows)
        ends = np.cumsum(np.bincount(queries)).tolist()
        self._chunks = [
            {name: column[start:end] for name, column in whole.items()}
            for start, end in itertools.pairwise([0, *ends])
        ]

    def score(self, allows_nan: bool = False) -> np.ndarray:
        """Scores of all rows, `(rows,)`; raises unless they are finite or may be NaN."""
        scores = compute_scores(self._scorer, self._chunks, self._num_rows, allows_nan)
        if self._order is None:
            return scores
        in_order = np.empty_like(scores)
        in_order[self._order] = scores
        return in_order
