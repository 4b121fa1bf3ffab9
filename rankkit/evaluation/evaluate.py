"""`evaluate_ranking`: ranking metrics per query with confidence intervals."""

from typing import Any

import numpy as np

from rankkit.evaluation.report import Report, check_settings, report_line
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
    """Tells how well a scorer predicts labels, and how well it orders each query's rows.

    Beside it stand two baselines: the mean label, and the mean with a bias for each query and
    item. Rows of queries and of items that are not among the training rows have lines of their
    own. Intervals are by bootstrap: queries are drawn with replacement, each with all its rows.

    - `rmse` and `mae`, over rows: root mean squared error, and mean absolute error.
    - `ndcg_at_k`, over queries of two rows or more: the discounted gain of the first `k`, with
      `2**label - 1` for gain, divided by that of the best order (Järvelin and Kekäläinen 2002;
      Burges et al. 2005). Labels below 0 have none.
    - `mrr`, over queries with a relevant row: one divided by the place of the first of them.
    - `hit_rate_at_k`, over queries with a relevant row: whether one is among the first `k`.
    - `auc`, over queries with rows of different label: the share of such pairs in which the higher
      label has the higher score; equal scores count half.

    Rows of equal score count by their mean over all orders of them, so that a constant scorer has
    the NDCG of a random order and an AUC of 0.5.

    Args:
        scorer: As for `rankkit.rank`: a model, a network, a SavedModel, a TFLite file or any
            function from a dict of columns to a score a row.
        columns: The rows to evaluate on, as a dict of arrays or lists, or a pandas DataFrame.
        train: The rows that the scorer was trained on, of which the baselines need the columns
            `query`, `item` and `label`.
        query: Name of the column by which rows belong together. Defaults to `"user_id"`.
        item: Name of the column that holds the candidates. Defaults to `None`: the baseline has
            biases for queries alone.
        label: Name of the column of labels. Defaults to `None`, that of the `RankingModel`.
        k: How many places count. Defaults to `10`.
        relevant: Labels from this on are relevant. Defaults to `4.0`, of ratings up to 5.
        rating_range: Lowest and highest label, to which scores are clipped for `rmse` and `mae`.
            Defaults to `None`, no clipping.
        num_bootstrap: How many times queries are drawn for the intervals. Defaults to `1000`.
        confidence: Share of the draws within an interval. Defaults to `0.95`.
        seed: Chooses the draws. Defaults to `42`.

    Returns:
        A table: `print` shows it, `metrics` has the scorer's values on all rows, and `lines` has
        everything as a list of dicts.

    Raises:
        ValueError: If a column is missing, the rows are empty, a label or a score is not finite,
            or a number is out of its range.
        TypeError: If the labels are no numbers.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "a", "b", "b"], "rating": [5, 1, 4, 2], "year": [4, 3, 2, 1]}
        >>> report = rk.evaluate_ranking(
        ...     lambda columns: columns["year"], rows, train=rows, label="rating"
        ... )
        >>> report.metrics["auc"], report.metrics["ndcg_at_10"], report.metrics["mae"]
        (1.0, 1.0, 1.5)
    """
    check_settings(k, rating_range, num_bootstrap, confidence)
    rows = ScoredRows(scorer, columns, train=train, query=query, item=item, label=label)
    scorers: dict[str, np.ndarray] = {
        "model": rows.scores,
        "biases": rows.baseline_scores,
        "mean": np.full(len(rows.labels), rows.baseline.mean),
    }
    _, queries = np.unique(rows.columns[query], return_inverse=True)
    parts = {"all": np.ones(len(rows.labels), bool)}
    for name in rows.ids:
        seen = set(rows.known[name].tolist())
        unseen = [each not in seen for each in rows.columns[name].tolist()]
        parts[f"unknown {name}"] = np.array(unseen)
    settings: dict[str, Any] = {
        "k": k, "relevant": relevant, "rating_range": rating_range,
        "num_bootstrap": num_bootstrap, "confidence": confidence, "seed": seed,
    }  # fmt: skip
    lines = [
        {
            "rows": part,
            "scorer": name,
            **report_line(queries[chosen], rows.labels[chosen], scores[chosen], **settings),
        }
        for part, chosen in parts.items()
        if chosen.any()
        for name, scores in scorers.items()
    ]
    return Report(lines)
