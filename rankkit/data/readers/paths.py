"""Paths of the files to read."""

import glob
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rankkit.utils.errors import invalid, wrong_type


def file_paths(paths: Any) -> list[str]:
    """Files of a file, folder, glob pattern or list of these, sorted within a folder or pattern."""
    if isinstance(paths, str | os.PathLike):
        return _resolve(os.fspath(paths))
    if not isinstance(paths, Iterable):
        raise wrong_type("paths", paths, "a file, a folder, a pattern or a list of these")
    found = [file for path in paths for file in file_paths(path)]
    if not found:
        raise invalid("paths", found, "a list of at least one file", "Did the pattern match none?")
    return found


def _resolve(path: str) -> list[str]:
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        inside = (file.relative_to(path) for file in Path(path).rglob("*") if file.is_file())
        # Spark and other writers keep metadata under names that start with a dot or an underscore.
        found = [
            os.path.join(path, file)
            for file in inside
            if not any(part.startswith((".", "_")) for part in file.parts)
        ]
    else:
        found = [file for file in glob.glob(path, recursive=True) if os.path.isfile(file)]
    if not found:
        raise FileNotFoundError(
            f"No files match paths={path!r} (working directory: {os.getcwd()!r}). Check the name, "
            "or pass a folder or a glob pattern."
        )
    return sorted(found)
