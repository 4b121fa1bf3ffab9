"""Settings, folder and fingerprint of a search."""

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
from rankkit.tuning.journal import Journal, read_journal
from rankkit.tuning.oracles import Journaled, make_oracle
from rankkit.tuning.processes import (
    Part,
    check_port_is_free,
    own_part,
    run_on_this_machine,
    wait_for_chief,
)
from rankkit.tuning.pruning import rungs_of
from rankkit.tuning.reporting import TENSORBOARD, Progress, log_experiment
from rankkit.tuning.trial import PROJECT, TrialRuns
from rankkit.utils.files import written_whole

JOURNAL = "journal.jsonl"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings of a search, checked. It can be pickled.

    Attributes:
        hypermodel: What builds and trains the models.
        columns: The training rows.
        directory: The folder of the search.
        objective: What is best.
        tuner: Name of the tuner.
        max_trials: How many trials there may be.
        epochs: The most that a trial is trained for.
        patience: Epochs without improvement that end a trial.
        prune: Whether trials end early that are behind the ones before them.
        validation_fraction: Share of the training rows that the trials are judged by.
        executions_per_trial: How often each trial is run.
        max_consecutive_failed_trials: Failures in a row that end the search.
        seed: Chooses all that is random.
        workers: How many processes train at a time.
        chief_timeout: Seconds that a worker waits for the chief.
        verbose: 0 for silence.
    """

    hypermodel: RankingHyperModel
    columns: dict[str, np.ndarray]
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

    def make_oracle(self) -> Journaled:
        """Makes the oracle, at the very beginning of the search."""
        return make_oracle(
            self.tuner,
            self.hypermodel.space,
            objective=self.objective,
            max_trials=self.max_trials,
            epochs=self.epochs,
            seed=self.seed,
            max_consecutive_failed_trials=self.max_consecutive_failed_trials,
        )

    def identity(self) -> dict[str, Any]:
        """Describes all that the results depend on, in JSON's types."""
        return describe_search(
            self.hypermodel,
            self.columns,
            tuner=self.tuner,
            # A grid is laid for its number of points, a schedule for its epochs.
            max_trials=self.max_trials if self.tuner in ("grid", "hyperband") else None,
            objective=[self.objective.name, self.objective.direction],
            epochs=self.epochs,
            patience=self.patience,
            prune=self.prune,
            validation_fraction=self.validation_fraction,
            executions_per_trial=self.executions_per_trial,
            seed=self.seed,
        )

    def claimed(self, *, overwrite: bool) -> contextlib.AbstractContextManager[None]:
        """Holds the directory for this search, from which no other process is to search."""
        parts = [JOURNAL, TENSORBOARD, PROJECT]
        return claimed(self.directory, self.identity(), overwrite=overwrite, parts=parts)

    def progress(self, oracle: Journaled) -> Progress:
        """Makes what shows how the search goes."""
        names = self.hypermodel.space.searched
        return Progress(names, total=oracle.expected_trials, verbose=self.verbose)

    def _take_part(self) -> None:
        part = own_part()
        if part.role == "worker":
            wait_for_chief(part, self.chief_timeout)
            self._work(part)
        else:
            self.run()

    def join(self) -> None:
        """Works in a search that was begun by another process, if it is this very search.

        Raises:
            ValueError: If it is another.
            TimeoutError: If there is no chief.
        """
        part = own_part()
        try:
            wait_for_chief(part, self.chief_timeout)
        except TimeoutError:
            if self._events()[-1:] == ["complete"]:  # the others were faster
                return
            raise
        compare(self.directory, self.identity())
        self._work(part)

    def _work(self, part: Part) -> None:
        self._tuner(self.make_oracle(), part, verbose=0).search(*self._split())

    def run(self) -> Journaled:
        """Runs the search: alone, or as the chief that others work for.

        Returns:
            The oracle, which knows all trials.
        """
        part = own_part()
        if part.address is not None:
            check_port_is_free(part.address)
        journal = Journal(self.directory / JOURNAL)
        try:
            oracle = self.make_oracle()
            tuner = self._tuner(oracle, part, verbose=self.verbose)
            oracle.replay(read_journal(journal.path))
            if oracle.trials:
                tuner.progress.say(f"going on after {len(oracle.ended)} trials")
            space, objective = self.hypermodel.space, self.objective.name
            log_experiment(self.directory / TENSORBOARD, space, objective)
            oracle.write_to(journal, tuner.progress)
            tuner.search(*self._split())
        finally:
            journal.close()
        return oracle

    def run_here(self) -> Journaled:
        """Runs the search by several processes on this machine.

        Returns:
            The oracle, which knows all trials.
        """
        if not (oracle := self._outcome()).is_complete:
            before = len(self._events())

            def has_ended() -> bool:
                return not {"complete", "stopped"}.isdisjoint(self._events()[before:])

            run_on_this_machine(self._take_part, self.workers, has_ended)
            oracle = self._outcome()
        return oracle

    def _outcome(self) -> Journaled:
        oracle = self.make_oracle()
        self._tuner(oracle, own_part(), verbose=0)
        oracle.replay(read_journal(self.directory / JOURNAL))
        return oracle

    def _events(self) -> list[str]:
        return [event["event"] for event in read_journal(self.directory / JOURNAL)]

    def _tuner(self, oracle: Journaled, part: Part, *, verbose: int) -> TrialRuns:
        # keras-tuner would reload what is replayed here.
        (self.directory / PROJECT / f"{part.tuner_id}.json").unlink(missing_ok=True)
        return TrialRuns(
            oracle,
            self.hypermodel,
            directory=self.directory,
            epochs=self.epochs,
            patience=self.patience,
            seed=self.seed,
            executions_per_trial=self.executions_per_trial,
            rungs=rungs_of(self.epochs) if self.prune else (),
            progress=dataclasses.replace(self, verbose=verbose).progress(oracle),
        )

    def _split(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        return random_split(self.columns, test_fraction=self.validation_fraction, seed=self.seed)


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
