"""Describes rows and code, so that searches of other rows and code are told apart."""

import functools
import hashlib
import importlib.metadata
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

# What the results depend on beside rankkit itself.
_VERSIONS = ("rankkit", "tensorflow", "keras-tuner", "numpy")
# Of these, the versions tell all.
_LIBRARIES = ("builtins", "keras_tuner", "numpy", "rankkit", "tensorflow", "tf_keras")
_PLAIN = (bool, int, float, str, type(None))


def describe_search(
    hypermodel: Any, columns: Mapping[str, np.ndarray], **settings: Any
) -> dict[str, Any]:
    """Describes all that the results of a search depend on, in JSON's types.

    Args:
        hypermodel: A `RankingHyperModel`.
        columns: The rows, column name to array.
        **settings: The settings.
    """
    return {
        "data": describe_rows(columns),
        "space": hypermodel.space.domains,
        "model": {"sha256": describe_code(type(hypermodel), vars(hypermodel))},
        "settings": settings,
        "code": {name: importlib.metadata.version(name) for name in _VERSIONS},
    }


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
    return hashlib.sha256(json.dumps(describe(parts)).encode()).hexdigest()


def describe(value: Any, above: tuple[int, ...] = ()) -> Any:
    """Describes a value in JSON's types, the same in every process.

    Functions come with their source and the data and functions that it refers to, classes with
    their source and that of their bases. Not seen is what a method refers to.

    Args:
        value: The value.
        above: Identities of the values that it is within.
    """
    if isinstance(value, _PLAIN):
        return value
    if id(value) in above:
        return "above"
    inner = functools.partial(describe, above=(*above, id(value)))
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, Mapping):
        if _is_own(value.get("module")):  # the config of a layer, as Keras serializes it
            value = {**value, "module": "rankkit"}
        return sorted(([inner(key), inner(each)] for key, each in value.items()), key=json.dumps)
    if isinstance(value, set | frozenset):
        return sorted(map(inner, value), key=json.dumps)
    if isinstance(value, list | tuple):
        return [each if isinstance(each, _PLAIN) else inner(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return inner(value.tolist())
    if inspect.isclass(value):
        own = [each for each in value.__mro__ if not _of_library(each)]
        return [[_name(each), _source(each)] for each in own] or _name(value)
    if isinstance(value, functools.partial):
        return [inner(value.func), inner(value.args), inner(value.keywords)]
    if inspect.isroutine(value):
        return (
            _name(value)
            if _of_library(value)
            else [_name(value), _source(value), *map(inner, _referred(value))]
        )
    if hasattr(value, "numpy"):  # tensors and variables
        return inner(value.numpy())
    if hasattr(value, "get_config"):
        return [inner(type(value)), inner(value.get_config())]
    if hasattr(value, "__dict__") and not inspect.ismodule(value):
        return [inner(type(value)), inner(vars(value))]
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _name(value: Any) -> str:
    # Modules of rankkit may move, as long as its version stands for the same code.
    module = "rankkit" if _is_own(value.__module__) else value.__module__
    return f"{module}.{value.__qualname__}"


def _is_own(module: Any) -> bool:
    return str(module).partition(".")[0] == "rankkit"


def _of_library(value: Any) -> bool:
    return str(value.__module__).partition(".")[0] in _LIBRARIES


def _source(value: Any) -> str:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        return ""


def _referred(function: Any) -> list[Any]:
    """The names and values that the source of a function refers to, modules and classes aside."""
    try:
        names = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return []
    referred = {**names.globals, **names.nonlocals}.items()
    return [
        each for each in referred if not inspect.ismodule(each[1]) and not inspect.isclass(each[1])
    ]
