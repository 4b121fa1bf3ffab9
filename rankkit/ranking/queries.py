"""Columns of queries and candidates."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from rankkit.core.columns import as_list, is_column
from rankkit.utils.errors import invalid, missing, unknown, wrong_type

Columns = dict[str, list]


def query_columns(
    query: Any, specs: Mapping[str, tf.TensorSpec] | None = None
) -> tuple[Columns, bool]:
    """Gives the queries as columns, and whether there is a single one.

    Args:
        query: Feature name to value, or to a sequence of values of equal length, one a query.
        specs: What the scorer takes, where it is known. Defaults to `None`.

    Raises:
        TypeError: If it is not a dict.
        ValueError: If some values are single and others columns, or of different lengths.
    """
    if not isinstance(query, Mapping):
        raise wrong_type("query", query, "a dict of raw features", "Such as {'user_id': '42'}.")
    many = {name: _holds_many(value, (specs or {}).get(name)) for name, value in query.items()}
    if not any(many.values()):
        return {name: as_list([value]) for name, value in query.items()}, True
    for name, value in query.items():
        if not many[name]:
            fix = "Give each feature one value, or each a column with a value a query."
            raise wrong_type(f"query[{name!r}]", value, "a column, as other features are", fix)
    return _equal_columns("query", query), False


def candidate_columns(candidates: Any) -> Columns:
    """Gives the candidates as columns.

    Args:
        candidates: Column name to values, one a candidate; or a DataFrame.

    Raises:
        TypeError: If it is not a dict of columns.
        ValueError: If there are no columns, or their lengths differ.
    """
    candidates = _columns_of(candidates)
    if not isinstance(candidates, Mapping):
        fix = "Such as {'movie_title': titles}."
        raise wrong_type("candidates", candidates, "a dict of columns", fix)
    for name, column in candidates.items():
        if not is_column(column):
            raise wrong_type(f"candidates[{name!r}]", column, "a column, one value a candidate")
    return _equal_columns("candidates", candidates)


def _equal_columns(what: str, columns: Mapping[str, Any]) -> Columns:
    lists = {name: as_list(column) for name, column in columns.items()}
    lengths = {name: len(column) for name, column in lists.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"{what} must be a dict of one or more columns of equal length. Got: {lengths}."
        )
    return lists


def _columns_of(value: Any) -> Any:
    """A DataFrame as a dict of its columns; anything else as it is."""
    if hasattr(value, "columns") and hasattr(value, "iloc"):  # pandas
        return {name: value[name] for name in value.columns}
    return value


def _same_kind(values: list, column: list) -> set:
    """Gives the values as a set, and refuses those that could never be in the column."""
    for value in values:
        if is_column(value):
            raise wrong_type("exclude", value, "single values, for a single query")
        if column and isinstance(value, str) != isinstance(column[0], str):
            fix = f"The candidates are such as {column[0]!r}."
            raise wrong_type("exclude", value, "values of the candidates' kind", fix)
    return set(values)


def _holds_many(value: Any, spec: tf.TensorSpec | None) -> bool:
    """Whether a value is a column; where a feature is a list itself, a column is one of lists."""
    if spec is not None and spec.shape.rank == 2 and is_column(value):
        return len(value) > 0 and all(is_column(cell) for cell in value)
    return is_column(value)


def check_names(
    query: Mapping[str, Any],
    candidates: Mapping[str, Any],
    specs: Mapping[str, tf.TensorSpec] | None,
) -> None:
    """Holds a query and its candidates against what a scorer takes.

    Raises:
        ValueError: If a feature is missing or given twice, or the query has one too many.
    """
    for name in query:
        if name in candidates:
            raise ValueError(f"Feature {name!r} is given twice: in the query and the candidates.")
        if specs is not None and name not in specs:
            raise unknown("feature in the query", name, specs)
    for name in specs or ():
        if name not in query and name not in candidates:
            raise missing("feature", name, specs or (), [*query, *candidates])


def kept_rows(exclude: Any, candidates: Columns, num_candidates: int) -> Sequence[int]:
    """Gives the positions of the candidates that are to be ranked.

    Args:
        exclude: Values of the one candidate column, or column name to such values, or `None`.
        candidates: The candidate columns.
        num_candidates: How many candidates there are.

    Raises:
        ValueError: If plain values come for several columns, or a column is unknown.
        TypeError: If it is text, or no collection.
    """
    if exclude is None:
        return range(num_candidates)
    exclude = _columns_of(exclude)
    if not isinstance(exclude, Mapping):
        if len(candidates) != 1:
            fix = f"There are several candidate columns: {', '.join(map(repr, candidates))}."
            raise invalid("exclude", exclude, "a dict of column name to values", fix)
        exclude = {next(iter(candidates)): exclude}
    dropped: set[int] = set()
    for name, values in exclude.items():
        if name not in candidates:
            raise unknown("candidate column in exclude", name, candidates)
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            raise wrong_type("exclude", values, "a collection of values", "Put it in a list.")
        seen = _same_kind(as_list(values), candidates[name])
        dropped.update(i for i, value in enumerate(candidates[name]) if value in seen)
    return [i for i in range(num_candidates) if i not in dropped]
