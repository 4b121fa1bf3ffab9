"""Whose a search directory is: the data, space, settings and code that its trials came from."""

import functools
import hashlib
import inspect
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rankkit._files import written_whole

IDENTITY = "identity.json"


def claim(
    directory: Path, identity: Mapping[str, Any], *, overwrite: bool, parts: list[str]
) -> None:
    """Makes a directory that of a search, or finds that it is already.

    Args:
        directory: The folder, made if it is not there.
        identity: Name to description, in JSON's types, of what the results depend on.
        overwrite: Whether to delete the search that is there.
        parts: Names of the files and folders of a search.

    Raises:
        ValueError: If another search, or something else, is there.
    """
    path = directory / IDENTITY
    if overwrite and path.exists():  # else the folder is no search's, and nothing here is ours
        for name in (*parts, IDENTITY):
            shutil.rmtree(directory / name, ignore_errors=True)
            (directory / name).unlink(missing_ok=True)
    if path.exists():
        there = json.loads(path.read_text())
        here = json.loads(json.dumps(identity))
        other = [name for name in {**there, **here} if there.get(name) != here.get(name)]
        if other:
            found = "; ".join(_difference(name, there.get(name), here.get(name)) for name in other)
            raise ValueError(
                "directory must be new or hold this very search. Got: "
                f"directory={str(directory)!r}, which holds one with another {found}. Name "
                "another directory, or give overwrite=True to delete what is there."
            )
    elif directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ValueError(
            f"directory must be new, empty or that of a search. Got: directory={str(directory)!r}, "
            "which holds something else. Name another directory."
        )
    else:
        with written_whole(path) as part:
            part.write_text(json.dumps(identity, indent=2) + "\n")


def _difference(name: str, there: Any, here: Any) -> str:
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [key for key in {**there, **here} if there.get(key) != here.get(key)]
        there, here = ({key: each.get(key) for key in keys} for each in (there, here))
    return f"{name}: {there} there, {here} here"


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
