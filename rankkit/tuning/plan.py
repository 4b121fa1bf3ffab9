"""Settings, directory and fingerprint of a search."""

import contextlib
import dataclasses
import fcntl
import functools
import hashlib
import importlib.metadata
import inspect
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras_tuner as kt
import numpy as np

from rankkit.data import random_split
from rankkit.tuning.hypermodel import RankingHyperModel
from rankkit.tuning.journal import read_journal
from rankkit.tuning.oracles import JournaledOracle, make_oracle
from rankkit.tuning.reporting import TENSORBOARD, Progress
from rankkit.utils.errors import invalid
from rankkit.utils.files import write_atomically

# In the directory of a search.
PROJECT = "search"  # the folder of keras-tuner's own files
JOURNAL = "journal.jsonl"
FINGERPRINT = "identity.json"
LOCK = "search.lock"  # locked while a search runs, and never deleted


@dataclasses.dataclass(frozen=True)
class Plan:
    """The checked settings of a search, which can be pickled: see `rankkit.tuning.search`."""

    hypermodel: RankingHyperModel
    columns: dict[str, np.ndarray]  # the rows
    validation: dict[str, np.ndarray] | None  # further rows; None for a part of the rows
    directory: Path
    objective: kt.Objective
    tuner: str
    max_trials: int
    epochs: int
    patience: int
    prune: bool
    validation_fraction: float
    executions_per_trial: int
    max_consecutive_failed_trials: int
    seed: int
    workers: int
    chief_timeout: float
    verbose: int

    def make_oracle(self) -> JournaledOracle:
        """Makes the oracle, without trials."""
        return make_oracle(
            self.tuner,
            self.hypermodel.space,
            objective=self.objective,
            max_trials=self.max_trials,
            epochs=self.epochs,
            seed=self.seed,
            max_consecutive_failed_trials=self.max_consecutive_failed_trials,
        )

    def make_progress(self, oracle: JournaledOracle) -> Progress:
        """Makes the progress output."""
        names = self.hypermodel.space.searched
        return Progress(names, total=oracle.expected_trials, verbose=self.verbose)

    def split_rows(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Splits the rows into those to train and to validate on."""
        if self.validation is not None:
            return self.columns, self.validation
        return random_split(self.columns, test_fraction=self.validation_fraction, seed=self.seed)

    def all_rows(self) -> dict[str, np.ndarray]:
        """Returns the rows to train the best model on."""
        if self.validation is None:
            return self.columns
        return {
            name: np.concatenate([column, self.validation[name]])
            for name, column in self.columns.items()
        }

    def read_journal(self) -> list[dict[str, Any]]:
        """Reads the events of the search so far."""
        return read_journal(self.directory / JOURNAL)

    def fingerprint(self) -> dict[str, Any]:
        """Describes everything that the results depend on, in JSON's types."""
        settings = {name: getattr(self, name) for name in _SETTINGS}
        # The values of a grid, and Hyperband's schedule, depend on the number of trials.
        is_fixed = self.tuner in ("grid", "hyperband")
        settings["max_trials"] = self.max_trials if is_fixed else None
        settings["objective"] = [self.objective.name, self.objective.direction]
        further = {}
        if self.validation is not None:
            further["validation"] = describe_rows(self.validation)
        return {
            "data": describe_rows(self.columns),
            **further,
            "space": self.hypermodel.space.domains,
            "model": {"sha256": hash_code(type(self.hypermodel), vars(self.hypermodel))},
            "settings": settings,
            "code": {name: importlib.metadata.version(name) for name in _VERSIONS},
        }


@contextlib.contextmanager
def claim(directory: Path, fingerprint: Mapping[str, Any], *, overwrite: bool) -> Iterator[None]:
    """Locks the directory of a search; raises if it holds another search or other files."""
    path = directory / FINGERPRINT
    if directory.exists() and not (directory.is_dir() and (path.exists() or _is_new(directory))):
        expected = "new, empty or the directory of a search"
        raise invalid("directory", str(directory), expected, "Use another directory.")
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(
                f"{directory} is in use by another process. Wait until it exits, or use another "
                "directory."
            ) from None
        if overwrite and path.exists():
            for name in (JOURNAL, TENSORBOARD, PROJECT, FINGERPRINT):
                shutil.rmtree(directory / name, ignore_errors=True)
                (directory / name).unlink(missing_ok=True)
        if path.exists():
            check_fingerprint(directory, fingerprint)
        else:
            with write_atomically(path) as part:
                part.write_text(json.dumps(fingerprint, indent=2) + "\n")
        yield


def _is_new(directory: Path) -> bool:
    leftovers = (LOCK, f".{FINGERPRINT}-")  # of a process killed right after its start
    return all(path.name.startswith(leftovers) for path in directory.iterdir())


def check_fingerprint(directory: Path, fingerprint: Mapping[str, Any]) -> None:
    """Raises `ValueError` unless the directory holds the search of the fingerprint."""
    shown = f"Got: directory={str(directory)!r}"
    try:
        found = json.loads((directory / FINGERPRINT).read_text())
        if not isinstance(found, dict):
            raise ValueError(f"it holds {found!r}")
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"directory must hold a search. {shown}, whose {FINGERPRINT} cannot be read ({error}). "
            "The chief and all workers need the same directory; overwrite=True deletes a damaged "
            "search."
        ) from None
    expected = json.loads(json.dumps(fingerprint))
    differing = [key for key in {**found, **expected} if found.get(key) != expected.get(key)]
    if differing:
        shown_keys = "; ".join(
            _difference(key, found.get(key), expected.get(key)) for key in differing
        )
        raise ValueError(
            f"directory must be new or hold this search. {shown}, which holds a search with "
            f"another {shown_keys}. Use another directory, or overwrite=True to delete that search."
        )


