"""The versions of a model in a folder: found, loaded, replaced and reported."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rankkit.serving.errors import RequestError
from rankkit.serving.runtime import PREDICT, SavedModelRuntime, TFLiteRuntime
from rankkit.serving.warmup import warm_up
from rankkit.utils.files import version_number

_logger = logging.getLogger(__name__)

LOADING, AVAILABLE, FAILED = "LOADING", "AVAILABLE", "END"  # as TensorFlow Serving names them


@dataclass(frozen=True)
class Version:
    """A loaded version.

    Attributes:
        number: Its number.
        runtime: Runs its signatures.
        fingerprint: Names, sizes and times of its files when it was loaded.
    """

    number: int
    runtime: Any
    fingerprint: tuple

    @property
    def platform(self) -> str:
        """Name of the format, as KServe's protocol has it."""
        return "tensorflow_savedmodel" if isinstance(self.runtime, SavedModelRuntime) else "tflite"

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: list[str]
    ) -> dict[str, np.ndarray]:
        """Runs a signature; returns the outputs of these names.

        Raises:
            RequestError: If the model does not accept the inputs, or an output is not finite.
        """
        missing = [
            n for n, each in inputs.items() if each.dtype.kind == "f" and np.isnan(each).any()
        ]
        hint = f" Got null or NaN in: {', '.join(missing)}." if missing else ""
        try:
            results = self.runtime.run(signature, inputs, outputs)
        except RequestError as error:
            raise RequestError(f"{error}{hint}", error.status) from None
        # Other outputs are columns of the request or of the index.
        for name in self.runtime.signatures[PREDICT].outputs.keys() & results.keys():
            if results[name].dtype.kind == "f" and not np.isfinite(results[name]).all():
                message = f"The output {name!r} of the model is not finite.{hint}"
                raise RequestError(message, 400 if missing else 500)
        return results


class ModelVersions:
    """The newest versions of a model that can be loaded.

    A version is loaded once its files have stayed the same from one refresh to the next, so that
    an incomplete copy is not loaded, and only if its checksums match. A version that cannot be
    loaded is tried again when its files change. Requests in progress finish with their version.

    Args:
        path: Folder with version folders such as `1`, each a SavedModel or a folder with one
            `.tflite` file; a single SavedModel folder; or a `.tflite` file.
        num_versions: Number of versions to keep loaded. Defaults to 2: with the one before the
            newest, two can be compared.
    """

    def __init__(self, path: Path, num_versions: int = 2):
        self._path = path
        self._num_versions = num_versions
        self._lock = threading.Lock()  # one refresh at a time
        self._seen: dict[int, tuple] = {}  # fingerprints at the last refresh
        self._failed: dict[int, tuple[tuple, str]] = {}  # fingerprint and error
        self._loading: int | None = None
        self._loaded: dict[int, Version] = {}

    @property
    def loaded(self) -> dict[int, Version]:
        """The loaded versions by number."""
        return self._loaded

    @property
    def newest(self) -> Version | None:
        """The newest loaded version; it answers requests that name none."""
        loaded = self._loaded
        return loaded[max(loaded)] if loaded else None

    def states(self) -> dict[int, tuple[str, str]]:
        """Returns the state and the error of each version, newest first."""
        # Of one moment each, as another thread changes them.
        failed, loading = dict(self._failed), self._loading
        states = {number: (FAILED, error) for number, (_, error) in failed.items()}
        states |= {number: (AVAILABLE, states.get(number, ("", ""))[1]) for number in self._loaded}
        if loading is not None and loading not in states:
            states[loading] = (LOADING, "")
        return dict(sorted(states.items(), reverse=True))

    def refresh(self, *, wait: bool = True) -> None:
        """Loads and drops versions as the folder has them.

        Args:
            wait: Whether a version whose files are new is loaded at the next refresh. Defaults to
                `True`.
        """
        with self._lock:
            found = find_versions(self._path)
            fingerprints = {number: _fingerprint(path) for number, path in found.items()}
            if not found and self._loaded:  # deleted, or the disk is away
                if self._seen:
                    _logger.warning(
                        "%s has no version anymore. Keeping the loaded versions.", self._path
                    )
                self._seen = {}
                return
            kept: dict[int, Version] = {}
            for number in sorted(found, reverse=True):
                if len(kept) == self._num_versions:
                    break
                fingerprint = fingerprints[number]
                version = self._loaded.get(number)
                is_current = version is not None and version.fingerprint == fingerprint
                has_failed = self._failed.get(number, (None,))[0] == fingerprint
                is_stable = not wait or self._seen.get(number) == fingerprint
                if not is_current and not has_failed and is_stable:
                    version = self._load(number, found[number], fingerprint) or version
                if version is not None:
                    kept[number] = version
                    self._loaded = {**self._loaded, number: version}
            self._seen = fingerprints
            self._failed = {n: each for n, each in self._failed.items() if n in found}
            before, self._loaded = self._loaded, kept or self._loaded
            for number in before.keys() - self._loaded.keys():
                _logger.info("version %d is no longer served", number)

    def _load(self, number: int, path: Path, fingerprint: tuple) -> Version | None:
        """Loads a version; returns `None` and keeps the error if that fails."""
        self._loading = number
        try:
            if not path.is_file() and not (path / "saved_model.pb").is_file():
                raise ValueError("The folder has no SavedModel and not one .tflite file.")
            runtime = (TFLiteRuntime if path.is_file() else SavedModelRuntime)(path)
            warm_up(runtime)
        except Exception as error:  # one bad version must not affect the others
            message = f"{type(error).__name__}: {error}".splitlines()[0]
            _logger.error("version %d at %s cannot be loaded: %s", number, path, message)
            self._failed[number] = (fingerprint, message)
            return None
        finally:
            self._loading = None
        self._failed.pop(number, None)
        _logger.info("version %d is served from %s", number, path)
        return Version(number, runtime, fingerprint)


def find_versions(path: Path) -> dict[int, Path]:
    """Returns the SavedModel folder or `.tflite` file of each version of a model."""
    if path.is_file() or (path / "saved_model.pb").is_file():
        return {version_number(path.name) or 1: path}
    found: dict[int, Path] = {}
    # Of "1" and "01", the version that is named as a number is written counts.
    for folder in sorted(path.iterdir() if path.is_dir() else (), key=lambda each: len(each.name)):
        number = version_number(folder.name)
        if number is not None and number not in found and folder.is_dir():
            files = list(folder.glob("*.tflite"))
            found[number] = files[0] if len(files) == 1 else folder
    return found


def _fingerprint(path: Path) -> tuple:
    """Returns names, sizes and times of the files of a version."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    parts = []
    for file in files:
        try:
            stat = file.stat()
        except OSError:  # it has just been removed
            continue
        parts.append((str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(parts)
