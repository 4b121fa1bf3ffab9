"""`POST /rank`: the candidates of one query, best first."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rankkit.serving.errors import RequestError
from rankkit.serving.runtime import PREDICT, RANK, RANK_INDEXED, Signature, query_features
from rankkit.serving.tensors import (
    MAX_VALUES,
    check_fields,
    show,
    to_array,
    to_cells,
)
from rankkit.serving.versions import Version
from rankkit.utils.errors import unknown

_FIELDS = ("query", "candidates", "k", "exclude", "version")
_DEFAULT_K = 10


def rank(version: Version, request: Mapping[str, Any], max_candidates: int) -> list[dict[str, Any]]:
    """Ranks candidates for a query.

    Args:
        version: The version that scores them.
        request: `query`, a feature name to a value; `candidates`, a column name to values, one per
            candidate, left out to rank the index of the export; `k`, the number of candidates to
            return (10 by default); `exclude`, column name to values, or values if there is one
            column.
        max_candidates: Number of candidates above which a request is refused.

    Returns:
        One dict per candidate, best first: `candidate`, column name to value, and `score`.

    Raises:
        RequestError: If the request is not valid, or a score is not finite.
    """
    check_fields(request, _FIELDS)
    k = request.get("k", _DEFAULT_K)
    if type(k) is not int or not 1 <= k < 2**31:
        raise RequestError(f"'k' must be an integer of at least 1. Got: {show(k)}.")
    features = version.runtime.signatures[PREDICT].inputs
    query = request.get("query", {})
    if not isinstance(query, dict):
        raise RequestError(f"'query' must be an object: feature to value. Got: {show(query)}.")
    for name in query:
        if name not in features:
            known = query_features(version.runtime) or features
            raise RequestError(str(unknown("feature in 'query'", name, known)))
    if "candidates" not in request:
        return _rank_index(version, query, k, request.get("exclude"))
    columns = _candidate_columns(request["candidates"], max_candidates)
    for name in features:
        if (name in query) + (name in columns) != 1:
            where = "both 'query' and 'candidates'" if name in query else "'query' or 'candidates'"
            verb = "is in" if name in query else "is missing: pass it in"
            hint = "" if name in query else features[name].hint
            raise RequestError(f"The feature {name!r} {verb} {where}.{hint}")
    if not any(name in columns for name in features):
        raise RequestError("'candidates' must have a column that is a feature of the model.")
    query_arrays = {name: to_array(name, [query[name]], features[name]) for name in query}
    columns = _drop_excluded(columns, request.get("exclude"))
    if not next(iter(columns.values())):
        return []
    arrays = {n: to_array(n, columns[n], features[n]) for n in features if n in columns}
    index, scores = _best(version, query_arrays, arrays, k)
    rows = zip(index.tolist(), scores.tolist(), strict=True)
    return [{"candidate": {n: columns[n][i] for n in columns}, "score": score} for i, score in rows]


def _best(
    version: Version, query: dict[str, np.ndarray], candidates: dict[str, np.ndarray], k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices and the scores of the best candidates."""
    signatures = version.runtime.signatures
    score = signatures[PREDICT].score
    num_rows = len(next(iter(candidates.values())))
    if any(array.size * num_rows > MAX_VALUES for array in query.values()):
        raise RequestError("The lists of the query are too long for this many candidates.", 413)
    if RANK in signatures:
        inputs = {**query, **candidates, "k": np.int32(k)}
        results = version.run(RANK, inputs, ["index", score])
        return results["index"], results[score]
    repeated = {name: np.repeat(array, num_rows, axis=0) for name, array in query.items()}
    scores = version.run(PREDICT, {**repeated, **candidates}, [score])[score].ravel()
    order = np.argsort(-scores, kind="stable")[:k]
    return order, scores[order]


