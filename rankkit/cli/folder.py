"""The folder of a ranker: what is in it, and how a new version gets into it."""

import contextlib
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rankkit.cli.literals import text
from rankkit.cli.recipe import FILE, Recipe, read_recipe
from rankkit.utils.files import version_number, write_atomically
from rankkit.utils.quiet import import_tensorflow

_NEW = "new"  # a version that is complete, but not moved to its place yet
PROGRAM = "train.py"


def exports(folder: Path) -> dict[int, Path]:
    """Returns the exports of a ranker, version number to folder."""
    found = (folder / "export").glob("[0-9]*")
    numbered = {version_number(path.name): path for path in found}
    return {number: path for number, path in numbered.items() if number is not None}


def open_ranker(folder: Path) -> tuple[Recipe, Path]:
    """Returns the recipe and the newest export of a ranker.

    Raises:
        FileNotFoundError: If the folder is not one that `rankkit train` wrote.
        ValueError: If the recipe is damaged.
    """
    versions = exports(folder)
    if not (folder / FILE).is_file() or not versions:
        what = "has no ranker" if folder.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"{str(folder)!r} {what}. Pass a folder that `rankkit train` wrote."
        )
    return read_recipe(folder / FILE), versions[max(versions)]


@contextlib.contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder to train in, and moves what it holds to `folder` at the end.

    A failed run leaves everything as it was. The folder of a ranker gets the next version of its
    export, which a server loads, and all other files are replaced.
    """
    parent = next(each for each in folder.absolute().parents if each.exists())
    if not parent.is_dir():
        raise NotADirectoryError(
            f"The output folder {str(folder)!r} cannot be made, since {str(parent)!r} is a file."
        )
    if not folder.exists():
        with write_atomically(folder) as temporary:
            temporary.mkdir()
            yield temporary
        return
    open_ranker(folder)
    shutil.rmtree(folder / _NEW, ignore_errors=True)
    with write_atomically(folder / _NEW) as temporary:
        temporary.mkdir()
        yield temporary
    new = folder / _NEW
    version = 1 + max(exports(folder))
    for path in sorted(new.glob("export/*")):
        path.rename(folder / "export" / str(version))
    for path in sorted(new.iterdir()):
        if path.is_file():
            path.replace(folder / path.name)
    shutil.rmtree(new)


def run_program(path: Path) -> dict[str, Any]:
    """Runs a program in this process, as `python` would; returns its variables."""
    source = path.read_text(encoding="utf-8")
    variables = {"__name__": "__main__", "__file__": str(path)}
    import_tensorflow()
    with warnings.catch_warnings():  # without the path, which is a temporary one
        warnings.showwarning = lambda text, *_: print(f"Warning: {text}", file=sys.stderr)
        exec(compile(source, str(path), "exec"), variables)
    return variables


def load_lines(export: Path) -> list[str]:
    """Returns the line of a program that loads an export."""
    return [f"scorer = rk.export.load({text(str(export))})"]


def run_lines(lines: list[str], variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """Prints lines of Python on stderr, as typed into an interpreter, and runs them.

    Args:
        lines: Lines of Python.
        variables: Those of earlier lines. Defaults to `None`: a new interpreter.

    Returns:
        The variables afterwards.
    """
    if variables is None:
        lines, variables = ["import rankkit as rk", *lines], {}
    for line in lines:
        print("..." if line[0] in " )]}" else ">>>", line, file=sys.stderr)
    print(file=sys.stderr, flush=True)
    import_tensorflow()
    exec(compile("\n".join(lines), "<rankkit>", "exec"), variables)
    return variables
