"""Describes rows and code, so that searches of other rows and code are told apart."""

import functools
import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np


def describe_rows(columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Describes rows so that other rows, or the same in another order, are told apart.

    Args:
        columns: Column name to array.
    """
    digest = hashlib.sha256()
    for name in sorted(columns):
        column = columns[name]
        digest.update(f"{name} {column.dtype} {column.shape} ".encode())
        if column.dtype.kind != "O":
            digest.update(np.ascontiguousarray(column).tobytes())
            continue
        for start in range(0, len(column), 100_000):
            cells = column[start : start + 100_000].tolist()
            digest.update(json.dumps(cells, default=describe).encode())
    rows = len(next(iter(columns.values())))
    return {"rows": rows, "columns": sorted(columns), "sha256": digest.hexdigest()}


def describe_code(*parts: Any) -> str:
    """Gives a hash of configs, functions and classes, with the source of those that have one."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=describe).encode()).hexdigest()


def describe(value: Any) -> Any:
    """Describes in JSON's types what JSON has no type for, the same in every process."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, set | frozenset):  # each process has them in another order
        return sorted(map(repr, value))
    if isinstance(value, functools.partial):
        return [describe(value.func), value.args, value.keywords]
    if inspect.isclass(value) or inspect.isroutine(value):
        named = f"{value.__module__}.{value.__qualname__}"
        if value.__module__.partition(".")[0] in ("tf_keras", "tensorflow", "rankkit"):
            return named  # the versions tell
        try:
            cells = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
            plain = [each for each in cells if isinstance(each, bool | int | float | str)]
            return [named, inspect.getsource(value), plain]
        except (OSError, TypeError, ValueError):
            return named
    if hasattr(value, "get_config"):
        return [describe(type(value)), value.get_config()]
    if hasattr(value, "__dict__"):
        return [describe(type(value)), vars(value)]
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
