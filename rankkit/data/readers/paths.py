"""Paths of the files to read."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rankkit.utils.errors import invalid, wrong_type


def file_paths(paths: Any) -> list[str]:
    """Gives the files that are meant, those of a folder or a pattern in the order of their names.

    Args:
        paths: A file, a folder, a pattern such as `"ratings/*.parquet"`, or a list of these.
            Within a folder, names that start with a dot or an underscore are left out: Spark and
            others keep notes in such files.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If it is of another kind.
        ValueError: If the list is empty.
    """
    if isinstance(paths, str | os.PathLike):
        return _files_of(os.fspath(paths))
    if not isinstance(paths, Iterable):
        raise wrong_type("paths", paths, "a file, a folder, a pattern or a list of these")
    found = [file for path in paths for file in file_paths(path)]
    if not found:
        raise invalid("paths", found, "at least one file", "Was the pattern without a match?")
    return found


def _files_of(path: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        inside = (file.relative_to(path) for file in Path(path).rglob("*") if file.is_file())
        found = [
            os.path.join(path, file)
            for file in inside
            if not any(part.startswith((".", "_")) for part in file.parts)
        ]
    else:
        found = [file for file in glob.glob(path, recursive=True) if os.path.isfile(file)]
    if not found:
        raise FileNotFoundError(
            f"paths must name files that exist. Got: paths={path!r}, where there is none, from "
            f"{os.getcwd()!r}. Check the name, or give a folder or a pattern."
        )
    return sorted(found)
