"""What could have been chosen."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from rankkit._errors import invalid, unknown, wrong_type
from rankkit.data.columns import as_columns


def check_clicks(clicks: Mapping[str, Any], query: str, item: str, added: Iterable[str]) -> None:
    """Refuses clicks that lack the query or the item, or have a column of a name to be added.

    Raises:
        ValueError: If so.
    """
    for kind, name in (("query", query), ("item", item)):
        if name not in clicks:
            raise unknown(kind, name, clicks)
    for name in added:
        if name in clicks:
            raise invalid("columns", list(clicks), f"none named {name!r}", "Rename that column.")


def joined(
    clicks: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray], names: Iterable[str]
) -> dict[str, np.ndarray]:
    """Puts the rows of others behind those of clicks, in such columns alone.

    Raises:
        ValueError: If the others lack one.
    """
    names = list(names)
    more = as_columns(others, names)
    return as_columns({name: [*clicks[name].tolist(), *more[name].tolist()] for name in names})


def candidate_pool(
    candidates: Any, clicked: Iterable[np.ndarray], query: str, item: str
) -> dict[str, np.ndarray]:
    """Gives the columns of the candidates.

    Args:
        candidates: Column name to values, or `None` for the items that were clicked.
        clicked: Columns of items.
        query: Name of the query's column, which must not be among them.
        item: Name of the item's column, which must.

    Raises:
        TypeError: If they are other columns.
        ValueError: If there is none, or one comes twice.
    """
    if candidates is None:
        return as_columns({item: list(dict.fromkeys(np.concatenate([*clicked]).tolist()))})
    pool = as_columns(candidates)
    if item not in pool or query in pool:
        expected = f"columns of candidates, {item!r} among them and not {query!r}"
        raise wrong_type("candidates", list(pool), expected)
    if (different := len(set(pool[item].tolist()))) < len(pool[item]):
        raise invalid("candidates", len(pool[item]), f"{different} different items")
    return pool
