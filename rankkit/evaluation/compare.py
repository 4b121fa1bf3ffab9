"""`compare_rankings`: paired comparison of scorers."""

from collections.abc import Mapping, Sequence
from typing import Any

from rankkit.evaluation.metrics import MetricSettings, check_cutoffs
from rankkit.evaluation.report import Report, explain_gaps
from rankkit.evaluation.row_metrics import metric_names
from rankkit.evaluation.score_scale import is_click, score_scale
from rankkit.evaluation.scored_rows import LabeledRows
from rankkit.utils.errors import invalid, wrong_type


def compare_rankings(
    scorers: Mapping[str, Any],
    columns: Any,
    *,
    query: str | None = "user_id",
    label: str | None = None,
    k: int | Sequence[int] = 10,
    relevant: float = 4.0,
    gain: str = "exponential",
    no_relevant: str = "skip",
    rating_range: tuple[float, float] | None = None,
    num_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 42,
) -> Report:
    """Computes the differences between the metrics of scorers and those of the first scorer.

    The metrics are those of `rankkit.evaluate_ranking` that all scorers have: no errors or log loss
    if the scores of one of them are only an order. The bootstrap is paired: all scorers are
    evaluated on the same samples of queries, so the interval of a difference is usually far
    narrower than those of the metrics. A difference is significant if its interval excludes 0.

    Args:
        scorers: Name to scorer, or to an array of scores, as for `rankkit.evaluate_ranking`; two or
            more. The first is the one to compare with.
        columns: The rows to evaluate on, as a dict of arrays or lists, or a pandas DataFrame.
        query: Column that identifies the query: rows are ranked within it. `None` if there is none.
            Defaults to `"user_id"`.
        label: Column of labels. Defaults to `None`, the label of the first scorer.
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
        A table of differences, one line per scorer except the first: `print` shows it, `lines` has
        everything as a list of dicts, `metrics` has the values of the first line, and `notes` says
        what is left out or undefined.

    Raises:
        ValueError: If there are fewer than two scorers, a column or an id is missing, a label or
            score is not finite, an array has not one score per row, no metric is defined, or an
            argument is out of range.
        TypeError: If `scorers` is not a dict, labels or scores are not numbers, or ids are of
            different types.

    Example:
        >>> import rankkit as rk
        >>> rows = {"user_id": ["a", "a", "b", "b"], "rating": [5, 1, 4, 2], "year": [4, 3, 2, 1]}
        >>> scorers = {
        ...     "old": lambda columns: -columns["year"],
        ...     "new": lambda columns: columns["year"],
        ... }
        >>> found = rk.evaluation.compare_rankings(scorers, rows, label="rating")
        >>> found.metrics["auc"]
        1.0
    """
    if not isinstance(scorers, Mapping):
        fix = 'Name the scorers: {"old": ..., "new": ...}.'
        raise wrong_type("scorers", scorers, "a dict of names and scorers", fix)
    if len(scorers) < 2:
        fix = "Pass the scorers to compare."
        raise invalid("scorers", dict(scorers), "a dict with at least two scorers", fix)
    settings = MetricSettings(
        check_cutoffs(k), relevant, rating_range, num_bootstrap, confidence, seed, gain, no_relevant
    )
    first_scorer = next(iter(scorers.values()))
    ids = [] if query is None else [query]
    rows = LabeledRows(first_scorer, columns, ids, label, query=query)
    labels, queries = rows.labels, rows.queries
    scores, scales = {}, {}
    for name, scorer in scorers.items():
        given = rows.score(scorer, f"scorers[{name!r}]")
        scales[name] = score_scale(scorer, given, rows.label, labels, rating_range)
        scores[name] = given.astype(float)
    kinds = {name: scale.kind for name, scale in scales.items()}
    names = metric_names(kinds.values(), is_binary=is_click(labels))
    alike: dict[tuple, list[str]] = {}
    for name, scale in scales.items():
        alike.setdefault((scale.kind, scale.reason), []).append(name)
    notes = [note for each in alike.values() for note in scales[each[0]].notes(*each)]
    if "order" not in kinds.values() and not {"rmse", "log_loss"} & set(names):
        notes += [f"The scores are of different kinds, {kinds}: errors and log loss are left out."]
    notes.sort(key=lambda note: "left out" not in note)
    if query is None and not names:
        raise ValueError(f"With query=None there is no metric to compare. {notes[0]}")
    (first, expected), *others = (
        (name, settings.bootstrap(queries, labels, each, scales[name].predictions(each), names))
        for name, each in scores.items()
    )
    lines = []
    for name, metrics in others:
        differences = {
            metric: (value - expected[metric][0], samples - expected[metric][1])
            for metric, (value, samples) in metrics.items()
        }
        title = f"{name} - {first}"
        lines.append(settings.line("all", title, len(labels), queries, differences))
    notes += explain_gaps(lines, labels, query, queries, settings)
    return Report(lines, notes)
