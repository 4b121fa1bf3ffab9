"""Keras callback that computes ranking metrics after each epoch."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.data.columns import as_columns
from rankkit.evaluation.metrics import MetricSettings, check_cutoffs
from rankkit.evaluation.scored_rows import LabeledRows, RowChunks
from rankkit.utils.errors import check_text


class RankingMetrics(tf.keras.callbacks.Callback):
    """Adds ranking metrics of validation rows to the logs of each epoch.

    The metrics are `val_ndcg_at_10`, `val_mrr`, `val_map_at_10`, `val_hit_rate_at_10` and
    `val_auc`, as defined by `rankkit.evaluate_ranking`. A metric that is undefined for all queries
    is left out: NDCG with negative labels, and MRR, MAP and hit rate if no label reaches
    `relevant`, of which a warning tells. After training has diverged all metrics are NaN. A model
    with a low error does not necessarily rank well: use these metrics to select a model for
    ranking.

    Place it before the callbacks that use its metrics, such as `EarlyStopping` (with `mode="max"`),
    `ModelCheckpoint`, `CSVLogger` and `TensorBoard`. The metrics are in the history as well.

    Args:
        rows: The validation rows, as a dict of arrays or lists, or a pandas DataFrame.
        query: Column that identifies the query: rows are ranked within it. Defaults to `"user_id"`.
        label: Column of labels. Defaults to `None`, the label of the `RankingModel` or of `head`.
        head: Head whose scores are evaluated, for a model with several heads. Defaults to `None`,
            the score by which candidates are ranked.
        k: Rank cutoff, or several. Defaults to `10`.
        relevant: Lowest label of a relevant row. Defaults to `4.0`, for ratings up to 5.
        gain: Gains of NDCG: `"exponential"`, `2**label - 1`, or `"linear"`, the label. Defaults to
            `"exponential"`.
        no_relevant: What queries without a relevant row count as in NDCG, MRR, MAP and hit rate:
            `"one"`, `"zero"`, or `"skip"` to leave them out. Defaults to `"skip"`.
        prefix: Prefix of the names of the metrics. Defaults to `"val_"`.

    Raises:
        ValueError: If a column is missing, there are no rows, a label is not finite, `k` is below
            1, or no query has rows with different labels. A default label and the name of a head
            are checked when training starts.
        TypeError: If the labels are not numbers.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "a", "b", "b"], "rating": [5.0, 1.0, 2.0, 4.0]}
        >>> network = rk.ranking_network(
        ...     {"user_id": rk.layers.IdEmbedding(["a", "b"], 4)},
        ...     head=rk.layers.DenseRatingHead([4]),
        ... )
        >>> model = rk.RankingModel(network, label="rating")
        >>> model.compile("adagrad")
        >>> metrics = rk.evaluation.RankingMetrics(rows)
        >>> history = model.fit(rk.data.batches(rows, 2), callbacks=[metrics], verbose=0)
        >>> history.history["val_auc"]  # of a model without item features
        [0.5]
    """

    def __init__(
        self,
        rows: Any,
        *,
        query: str = "user_id",
        label: str | None = None,
        head: str | None = None,
        k: int | Sequence[int] = 10,
        relevant: float = 4.0,
        gain: str = "exponential",
        no_relevant: str = "skip",
        prefix: str = "val_",
    ):
        super().__init__()
        check_text("prefix", prefix)
        if head is not None:
            check_text("head", head, "the name of a head")
        self._settings = MetricSettings(
            check_cutoffs(k), relevant, gain=gain, no_relevant=no_relevant
        )
        self.query = query
        self.label = label
        self.head = head
        self.prefix = prefix
        self._columns = as_columns(rows)
        as_columns(self._columns, [query])  # raises if it is missing
        if label is not None and head is None:
            self._read_labels(None)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._scorer = model if self.head is None else model.head(self.head)
        label = self._read_labels(self._scorer)
        if self._labels.max() < (relevant := self._settings.relevant):
            is_skipped = self._settings.no_relevant == "skip"
            warnings.warn(
                f"RankingMetrics {'leaves out' if is_skipped else 'has constant'} MRR, MAP and hit "
                f"rate: no value of {label} reaches relevant={relevant:g}; the highest is "
                f"{self._labels.max():g}. Pass a lower one.",
                stacklevel=2,
            )
        # Converted once, not in every epoch.
        self._chunks = RowChunks(self._scorer, self._columns, label, self._queries)

    def _read_labels(self, scorer: Any) -> str:
        """Reads labels and queries; returns the column of labels."""
        rows = LabeledRows(
            scorer, self._columns, [self.query], self.label, argument="rows", query=self.query
        )
        label, self._columns, self._labels = rows.label, rows.columns, rows.labels
        self._queries: Any = rows.queries  # (rows,)
        pairs = np.unique(np.stack([self._queries, self._labels]), axis=1)
        if len(pairs[0]) == len(np.unique(self._queries)):
            raise ValueError(
                f"rows must have different values of {label} for at least one {self.query}. Got: "
                f"{len(self._labels)} rows without such a {self.query}, for which ranking metrics "
                f"are undefined. Pass more rows per {self.query}."
            )
        return label

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is None:
            return
        scores = self._chunks.score(allows_nan=True)
        is_finite = np.isfinite(scores).all()
        metrics = self._settings.by_query(self._queries, self._labels, scores)
        for name, values in metrics.items():
            if not np.isfinite(values).any():  # whatever the scores
                continue
            key = f"{self.prefix}{name}"
            if key in logs:
                raise ValueError(
                    f"The model already reports a metric {key!r}. Rename it, or pass another "
                    f"prefix to RankingMetrics. Got: prefix={self.prefix!r}."
                )
            logs[key] = float(np.nanmean(values)) if is_finite else float("nan")
