"""Queries, candidates and exclusions of `rank`, checked and converted to columns."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.core.columns import as_cells, as_list, is_column
from rankkit.core.features import check_features
from rankkit.data.columns import table_names
from rankkit.utils.errors import check_known, check_mapping, invalid, wrong_type

Columns = dict[str, list | np.ndarray]  # cells, as `rankkit.core.columns.as_cells` returns them


def query_columns(
    query: Any, specs: Mapping[str, tf.TensorSpec] | None = None
) -> tuple[Columns, bool]:
    """Returns the features of the queries as columns, and whether a single query was given."""
    fix = "Pass, for example, {'user_id': '42'}."
    query = check_mapping("query", query, "a dict of feature name to raw value", fix)
    if specs:  # columns that are not features are ignored
        query = {name: query[name] for name in query if name in specs} or query
    specs = specs or {}
    is_batch = {name: _is_batch(value, specs.get(name)) for name, value in query.items()}
    if not any(is_batch.values()):
        columns: Columns = {
            name: as_list([value], f"query[{name!r}]") for name, value in query.items()
        }
        return columns, True
    for name, value in query.items():
        if not is_batch[name]:
            column = next(each for each in query if is_batch[each])
            expected = f"a column of {len(query[column])} values, like query[{column!r}]"
            fix = "Pass one value for each feature, or a column with one value per query."
            raise wrong_type(f"query[{name!r}]", value, expected, fix)
    return _equal_columns("query", query), False


def candidate_columns(candidates: Any) -> Columns:
    """Returns candidates as columns of equal length."""
    fix = "Pass, for example, {'movie_title': titles}."
    candidates = _unpack_table(candidates)
    for name, column in check_mapping("candidates", candidates, "a dict of columns", fix).items():
        if not is_column(column):
            expected = "a column with one value per candidate"
            fix = "Pass a list of values." if column is None else f"Write [{column!r}]."
            raise wrong_type(f"candidates[{name!r}]", column, expected, fix)
    return _equal_columns("candidates", candidates)


def num_rows(columns: Columns) -> int:
    """Number of rows in columns of equal length."""
    return len(next(iter(columns.values())))


def check_feature_names(
    query: Iterable[str], candidates: Iterable[str], specs: Mapping[str, tf.TensorSpec] | None
) -> None:
    """Checks that the query and the candidates together have each feature of a scorer once."""
    for name in query:
        if name in candidates and (specs is None or name in specs):
            raise ValueError(
                f"Feature {name!r} is given twice: in the query and in the candidates. Drop one."
            )
    check_features(specs or {}, [*query, *candidates])


def remaining_indices(exclude: Any, candidates: Columns) -> range | np.ndarray:
    """Returns the indices of the candidates of one query that are not excluded."""
    if exclude is None:
        return range(num_rows(candidates))
    exclude = _unpack_table(exclude)
    if not isinstance(exclude, Mapping):
        if len(candidates) != 1:
            fix = f"Exclude by one of several columns: {', '.join(map(repr, candidates))}."
            raise invalid("exclude", exclude, "a dict of column name to values", fix)
        exclude = {next(iter(candidates)): exclude}
    check_known("candidate column in exclude", exclude, candidates)
    excluded: set[int] = set()
    for name, values in exclude.items():
        if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
            where = f"the values of {name!r} in exclude"
            raise wrong_type(where, values, "a collection", "Put it in a list.")
        column, values = as_list(candidates[name]), as_list(values)
        _check_excluded_values(name, values, column)
        values = set(values)
        excluded.update(i for i, value in enumerate(column) if value in values)
    return np.array([i for i in range(num_rows(candidates)) if i not in excluded], int)


def _check_excluded_values(name: str, values: list, column: list) -> None:
    """Checks that the values could occur in a candidate column."""
    if column and is_column(column[0]):
        fix = "Exclude by a column such as the id of the candidate."
        raise wrong_type("the column of exclude", name, "a column without lists", fix)
    for value in values:
        if is_column(value):
            fix = "Pass one collection per query only with several queries."
            raise wrong_type("each value of exclude", value, "a single value", fix)
        if column and isinstance(value, str) != isinstance(column[0], str):
            fix = f"Convert it: the candidates are values such as {column[0]!r}."
            raise wrong_type("each value of exclude", value, f"of the type of {name!r}", fix)


def _equal_columns(argument: str, columns: Mapping[str, Any]) -> Columns:
    cells = {name: as_cells(column, f"{argument}[{name!r}]") for name, column in columns.items()}
    lengths = {name: len(column) for name, column in cells.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(
            f"{argument} must be a dict of one or more columns of equal length. Got: {lengths}. "
            "Pass one value per row in each column."
        )
    return cells


def _unpack_table(value: Any) -> Any:
    """Returns a DataFrame or an Arrow table as a dict of its columns, any other value unchanged."""
    names = table_names(value)
    return value if names is None else {name: value[name] for name in names}


def _is_batch(value: Any, spec: tf.TensorSpec | None) -> bool:
    """Whether a feature of the query has one value per query; the values may be lists."""
    if spec is not None and spec.shape.rank == 2 and is_column(value):
        return len(value) > 0 and all(is_column(cell) for cell in value)
    return is_column(value)