def _difference(name: str, found: Any, expected: Any) -> str:
    if isinstance(found, dict) and isinstance(expected, dict):
        keys = [key for key in {**found, **expected} if found.get(key) != expected.get(key)]
        found, expected = ({key: each.get(key) for key in keys} for each in (found, expected))
    return f"{name} ({found} there, {expected} here)"


# Settings, and packages whose versions, are part of the fingerprint.
_SETTINGS = (
    "tuner", "epochs", "patience", "prune", "validation_fraction", "executions_per_trial", "seed",
)  # fmt: skip
_VERSIONS = ("rankkit", "tensorflow", "keras-tuner", "numpy")
# Packages whose code is not described, as the versions stand for it.
_LIBRARIES = ("builtins", "keras_tuner", "numpy", "rankkit", "tensorflow", "tf_keras")
_JSON_TYPES = (bool, int, float, str, type(None))


def describe_rows(columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Describes rows, including their order."""
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


def hash_code(*parts: Any) -> str:
    """A hash of values, functions and classes, including source code."""
    return hashlib.sha256(json.dumps(describe(parts)).encode()).hexdigest()


def describe(value: Any, parents: tuple[int, ...] = ()) -> Any:
    """Describes a value in JSON's types, the same in every process.

    Functions are described by their source and the data and functions that it refers to, classes
    by their source and that of their bases. What a method refers to is not included. `parents`
    are the ids of the values that contain this one.
    """
    if isinstance(value, _JSON_TYPES):
        return value
    if id(value) in parents:
        return "above"
    inner = functools.partial(describe, parents=(*parents, id(value)))
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, Mapping):
        if _package(value.get("module")) == "rankkit":  # the config of a layer of Keras
            value = {**value, "module": "rankkit"}
        return sorted(([inner(key), inner(each)] for key, each in value.items()), key=json.dumps)
    if isinstance(value, set | frozenset):
        return sorted(map(inner, value), key=json.dumps)
    if isinstance(value, list | tuple):
        return [each if isinstance(each, _JSON_TYPES) else inner(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return inner(value.tolist())
    if inspect.isclass(value):
        own = [each for each in value.__mro__ if not _is_library(each)]
        return [[_qualified_name(each), _source(each)] for each in own] or _qualified_name(value)
    if isinstance(value, functools.partial):
        return [inner(value.func), inner(value.args), inner(value.keywords)]
    if inspect.isroutine(value):
        if _is_library(value):
            return _qualified_name(value)
        return [_qualified_name(value), _source(value), *map(inner, _references(value))]
    if hasattr(value, "numpy"):  # tensors and variables
        return inner(value.numpy())
    if hasattr(value, "get_config"):
        return [inner(type(value)), inner(value.get_config())]
    if hasattr(value, "__dict__") and not inspect.ismodule(value):
        return [inner(type(value)), inner(vars(value))]
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _qualified_name(value: Any) -> str:
    # rankkit's modules may move: its version stands for the code.
    module = "rankkit" if _package(value.__module__) == "rankkit" else value.__module__
    return f"{module}.{value.__qualname__}"


def _is_library(value: Any) -> bool:
    return _package(value.__module__) in _LIBRARIES


def _package(module: Any) -> str:
    return str(module).partition(".")[0]


def _source(value: Any) -> str:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        return ""


def _references(function: Any) -> list[Any]:
    """Names and values that a function's source refers to, except modules and classes."""
    try:
        names = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return []
    return [
        (name, value)
        for name, value in {**names.globals, **names.nonlocals}.items()
        if not inspect.ismodule(value) and not inspect.isclass(value)
    ]
