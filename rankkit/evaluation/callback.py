"""Keras callback that evaluates the ranking after each epoch."""

from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.data.batches import check_number
from rankkit.data.columns import as_columns
from rankkit.evaluation.metrics import metrics_by_query
from rankkit.evaluation.scored_rows import feature_batches, label_numbers, label_of, labelled_rows
from rankkit.models.heads import score_of
from rankkit.utils.errors import invalid


class RankingMetrics(tf.keras.callbacks.Callback):
    """Adds the ranking metrics of validation rows to the logs of each epoch.

    `val_ndcg_at_10`, `val_mrr`, `val_hit_rate_at_10` and `val_auc`, as `rankkit.evaluate_ranking`
    defines them. Those that no query has are left out, such as the NDCG of labels of which one is
    below 0; all are NaN once training has diverged. A model with a low error need not order well,
    so choose by these what is to rank.

    Callbacks that come after it in the list find them: `EarlyStopping`, which needs `mode="max"`,
    `ModelCheckpoint`, `CSVLogger`, `TensorBoard`. So does the history.

    Args:
        rows: The validation rows, as a dict of arrays or lists, or a pandas DataFrame.
        query: Name of the column by which rows belong together. Defaults to `"user_id"`.
        label: Name of the column of labels. Defaults to `None`, that of the `RankingModel` or head.
        head: Of a model with several heads, the one whose scores count. Defaults to `None`, the
            score by which candidates are ranked.
        k: How many places count. Defaults to `10`.
        relevant: Labels from this on are relevant. Defaults to `4.0`, of ratings up to 5.
        prefix: What the metrics' names begin with. Defaults to `"val_"`.

    Raises:
        ValueError: If a column is missing, the rows are empty, a label is not finite, `k` is below
            1, or no query has two rows of different label; of the label or an unknown head, when
            training starts.
        TypeError: If the labels are no numbers.

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
        >>> history.history["val_auc"]  # of a model that knows no items
        [0.5]
    """

    def __init__(
        self,
        rows: Any,
        *,
        query: str = "user_id",
        label: str | None = None,
        head: str | None = None,
        k: int = 10,
        relevant: float = 4.0,
        prefix: str = "val_",
    ):
        super().__init__()
        check_number("k", k, 1)
        self.query = query
        self.label = label
        self.head = head
        self.k = k
        self.relevant = relevant
        self.prefix = prefix
        self._columns = as_columns(rows)
        as_columns(self._columns, [query])
        if label is not None and head is None:
            self._read_labels(label)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self._scorer = model if self.head is None else model.head(self.head)
        label = label_of(self._scorer, self.label)
        self._columns = labelled_rows(self._scorer, self._columns, label)
        self._read_labels(label)
        # Converted once, not in every epoch.
        self._chunks = feature_batches(self._scorer, self._columns, label)

    def _read_labels(self, label: str) -> None:
        self._labels = labels = label_numbers(self._columns, label)
        self._queries = np.unique(self._columns[self.query], return_inverse=True)[1]  # (rows,)
        pairs = np.unique(np.stack([self._queries, labels]), axis=1)
        if len(pairs[0]) == len(np.unique(self._queries)):
            fix = "No order of the rows is better than another. Give more rows of each query."
            expected = f"rows of which some of one {self.query} differ in {label}"
            raise invalid("rows", f"{len(labels)} rows, none that do", expected, fix)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is None:
            return
        scores = np.concatenate(
            [np.asarray(score_of(self._scorer(chunk))).reshape(-1) for chunk in self._chunks]
        )
        found = metrics_by_query(
            self._queries, self._labels, scores, k=self.k, relevant=self.relevant
        )
        # A query that lacks a metric lacks it whatever the scores.
        for name, values in found.items():
            if np.isfinite(values).any():
                finite = np.isfinite(scores).all()
                key = f"{self.prefix}{name}"
                if key in logs:
                    fix = "Name the model's metric otherwise, or give this callback a prefix."
                    raise invalid("name of a metric", key, "none that the model reports too", fix)
                logs[key] = float(np.nanmean(values)) if finite else float("nan")
