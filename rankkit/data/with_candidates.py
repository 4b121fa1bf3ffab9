"""Each query beside every candidate, labelled by what it chose: rows to evaluate on."""

from typing import Any

import numpy as np

from rankkit._errors import invalid
from rankkit.data.candidate_pool import candidate_pool, check_clicks
from rankkit.data.columns import as_columns


def with_candidates(
    rows: Any,
    *,
    item: str,
    query: str = "user_id",
    exclude: Any = None,
    candidates: Any = None,
    label: str = "click",
) -> dict[str, np.ndarray]:
    """Makes rows of each query with every candidate, to evaluate a ranking of all of them.

    `rankkit.evaluate_ranking` of them, with `relevant=1.0`, tells where the clicks held out come
    among all that could have been shown, which metrics over drawn negatives do not.

    Args:
        rows: The clicks held out: a dict of arrays or lists, or a pandas DataFrame.
        item: The column of the item.
        query: The column of who clicked. Defaults to `"user_id"`.
        exclude: Clicks that are known, such as those trained on: the same pair of query and item
            is left out, unless it is among the rows too. Defaults to `None`.
        candidates: What is ranked: column name to values, `item` among them, each item once. Its
            columns replace those of the click; the others are those of the query's first row.
            Defaults to `None`, the items of the rows and of `exclude`.
        label: The column to add: 1 for clicks, 0 for the others. Defaults to `"click"`.

    Returns:
        The rows, `(queries * candidates - left out,)` each column.

    Raises:
        TypeError: If the rows or candidates are of a kind that has no columns.
        ValueError: If there is no row, a column is missing or named as the label, a candidate
            comes twice, or a click is of none of the candidates.

    References:
        Krichene and Rendle, On sampled metrics for item recommendation, KDD 2020.

    Example:
        >>> import rankkit as rk
        >>> clicks = {"user_id": ["u1", "u2"], "item_id": ["a", "b"]}
        >>> known = {"user_id": ["u1"], "item_id": ["c"]}
        >>> found = rk.data.with_candidates(clicks, item="item_id", exclude=known)
        >>> list(zip(found["user_id"], found["item_id"], found["click"].tolist()))
        [('u1', 'a', 1.0), ('u1', 'b', 0.0), ('u2', 'a', 0.0), ('u2', 'b', 1.0), ('u2', 'c', 0.0)]
    """
    clicks = as_columns(rows)
    check_clicks(clicks, query, item, [label])
    known = None if exclude is None else as_columns(exclude, [query, item])
    clicked = [clicks[item], *([] if known is None else [known[item]])]
    pool = candidate_pool(candidates, clicked, query, item)
    queries = {each: code for code, each in enumerate(dict.fromkeys(clicks[query].tolist()))}
    items = {each: code for code, each in enumerate(pool[item].tolist())}

    def pairs(columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        both = (columns[query], queries), (columns[item], items)
        found = [[codes.get(each, -1) for each in column.tolist()] for column, codes in both]
        return np.array(found[0]), np.array(found[1])

    labels = np.zeros((len(queries), len(items)), np.float32)
    query_codes, item_codes = pairs(clicks)
    if (missing := clicks[item][item_codes < 0]).size:
        fix = "Add it, or drop the row."
        raise invalid(f"{item} of a row", missing.tolist()[0], "among the candidates", fix)
    labels[query_codes, item_codes] = 1.0
    kept = np.ones(labels.shape, bool)
    if known is not None:
        known_queries, known_items = pairs(known)
        both = (known_queries >= 0) & (known_items >= 0)
        kept[known_queries[both], known_items[both]] = False
    kept |= labels > 0
    of_query, of_item = np.nonzero(kept)
    first = np.unique(query_codes, return_index=True)[1]
    made = {
        name: pool[name][of_item] if name in pool else column[first][of_query]
        for name, column in {**clicks, **pool}.items()
    }
    return {**made, label: labels[kept]}
