"""`evaluate_ranking`: metrics of a scorer beside those of two baselines."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rankkit.evaluation.metrics import MetricSettings, check_cutoffs
from rankkit.evaluation.report import LOG_LOSS_OF_BIASES, Report, explain_gaps
from rankkit.evaluation.row_metrics import metric_names
from rankkit.evaluation.score_scale import is_click
from rankkit.evaluation.scored_rows import ComparedRows, ScoredRows
from rankkit.utils.errors import invalid


def evaluate_ranking(
    scorer: Any,
    columns: Any,
    *,
    train: Any = None,
    query: str | None = "user_id",
    item: str | None = None,
    label: str | None = None,
    timestamp: str | None = None,
    k: int | Sequence[int] = 10,
    relevant: float = 4.0,
    gain: str = "exponential",
    no_relevant: str = "skip",
    rating_range: tuple[float, float] | None = None,
    num_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 42,
) -> Report:
    """Evaluates the predictions of a scorer, and how well it ranks the rows of each query.

    With `train`, the report also has two baselines: `mean`, the mean training label, and `biases`,
    the mean with a bias for each query and item. With `timestamp` it has a third one for rows with
    histories, `transitions`: the `rankkit.models.ItemTransitions` of the training rows. Rows whose
    query or item is not in the training rows are reported separately as well. Confidence intervals
    come from a bootstrap over queries, or over rows with `query=None`.

    Scores that predict the label have errors, over rows:

    - `rmse` and `mae`: root mean squared error and mean absolute error.

    Scores of labels that are 0 and 1, such as clicks, have instead, over rows:

    - `log_loss`: the mean negative log-likelihood, in nats.
    - `normalized_entropy`: the log loss divided by that of the mean label of the same rows; below 1
      if the scores tell more than the click rate (He et al. 2014).
    - `calibration`: the mean predicted probability divided by the mean label.
    - `global_auc`: the AUC over all rows. Its interval is that of its first-order terms (DeLong et
      al. 1988). Also reported if scores are an order.

    Scores are predictions, logits or an order by the loss of the `RankingModel` or the head: an
    order after a listwise loss, logits or probabilities after a cross entropy; so are those of an
    export. Those of other scorers are probabilities if labels are 0 and 1 and scores between 0 and
    1, and else predictions if at most a quarter of them are further than a tenth of the range
    outside the range of the labels. The notes of the report say so, and what is left out.

    The ranking metrics are left out with `query=None`:

    - `ndcg_at_k`, over queries with at least two rows and a label above 0: normalized discounted
      cumulative gain with gain `2**label - 1` (Järvelin and Kekäläinen 2002; Burges et al. 2005),
      or the label with `gain="linear"`. Undefined if a label is negative.
    - `mrr`, over queries with a relevant row: mean reciprocal rank of the first relevant row.
    - `map_at_k`, over queries with a relevant row: mean average precision, the sum of the
      precisions at the relevant rows in the top `k` over the number of relevant rows, at most `k`.
    - `hit_rate_at_k`, over queries with a relevant row: share with a relevant row in the top `k`.
    - `auc`, over queries with different labels: share of the pairs of rows with different labels
      in which the higher label has the higher score; ties count half.

    With `no_relevant="one"` or `"zero"` these four are over all queries: those without a label
    above 0 count as 1 or 0 in NDCG, and those without a relevant row in the other three. A single
    row with a label above 0 then has an NDCG of 1. The notes say how many queries that concerns.

    Tied scores count with their expected value over all orders of the ties: a constant scorer has
    the NDCG of a random order and an AUC of 0.5.

    Args:
        scorer: As for `rankkit.rank`: a model, a network, a SavedModel, a TensorFlow Lite
            file or any function from a dict of columns to one score per row. It is called with
            tensors of at most 65,536 rows at a time, a function with at most 16,384. Or the scores
            of all rows, as an array.
        columns: The rows to evaluate on, as a dict of arrays or lists, or a pandas DataFrame.
        train: The training rows of the scorer, with the columns `query`, `item` and `label`.
            Defaults to `None`: no baselines and no lines of rows with new ids.
        query: Column that identifies the query: rows are ranked within it. `None` if there is none.
            Defaults to `"user_id"`.
        item: Column that identifies the item. Defaults to `None`, no biases of items.
        label: Column of labels. Defaults to `None`, the label of the `RankingModel`.
        timestamp: Column of the time of training rows, for the baseline `transitions`. The rows to
            evaluate then need the column of histories that
            `rankkit.data.InteractionLog.add_histories` names `"history_"` and `item`. Defaults to
            `None`, without that baseline.
        k: Rank cutoff, or several. Defaults to `10`.
        relevant: Lowest label of a relevant row. Defaults to `4.0`, for ratings up to 5.
        gain: Gains of NDCG: `"exponential"`, `2**label - 1`, or `"linear"`, the label. Defaults to
            `"exponential"`.
        no_relevant: What queries without a relevant row count as in NDCG, MRR, MAP and hit rate:
            `"one"`, `"zero"`, or `"skip"` to leave them out. Defaults to `"skip"`.
        rating_range: Lowest and highest rating, to which predictions are clipped for `rmse` and
            `mae`. Defaults to `None`, no clipping.
        num_bootstrap: Number of bootstrap samples. Defaults to `1000`.
        confidence: Confidence level of the intervals. Defaults to `0.95`.
        seed: Random seed of the bootstrap. Defaults to `42`.

    Returns:
        A table: `print` shows it, `metrics` has the scorer's values on all rows, `lines` has
        everything as a list of dicts, and `notes` says what is left out or undefined.

    Raises:
        ValueError: If a column or an id is missing, there are no rows, a label or score is not
            finite, an array has not one score per row, no metric is defined, or an argument is out
            of range.
        TypeError: If labels or scores are not numbers, or ids are of different types.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "a", "b", "b"], "rating": [5, 1, 4, 2], "year": [4, 3, 2, 1]}
        >>> report = rk.evaluate_ranking(
        ...     lambda columns: columns["year"], rows, train=rows, label="rating"
        ... )
        >>> report.metrics["auc"], report.metrics["ndcg_at_10"], report.metrics["mae"]
        (1.0, 1.0, 1.5)
    """
    settings = MetricSettings(
        check_cutoffs(k), relevant, rating_range, num_bootstrap, confidence, seed, gain, no_relevant
    )
    if train is None:
        if timestamp is not None:
            raise invalid("timestamp", timestamp, "None without train")
        rows = ScoredRows(scorer, columns, query, item, label, rating_range)
    else:
        rows = ComparedRows(scorer, columns, train, query, item, label, rating_range, timestamp)
    names = metric_names([rows.scale.kind], is_binary=is_click(rows.all_labels))
    notes = rows.scale.notes("model")
    if query is None and not names:
        raise ValueError(f"With query=None there is no metric to compute. {notes[0]}")
    subsets = {"all": np.ones(len(rows.labels), bool)}
    if isinstance(rows, ComparedRows):
        for name in rows.ids:
            known = set(rows.train[name].tolist())
            is_cold_start = [each not in known for each in rows.columns[name].tolist()]
            subsets[f"cold-start {name}"] = np.array(is_cold_start)
    else:
        notes.append("Without train, baselines and cold-start lines are left out.")
    scorers, lines = rows.scorers(), []
    for subset, mask in subsets.items():
        if not mask.any():
            continue
        queries = None if rows.queries is None else rows.queries[mask]
        for name, (scores, predictions) in scorers.items():
            predictions = None if predictions is None else predictions[mask]
            metrics = settings.bootstrap(
                queries, rows.labels[mask], scores[mask], predictions, names
            )
            lines.append(settings.line(subset, name, int(mask.sum()), queries, metrics))
    if any(line["scorer"] == "biases" and line.get("log_loss", 0) is None for line in lines):
        notes.append(LOG_LOSS_OF_BIASES)
    notes += explain_gaps(lines, rows.labels, query, rows.queries, settings)
    return Report(lines, notes)
