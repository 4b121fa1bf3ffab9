"""Keras callback that ranks all items for the next events of users after each epoch."""

from typing import Any

import tensorflow as tf

from rankkit.data.columns import as_columns
from rankkit.evaluation.all_items import evaluate_all_items
from rankkit.utils.errors import check_text, invalid


class NextItemMetrics(tf.keras.callbacks.Callback):
    """Adds the metrics of `rankkit.evaluation.evaluate_all_items` to the logs of each epoch.

    They are `val_ndcg_at_10`, `val_mrr` and `val_hit_rate_at_10`. Use them to select a model for
    the next item of a user: in `EarlyStopping` and `ModelCheckpoint`, with `mode="max"`. Place this
    callback before those that use its metrics, and after `rankkit.WeightAveraging`.

    Args:
        rows: The validation events, each with its history.
        prefix: Prefix of the names of the metrics. Defaults to `"val_"`.
        **kwargs: Arguments of `rankkit.evaluation.evaluate_all_items`, such as `candidates` and
            `k`, except `num_bootstrap`, `confidence` and `seed`.

    Raises:
        ValueError: If an argument is one of these; in `fit`, also if a score is not finite.
        TypeError: In `fit`, if an argument is unknown.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": [1, 1, 1, 2, 2], "item_id": [*"abcab"], "timestamp": [1, 2, 3, 1, 2]}
        >>> features = {"item_id": rk.layers.IdEmbedding([*"abc"], 4)}
        >>> model = rk.RankingModel(rk.models.sasrec(features))
        >>> model.compile("adam", loss=rk.losses.NextItemLoss())
        >>> events = {"user_id": [2], "item_id": ["c"], "history_item_id": [["a", "b"]]}
        >>> metrics = rk.evaluation.NextItemMetrics(events, candidates={"item_id": [*"abc"]})
        >>> history = model.fit(rk.data.sequences(rows, 2), callbacks=[metrics], verbose=0)
        >>> history.history["val_hit_rate_at_10"]
        [1.0]
    """

    def __init__(self, rows: Any, *, prefix: str = "val_", **kwargs: Any):
        super().__init__()
        self.prefix = check_text("prefix", prefix)
        for name in ("num_bootstrap", "confidence", "seed"):
            if name in kwargs:
                raise invalid(name, kwargs[name], "left out, as there are no confidence intervals")
        self._rows = as_columns(rows)
        self._arguments = kwargs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if logs is None:
            return
        report = evaluate_all_items(self.model, self._rows, num_bootstrap=1, **self._arguments)
        for name, value in report.metrics.items():
            key = f"{self.prefix}{name}"
            if key in logs:
                raise ValueError(
                    f"The model already reports a metric {key!r}. Pass another prefix to "
                    f"NextItemMetrics. Got: prefix={self.prefix!r}."
                )
            logs[key] = float("nan") if value is None else value
