"""`evaluate_all_items`: how high a scorer ranks the next item of a history among all items."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_cells, as_list, as_text, is_column
from rankkit.core.features import NUMBER_PADDING, TEXT_PADDING, as_feature, list_error
from rankkit.core.keras_graph import call_of, layer_of
from rankkit.core.vocabulary import check_vocabulary, plain_ids
from rankkit.data.columns import as_columns, check_keys
from rankkit.evaluation.metrics import MetricSettings, bootstrap_means, check_cutoffs
from rankkit.evaluation.report import Report
from rankkit.layers import WeightedScore
from rankkit.models.network import feature_specs, sources
from rankkit.ranking.graph import get_network
from rankkit.ranking.queries import candidate_columns, check_feature_names
from rankkit.ranking.rank import score_columns
from rankkit.ranking.scoring import check_finite_scores, get_feature_specs
from rankkit.utils.errors import check_choice, invalid, unknown, wrong_type

_MAX_SCORES = 1 << 24  # held in memory at a time

ScoreItems = Callable[[list[list[Any]], list[Any]], Any]


def evaluate_all_items(
    scorer: Any,
    rows: Any,
    *,
    item: str = "item_id",
    history: str | None = None,
    query: str = "user_id",
    candidates: Any = None,
    exclude: Any = None,
    k: int | Sequence[int] = 10,
    num_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 42,
) -> Report:
    """Evaluates how high a scorer ranks the item of each event among all new items of its user.

    For each test event, all candidates are ranked that are not in its history, nor excluded for its
    user. Sampled negatives would be faster, but can order scorers differently (Krichene and Rendle
    2020). An event whose own item the user has had cannot be ranked: it is left out, and a note of
    the report says how many are.

    - `ndcg_at_k`: `1 / log2(1 + rank)` if the item is among the first `k`, else 0.
    - `mrr`: `1 / rank`.
    - `hit_rate_at_k`: 1 if the item is among the first `k`, else 0.

    These are means over events. Tied scores count with their expected value over all orders of the
    ties. Confidence intervals come from a bootstrap over users.

    Args:
        scorer: A function from a list of histories and the list of candidate items to a matrix of
            scores, `(histories, items)`, or an object with such a method `score_items`, like
            `rankkit.models.ItemTransitions`. Or a model, network or export as in `rankkit.rank`,
            which is called for one event at a time and takes its features from the columns of
            `rows` and `candidates`.
        rows: The test events, as a dict of arrays or lists, a DataFrame or an Arrow table. Each
            event has its own history: with several events of a user, later ones may have the
            earlier ones in theirs.
        item: Column of the item of the event. Defaults to `"item_id"`.
        history: Column of the lists of past items, without those that pad them, `""` and -1.
            Defaults to `None`: `"history_"` and `item`.
        query: Column of the user. Defaults to `"user_id"`.
        candidates: The items to rank: column name to values, including `item`, each item once.
            Defaults to `None`: the items of `rows`, of their histories and of `exclude`.
        exclude: Further interactions of the users before the test events, if histories are shorter
            than all that a user has had: a table with the columns `query` and `item`. Defaults to
            `None`.
        k: Rank cutoff, or several. Defaults to `10`.
        num_bootstrap: Number of bootstrap samples. Defaults to `1000`.
        confidence: Confidence level of the intervals. Defaults to `0.95`.
        seed: Random seed of the bootstrap. Defaults to `42`.

    Returns:
        A table with one line: `print` shows it, `metrics` has the values.

    Raises:
        ValueError: If a column is missing, an item is not among the candidates, all events are left
            out, a score is not finite, or scores have the wrong shape.
        TypeError: If a history is not a list, or ids are of different types.

    References:
        Krichene and Rendle, On sampled metrics for item recommendation, KDD 2020.

    Example:
        >>> import rankkit as rk
        >>> train = {"user_id": [1, 1, 2, 2, 3, 3], "item_id": ["a", "b", "a", "b", "a", "c"]}
        >>> transitions = rk.models.ItemTransitions(train, timestamp=None)
        >>> test = {"user_id": [4, 5], "item_id": ["b", "c"], "history_item_id": [["a"], ["a"]]}
        >>> rk.evaluation.evaluate_all_items(transitions, test, k=1).metrics
        {'ndcg_at_1': 0.5, 'mrr': 0.75, 'hit_rate_at_1': 0.5}
    """
    cutoffs = check_cutoffs(k)
    settings = MetricSettings(cutoffs, 1.0, None, num_bootstrap, confidence, seed)
    columns = as_columns(rows)
    history = f"history_{item}" if history is None else history
    for argument, name in (("item", item), ("history", history), ("query", query)):
        check_choice(argument, name, columns)
    check_keys(columns, query, item)
    users = as_text(query, columns[query]).tolist()
    targets = plain_ids(f"column {item!r}", as_text(item, columns[item]).tolist())
    histories = _histories(history, columns[history])
    excluded = {} if exclude is None else _excluded_items(exclude, query, item, users[0])
    seen = [{*own, *excluded.get(user, ())} for own, user in zip(histories, users, strict=True)]
    known = plain_ids(
        f"{item} of rows, {history} and exclude",
        list({*targets, *chain(*seen, *excluded.values())}),
    )
    table = _candidates(candidates, item, known)
    items = table[item]
    index = {each: position for position, each in enumerate(items)}
    if (missing := next((each for each in targets if each not in index), None)) is not None:
        fix = "Add it to the candidates, or drop its rows."
        raise invalid(f"each {item} of rows", missing, "among the candidates", fix)
    kept = [row for row, target in enumerate(targets) if target not in seen[row]]
    if not kept:
        raise ValueError(
            f"rows must have an item that is new to its {query}. Got: {len(targets)} rows, each "
            "with an item of its history or of exclude. Pass only interactions before each event."
        )
    kept.sort(key=lambda row: len(histories[row]))  # those of a part need little padding
    size = max(1, _MAX_SCORES // len(items))
    terms = []
    for start in range(0, len(kept), size):
        chunk = kept[start : start + size]
        scores = _scores(scorer, columns, table, item, [histories[row] for row in chunk], chunk)
        positions = np.array([index[targets[row]] for row in chunk])
        above, tied = _count_above(scores, positions, [seen[row] for row in chunk], index)
        terms.append(_metrics(above, tied, cutoffs, len(items)))
    values = {name: np.concatenate([each[name] for each in terms]) for name in terms[0]}
    distinct, units = np.unique([users[row] for row in kept], return_inverse=True)
    sums = np.stack([np.bincount(units, each) for each in values.values()], axis=1)
    counts = np.broadcast_to(np.bincount(units)[:, None], sums.shape).astype(float)
    means = sums.sum(0) / len(kept)
    samples = bootstrap_means(sums, counts, num_samples=num_bootstrap, seed=seed)
    if len(distinct) < 2:
        samples[:] = np.nan  # one user does not vary
    metrics = {name: (means[i], samples[:, i]) for i, name in enumerate(values)}
    notes = [
        f"Each item is ranked among those of {len(items):,} candidates that are new to its {query}."
    ]
    if dropped := len(targets) - len(kept):
        notes.append(f"{dropped:,} of {len(targets):,} rows are left out: their item is not new.")
    return Report([settings.line("all", "model", len(kept), units, metrics)], notes)


def _histories(name: str, column: np.ndarray) -> list[list[Any]]:
    """The lists of past items in a column."""
    lists = []
    for row, each in enumerate(column):
        if not is_column(each):
            raise list_error(f"rows[{name!r}][{row}]", each, "a list of past items")
        items = as_list(each, f"rows[{name!r}][{row}]")
        lists.append([each for each in items if each not in (TEXT_PADDING, NUMBER_PADDING)])
    return lists


def _excluded_items(exclude: Any, query: str, item: str, like: Any) -> dict[Any, set[Any]]:
    """The excluded items of each user, whose ids must be of the type of another one, `like`."""
    columns = as_columns(exclude, [query, item], argument="exclude")
    check_keys(columns, query, item)
    users, items = (as_text(name, columns[name]).tolist() for name in (query, item))
    if isinstance(users[0], str) != isinstance(like, str):
        expected = f"of the type of {like!r} in rows"
        raise wrong_type(f"each {query} of exclude", users[0], expected, "Convert one of them.")
    excluded: dict[Any, set[Any]] = {}
    for user, each in zip(users, items, strict=True):
        excluded.setdefault(user, set()).add(each)
    return excluded


def _candidates(candidates: Any, item: str, known: list[Any]) -> dict[str, Any]:
    """The candidate columns, with the ids of the items as a list."""
    if candidates is None:
        return {item: sorted(known)}
    table = as_columns(candidates, argument="candidates")
    if item not in table:
        raise unknown("column of candidates", item, table)
    ids = as_text(item, table[item]).tolist()
    return {**candidate_columns(table), item: list(check_vocabulary(f"candidates[{item!r}]", ids))}


def _scores(
    scorer: Any,
    columns: dict[str, np.ndarray],
    table: dict[str, Any],
    item: str,
    histories: list[list[Any]],
    rows: list[int],
) -> np.ndarray:
    """The scores of all candidates for some rows, `(rows, candidates)`."""
    function: ScoreItems | None = getattr(scorer, "score_items", None)
    specs = None if function else get_feature_specs(scorer)
    if (found := _matrix_of_scores(scorer, columns, table, item, rows)) is not None:
        return check_finite_scores(found)
    if specs is None and not callable(function or scorer):
        raise wrong_type("scorer", scorer, "a model, a loaded export or a function")
    if specs is None:
        scores = np.asarray((function or scorer)(histories, table[item]))
        shape = (len(rows), len(table[item]))
        if scores.shape != shape:
            expected = f"{shape}, one score for each history and item"
            raise invalid("the shape of the scores", scores.shape, expected)
        return check_finite_scores(scores)
    queries = [name for name in specs if name in columns and name not in table]
    check_feature_names(queries, table, specs)
    scored = []
    for row in rows:
        features = {name: as_cells(columns[name][row : row + 1], name) for name in queries}
        scored += score_columns(scorer, specs, features, [table], [range(len(table[item]))])
    return np.stack(scored)


def _matrix_of_scores(
    scorer: Any, columns: dict[str, np.ndarray], table: dict[str, Any], item: str, rows: list[int]
) -> np.ndarray | None:
    """The scores of a network whose layers score the same items for several histories at once."""
    if (network := get_network(scorer)) is None or item not in network.input:
        return None
    specs = feature_specs(network)
    if not {*specs} - {item} <= columns.keys() or not _scores_items(
        network, network.outputs[0], item
    ):
        return None
    features = {
        name: as_feature(name, table[item] if name == item else columns[name][rows], spec)
        for name, spec in specs.items()
    }
    return _score_items(network, network.outputs[0], features).numpy()


def _scores_items(network: tf.keras.Model, score: Any, item: str) -> bool:
    """Whether a score is of layers with `score_items`, and a weighted sum of them."""
    layer = layer_of(score)
    if isinstance(layer, WeightedScore):
        return all(_scores_items(network, each, item) for each in call_of(score).args[0].values())
    if isinstance(layer, tf.keras.Model):
        return _scores_items(layer, layer.outputs[0], item)
    return hasattr(layer, "score_items") and sources(network, layer)[-1] == item


def _score_items(network: tf.keras.Model, score: Any, features: Mapping[str, Any]) -> tf.Tensor:
    """The scores of the same items for several histories, `(histories, items)`."""
    layer = layer_of(score)
    if isinstance(layer, WeightedScore):
        given, weights = call_of(score).args[0], layer.weights_by_head.items()
        return tf.add_n(
            [weight * _score_items(network, given[name], features) for name, weight in weights]
        )
    if isinstance(layer, tf.keras.Model):
        return _score_items(layer, layer.outputs[0], features)
    *histories, items = (features[name] for name in sources(network, layer))
    return layer.score_items(histories, items)


def _count_above(
    scores: np.ndarray, targets: np.ndarray, seen: list[set[Any]], index: dict[Any, int]
) -> tuple[np.ndarray, np.ndarray]:
    """How many items are above the target of each row, and tied with it, itself among them."""
    own = scores[np.arange(len(targets)), targets][:, None]
    higher, equal = scores > own, scores == own
    for row, had in enumerate(seen):
        positions = [index[each] for each in had if each in index]
        higher[row, positions] = equal[row, positions] = False
    return higher.sum(1), equal.sum(1)


def _metrics(
    above: np.ndarray, tied: np.ndarray, cutoffs: list[int], num_items: int
) -> dict[str, np.ndarray]:
    """Metric to its value per row, expected over all orders of the ties."""
    ranks = np.arange(1, num_items + 1)

    def expected(gains: np.ndarray) -> np.ndarray:
        summed = np.concatenate([[0], np.cumsum(gains)])
        return (summed[above + tied] - summed[above]) / tied

    values = {f"ndcg_at_{k}": expected((ranks <= k) / np.log2(ranks + 1)) for k in cutoffs}
    values["mrr"] = expected(1 / ranks)
    return values | {f"hit_rate_at_{k}": expected(1.0 * (ranks <= k)) for k in cutoffs}
