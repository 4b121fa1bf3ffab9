"""First calls of a loaded version, which are slower than later ones."""

from typing import Any

import numpy as np

from rankkit.serving.runtime import PREDICT, Tensor


def warm_up(runtime: Any) -> None:
    """Calls each signature with one row, and again, as TensorFlow optimizes after a first call."""
    row = one_row(runtime)
    for name, signature in runtime.signatures.items():
        inputs = {each: row.get(each, np.int32(1)) for each in signature.inputs}  # or k
        for _ in range(2):
            runtime.run(name, inputs, list(signature.outputs))


def one_row(runtime: Any) -> dict[str, np.ndarray]:
    """Returns a row that the export was checked on, or one of empty strings and zeros."""
    sample = runtime.sample()
    inputs = runtime.signatures[PREDICT].inputs
    return {name: sample[name][:1] if name in sample else _zero(inputs[name]) for name in inputs}


def _zero(tensor: Tensor) -> np.ndarray:
    sizes = [1 if size is None else size for size in tensor.shape]
    return np.full(sizes, b"" if tensor.dtype.kind == "O" else 0, tensor.dtype)
