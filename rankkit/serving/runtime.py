"""One exported version, loaded: its signatures take and return NumPy arrays."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rankkit.serving.errors import RequestError
from rankkit.utils.checksum import check_flatbuffer, check_folder, unzip_description
from rankkit.utils.event_lists import misaligned
from rankkit.utils.quiet import import_tensorflow
from rankkit.utils.score import score_name
from rankkit.utils.seconds import SECONDS_LIMIT

PREDICT, RANK, RANK_INDEXED = "serving_default", "rank", "rank_indexed"


@dataclass(frozen=True)
class Tensor:
    """An input or output of a signature.

    Attributes:
        dtype: NumPy type; `object` for strings.
        shape: Sizes; `None` for any size. The first is the number of rows.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...]

    @property
    def hint(self) -> str:
        """What to pass if there is nothing to pass: lists may be empty."""
        return " Pass [] if it is empty." if self.shape[1:] == (None,) else ""


@dataclass(frozen=True)
class Signature:
    """Names and types of what a function of an export takes and returns."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    @property
    def score(self) -> str:
        """Name of the output that is the score."""
        return score_name(self.outputs)


class SavedModelRuntime:
    """A SavedModel of `rankkit.export.save`.

    Raises:
        ValueError: If the folder has no checksums, a file does not match its checksum, or the
            signature `serving_default` is missing.
    """

    def __init__(self, folder: Path):
        import_tensorflow()
        import tensorflow as tf

        from rankkit.utils.graph_errors import plain_errors

        if not check_folder(folder):
            raise ValueError("The SavedModel has no checksums. Write it with rankkit.export.save.")
        self._constant = tf.constant
        self._plain_errors, self._refusals = plain_errors, tf.errors.InvalidArgumentError
        # The signatures do not keep the object alive that owns their variables.
        self._loaded = tf.saved_model.load(str(folder))
        self.compares_rows = bool(getattr(self._loaded, "compares_rows", False))
        self._functions = dict(self._loaded.signatures)
        if PREDICT not in self._functions:
            raise ValueError(f"The SavedModel has no signature {PREDICT!r}.")
        self.signatures = {
            name: Signature(
                {
                    each: _of_spec(spec)
                    for each, spec in function.structured_input_signature[1].items()
                },
                {each: _of_spec(spec) for each, spec in function.structured_outputs.items()},
            )
            for name, function in self._functions.items()
        }

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: list[str]
    ) -> dict[str, np.ndarray]:
        """Runs a signature; returns the outputs of these names."""
        tensors = {name: self._constant(array) for name, array in inputs.items()}
        try:
            with self._plain_errors():
                results = self._functions[signature](**tensors)
        except (ValueError, self._refusals) as error:
            reason = f" {error}" if isinstance(error, ValueError) else ""  # of rankkit's checks
            raise RequestError(f"The model does not accept these values.{reason}") from None
        return {name: results[name].numpy() for name in outputs}

    def sample(self) -> dict[str, np.ndarray]:
        """Returns a few rows of features, on which the export was checked."""
        return {name: tensor.numpy() for name, tensor in self._loaded.sample().items()}


def _of_spec(spec: Any) -> Tensor:
    dtype = spec.dtype.as_numpy_dtype
    return Tensor(np.dtype(dtype), tuple(spec.shape))


class TFLiteRuntime:
    """A file of `rankkit.export.to_tflite`, run by LiteRT without TensorFlow.

    Raises:
        ValueError: If the file has no checksum, does not match it, or the signature
            `serving_default` is missing.
    """

    def __init__(self, path: Path):
        from ai_edge_litert.interpreter import Interpreter

        if not check_flatbuffer(path):
            raise ValueError("The file has no checksum. Write it with rankkit.export.to_tflite.")
        self._lock = threading.Lock()
        # The runner does not keep the interpreter alive.
        # A mapped file must not change.
        self._interpreter = Interpreter(model_content=path.read_bytes())
        self._run = self._interpreter.get_signature_runner(PREDICT)
        self.signatures = {
            PREDICT: Signature(
                {n: _of_details(each) for n, each in self._run.get_input_details().items()},
                {n: _of_details(each) for n, each in self._run.get_output_details().items()},
            )
        }
        described = unzip_description(path).get(self.signatures[PREDICT].score, {})
        self._finite: dict[str, bool] = described.get("finite", {})  # to whether NaN is allowed
        self.compares_rows: bool = described.get("compares_rows", False)
        self._in_seconds: dict[str, bool] = described.get("in_seconds", {})
        self._aligned: list[list[str]] = described.get("aligned", [])
        self._examples: dict[str, list] = described.get("examples", {})
        self.query: list[str] | None = described.get("query")

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: list[str]
    ) -> dict[str, np.ndarray]:
        """Runs the signature; returns the outputs of these names."""
        self._check(inputs)
        try:
            with self._lock:  # the interpreter holds the inputs and outputs of one call
                results = self._run(**inputs)
        except (RuntimeError, ValueError) as error:
            shapes = {name: array.shape for name, array in inputs.items()}
            reason = str(error).splitlines()[0].rstrip(". ")
            raise RequestError(
                f"TensorFlow Lite cannot score inputs of the shapes {shapes}: {reason}.", 500
            ) from None
        return {name: results[name] for name in outputs}

    def _check(self, inputs: Mapping[str, np.ndarray]) -> None:
        """Checks what layers check in a graph, and TensorFlow Lite leaves out."""
        start = "The model does not accept these values. Feature"
        for name, may_be_nan in self._finite.items():
            values = inputs[name]
            if not (np.isfinite(values) | (np.isnan(values) & may_be_nan)).all():
                raise RequestError(f"{start} {name!r} must be finite.")
        for name, in_seconds in self._in_seconds.items():
            is_small = np.abs(inputs[name]) < SECONDS_LIMIT
            if not (is_small == in_seconds).all():
                unit = "seconds since 1970" if in_seconds else "the unit of the references"
                raise RequestError(f"{start} {name!r} must be in {unit}.")
        if error := misaligned(self._aligned, inputs):
            raise RequestError(f"The model does not accept these values. {error}")

    def sample(self) -> dict[str, np.ndarray]:
        """Returns a few rows of features; a file of an older version has none."""
        inputs = self.signatures[PREDICT].inputs
        return {name: _from_json(values, inputs[name]) for name, values in self._examples.items()}


def _from_json(values: list, tensor: Tensor) -> np.ndarray:
    array = np.array(values, tensor.dtype)
    if tensor.dtype.kind != "O":
        return array
    return np.vectorize(lambda text: text.encode(errors="surrogateescape"), otypes=[object])(array)


def query_features(runtime: SavedModelRuntime | TFLiteRuntime) -> list[str] | None:
    """Returns the features of the query; `None` if the export does not tell."""
    if isinstance(runtime, TFLiteRuntime):
        return runtime.query
    indexed = runtime.signatures.get(RANK_INDEXED)
    return indexed and [name for name in indexed.inputs if name != "k"]


def _of_details(details: Mapping[str, Any]) -> Tensor:
    shape = tuple(None if size < 0 else int(size) for size in details["shape_signature"])
    dtype = details["dtype"]
    return Tensor(np.dtype(object if dtype is np.bytes_ else dtype), (None, *shape[1:]))
