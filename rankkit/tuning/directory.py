"""The directory of a search: it belongs to one search, and one process at a time is in it."""

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rankkit._files import written_whole

IDENTITY = "identity.json"  # what the results in the directory depend on
LOCK = "search.lock"  # held while a search runs, and never deleted


@contextlib.contextmanager
def claimed(
    directory: Path, identity: Mapping[str, Any], *, overwrite: bool, parts: list[str]
) -> Iterator[None]:
    """Makes a directory that of a search, or finds that it is already, and holds it.

    Args:
        directory: The folder, made if it is not there.
        identity: Name to description, in JSON's types, of what the results depend on.
        overwrite: Whether to delete the search that is there.
        parts: Names of the files and folders of a search.

    Raises:
        ValueError: If another search, or something else, is there.
        RuntimeError: If another process is in it.
    """
    path = directory / IDENTITY
    if directory.exists() and not (directory.is_dir() and (path.exists() or _is_new(directory))):
        raise ValueError(
            f"directory must be new, empty or that of a search. Got: directory={str(directory)!r}, "
            "which holds something else. Name another directory."
        )
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"{directory} is in use by another process. Wait for its end, or name another "
                "directory."
            ) from None
        if overwrite and path.exists():
            for name in (*parts, IDENTITY):
                shutil.rmtree(directory / name, ignore_errors=True)
                (directory / name).unlink(missing_ok=True)
        if path.exists():
            compare(directory, identity)
        else:
            with written_whole(path) as part:
                part.write_text(json.dumps(identity, indent=2) + "\n")
        yield


def _is_new(directory: Path) -> bool:
    # A process that was killed at once may have left these.
    ours = (LOCK, f".{IDENTITY}-")
    return all(path.name.startswith(ours) for path in directory.iterdir())


def compare(directory: Path, identity: Mapping[str, Any]) -> None:
    """Finds that a directory is that of a search.

    Args:
        directory: The folder.
        identity: Name to description, in JSON's types, of what the results depend on.

    Raises:
        ValueError: If it is that of another search, or of none.
    """
    shown = f"Got: directory={str(directory)!r}"
    try:
        there = json.loads((directory / IDENTITY).read_text())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"directory must hold a search. {shown}, whose {IDENTITY} cannot be read ({error}). "
            "The chief and its workers need one directory that all of them see; a damaged one is "
            "deleted by overwrite=True."
        ) from None
    here = json.loads(json.dumps(identity))
    other = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    if other:
        found = "; ".join(_difference(name, there.get(name), here.get(name)) for name in other)
        raise ValueError(
            f"directory must be new or hold this very search. {shown}, which holds one with "
            f"another {found}. Name another directory, or give overwrite=True to delete what is "
            "there."
        )


def _difference(name: str, there: Any, here: Any) -> str:
    if isinstance(there, dict) and isinstance(here, dict):
        keys = [key for key in {**there, **here} if there.get(key) != here.get(key)]
        there, here = ({key: each.get(key) for key in keys} for each in (there, here))
    return f"{name}: {there} there, {here} here"