def _rank_index(
    version: Version, query: Mapping[str, Any], k: int, exclude: Any
) -> list[dict[str, Any]]:
    """Ranks the candidates that the export holds."""
    signature: Signature | None = version.runtime.signatures.get(RANK_INDEXED)
    if signature is None:
        raise RequestError(
            "'candidates' is missing: pass an object, column name to a list of values. Only a "
            "SavedModel can have candidates of its own (rankkit.export.save(..., candidates=...))."
        )
    features = {name: each for name, each in signature.inputs.items() if name != "k"}
    for name in features.keys() | query.keys():
        if name not in query:
            hint = features[name].hint
            raise RequestError(f"The feature {name!r} is missing: pass it in 'query'.{hint}")
        if name not in features:
            raise RequestError(f"The feature {name!r} is one of the candidates, not of the query.")
    score = signature.score
    names = [n for n in signature.outputs if n not in version.runtime.signatures[PREDICT].outputs]
    names.remove("index")
    excluded = _exclusions(names, exclude)
    wanted = k + sum(map(len, excluded.values()))
    inputs = {name: to_array(name, [query[name]], features[name]) for name in features}
    while True:
        size = np.asarray(min(wanted, 2**31 - 1), np.int32)
        arrays = version.run(RANK_INDEXED, {**inputs, "k": size}, [*names, score])
        columns = {name: to_cells(arrays[name]) for name in names}
        scores = arrays[score].tolist()
        kept = _remaining(columns, excluded)
        # An excluded value may belong to several candidates.
        if len(kept) >= k or len(scores) < wanted:
            break
        wanted *= 2
    return [{"candidate": {n: columns[n][i] for n in names}, "score": scores[i]} for i in kept[:k]]


def _candidate_columns(candidates: Any, max_candidates: int) -> dict[str, list]:
    if not isinstance(candidates, dict) or not candidates:
        raise RequestError("'candidates' must be an object: column name to a list of values.")
    lengths = {}
    for name, values in candidates.items():
        if not isinstance(values, list):
            raise RequestError(f"The column {name!r} of 'candidates' must be a list of values.")
        lengths[name] = len(values)
    if len(set(lengths.values())) != 1:
        raise RequestError(f"The columns of 'candidates' must have equal lengths. Got: {lengths}.")
    count = next(iter(lengths.values()))
    if count > max_candidates:
        raise RequestError(
            f"A request may have at most {max_candidates} candidates. Got: {count}.", status=413
        )
    return candidates


def _exclusions(names: list[str], exclude: Any) -> dict[str, set]:
    """Returns the excluded values of each column."""
    if exclude is None:
        return {}
    if isinstance(exclude, list):
        if len(names) != 1:
            known = ", ".join(names)
            raise RequestError(
                f"'exclude' must be an object: one of the columns {known} to values."
            )
        exclude = {names[0]: exclude}
    if not isinstance(exclude, dict):
        raise RequestError("'exclude' must be a list of values, or an object: column to values.")
    excluded = {}
    for name, values in exclude.items():
        if name not in names:
            raise RequestError(str(unknown("column in 'exclude'", name, names)))
        if not isinstance(values, list) or any(isinstance(each, (list, dict)) for each in values):
            raise RequestError(f"The column {name!r} of 'exclude' must be a list of single values.")
        excluded[name] = set(values)
    return excluded


def _drop_excluded(columns: dict[str, list], exclude: Any) -> dict[str, list]:
    excluded = _exclusions(list(columns), exclude)
    if not excluded:
        return columns
    kept = _remaining(columns, excluded)
    return {name: [values[i] for i in kept] for name, values in columns.items()}


def _remaining(columns: Mapping[str, list], excluded: Mapping[str, set]) -> list[int]:
    """Returns the positions of candidates that have no excluded value."""
    remaining = range(len(next(iter(columns.values()))))
    for name, values in excluded.items():
        column = columns[name]
        kinds = set(map(type, column))
        for value in values:
            if kinds and type(value) not in kinds:
                raise RequestError(
                    f"Each value to exclude must have the type of the column {name!r}, such as "
                    f"{show(column[0])}. Got: {show(value)}."
                )
        try:
            remaining = [i for i in remaining if column[i] not in values]
        except TypeError:  # a list has no hash
            raise RequestError(
                f"Candidates cannot be excluded by {name!r}: it holds lists or objects."
            ) from None
    return list(remaining)
