"""`evaluate_ranking`: errors and ranking metrics of a scorer beside those of two baselines."""

from typing import Any

import numpy as np

from rankkit.evaluation.metrics import MetricSettings
from rankkit.evaluation.report import Report
from rankkit.evaluation.scored_rows import ScoredRows


def evaluate_ranking(
    scorer: Any,
    columns: Any,
    *,
    train: Any,
    query: str = "user_id",
    item: str | None = None,
    label: str | None = None,
    k: int = 10,
    relevant: float = 4.0,
    rating_range: tuple[float, float] | None = None,
    num_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 42,
) -> Report:
    """Evaluates the predictions of a scorer, and how well it ranks the rows of each query.

    The report also has two baselines: `mean`, the mean training label, and `biases`, the mean with
    a bias for each query and item. Rows whose query or item is not in the training rows are
    reported separately as well. Confidence intervals come from a bootstrap over queries.

    - `rmse` and `mae`, over rows: root mean squared error and mean absolute error.
    - `ndcg_at_k`, over queries with at least two rows: normalized discounted cumulative gain with
      gain `2**label - 1` (Järvelin and Kekäläinen 2002; Burges et al. 2005). Undefined if a label
      is negative.
    - `mrr`, over queries with a relevant row: mean reciprocal rank of the first relevant row.
    - `hit_rate_at_k`, over queries with a relevant row: share with a relevant row in the top `k`.
    - `auc`, over queries with different labels: share of the pairs of rows with different labels
      in which the higher label has the higher score; ties count half.

    Tied scores count with their expected value over all orders of the ties: a constant scorer has
    the NDCG of a random order and an AUC of 0.5.

    Args:
        scorer: As for `rankkit.rank`: a model, a network, a SavedModel, a TensorFlow Lite
            file or any function from a dict of columns to one score per row.
        columns: The rows to evaluate on, as a dict of arrays or lists, or a pandas DataFrame.
        train: The training rows of the scorer, with the columns `query`, `item` and `label`.
        query: Column that identifies the query: rows are ranked within it. Defaults to `"user_id"`.
        item: Column that identifies the item. Defaults to `None`, no biases of items.
        label: Column of labels. Defaults to `None`, the label of the `RankingModel`.
        k: Rank cutoff. Defaults to `10`.
        relevant: Lowest label of a relevant row. Defaults to `4.0`, for ratings up to 5.
        rating_range: Lowest and highest rating, to which scores are clipped for `rmse` and `mae`.
            Defaults to `None`, no clipping.
        num_bootstrap: Number of bootstrap samples. Defaults to `1000`.
        confidence: Confidence level of the intervals. Defaults to `0.95`.
        seed: Random seed of the bootstrap. Defaults to `42`.

    Returns:
        A table: `print` shows it, `metrics` has the scorer's values on all rows, and `lines` has
        everything as a list of dicts.

    Raises:
        ValueError: If a column is missing, there are no rows, a label or score is not finite, or
            an argument is out of range.
        TypeError: If the labels are not numbers.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "a", "b", "b"], "rating": [5, 1, 4, 2], "year": [4, 3, 2, 1]}
        >>> report = rk.evaluate_ranking(
        ...     lambda columns: columns["year"], rows, train=rows, label="rating"
        ... )
        >>> report.metrics["auc"], report.metrics["ndcg_at_10"], report.metrics["mae"]
        (1.0, 1.0, 1.5)
    """
    settings = MetricSettings(k, relevant, rating_range, num_bootstrap, confidence, seed)
    rows = ScoredRows(scorer, columns, train=train, query=query, item=item, label=label)
    scorers = {
        "model": rows.scores,
        "biases": rows.baseline_scores,
        "mean": np.full(len(rows.labels), rows.baseline.mean),
    }
    _, queries = np.unique(rows.columns[query], return_inverse=True)
    subsets = {"all": np.ones(len(rows.labels), bool)}
    for name in rows.ids:
        known = set(rows.train[name].tolist())
        is_cold_start = [each not in known for each in rows.columns[name].tolist()]
        subsets[f"cold-start {name}"] = np.array(is_cold_start)
    lines = []
    for subset, mask in subsets.items():
        if mask.any():
            for name, scores in scorers.items():
                metrics = settings.bootstrap(queries[mask], rows.labels[mask], scores[mask])
                lines.append(settings.line(subset, name, queries[mask], metrics))
    return Report(lines)
