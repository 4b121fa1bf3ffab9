"""TensorFlow Serving's REST protocol under `/v1`.

https://www.tensorflow.org/tfx/serving/api_rest
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rankkit.serving.errors import RequestError
from rankkit.serving.runtime import PREDICT, Signature, Tensor
from rankkit.serving.tensors import check_fields, to_array, to_json_values
from rankkit.serving.versions import Version

_FIELDS = ("signature_name", "instances", "inputs")
_DTYPES = {"b": "DT_BOOL", "O": "DT_STRING"}


def predict(
    version: Version,
    request: Mapping[str, Any],
    run: Callable[[Version, str, dict[str, np.ndarray]], dict[str, np.ndarray]],
) -> dict[str, Any]:
    """Answers `:predict`, with rows (`instances`) or columns (`inputs`).

    Args:
        version: The version that answers.
        request: The parsed body.
        run: Runs a signature of a version.

    Raises:
        RequestError: If the request is not valid.
    """
    check_fields(request, _FIELDS)
    name = request.get("signature_name", "")
    name = PREDICT if name == "" else name
    signature = version.runtime.signatures.get(name) if isinstance(name, str) else None
    if signature is None:
        raise RequestError(f'Serving signature name: "{name}" not found in signature def')
    if ("instances" in request) == ("inputs" in request):
        raise RequestError("The request must have either 'instances' or 'inputs'.")
    is_rows = "instances" in request
    columns = (_rows if is_rows else _columns)(
        signature, request["instances" if is_rows else "inputs"]
    )
    if set(columns) != set(signature.inputs):
        _refuse_names(columns, signature)
    inputs = {n: _to_input(n, columns[n], tensor) for n, tensor in signature.inputs.items()}
    outputs = {n: to_json_values(array) for n, array in run(version, name, inputs).items()}
    if not is_rows:
        return {"outputs": next(iter(outputs.values())) if len(outputs) == 1 else outputs}
    if len(outputs) == 1:
        return {"predictions": next(iter(outputs.values()))}
    names = list(outputs)
    rows = zip(*outputs.values(), strict=True)
    return {"predictions": [dict(zip(names, row, strict=True)) for row in rows]}


def _rows(signature: Signature, instances: Any) -> dict[str, list]:
    """Returns the columns of rows."""
    if not isinstance(instances, list) or not instances:
        raise RequestError("'instances' must be a list with at least one row.")
    is_named = [isinstance(row, dict) and list(row) != ["b64"] for row in instances]
    if not any(is_named):
        if len(signature.inputs) != 1:
            names = ", ".join(signature.inputs)
            raise RequestError(
                f"Each row of 'instances' must be an object with the inputs {names}."
            )
        return {next(iter(signature.inputs)): instances}
    names = list(instances[0]) if is_named[0] else []
    for row in instances:
        if not isinstance(row, dict) or row.keys() != set(names):
            raise RequestError("All rows of 'instances' must be objects with the same inputs.")
    return {name: [row[name] for row in instances] for name in names}


def _columns(signature: Signature, inputs: Any) -> dict[str, Any]:
    if isinstance(inputs, dict) and list(inputs) != ["b64"]:
        return inputs
    if len(signature.inputs) != 1:
        names = ", ".join(signature.inputs)
        raise RequestError(f"'inputs' must be an object with the inputs {names}.")
    return {next(iter(signature.inputs)): inputs}


def _refuse_names(columns: Mapping[str, Any], signature: Signature) -> None:
    missing = [name for name in signature.inputs if name not in columns]
    unknown = [name for name in columns if name not in signature.inputs]
    parts = [f"missing {', '.join(missing)}"] if missing else []
    parts += [f"unknown {', '.join(unknown)}"] if unknown else []
    known = ", ".join(signature.inputs)
    hint = signature.inputs[missing[0]].hint if missing else ""
    text = f"The signature has the inputs {known}. The request: {'; '.join(parts)}.{hint}"
    raise RequestError(text)


def _to_input(name: str, values: Any, tensor: Tensor) -> np.ndarray:
    if tensor.shape == ():  # k of `rank`
        return to_array(name, [values], Tensor(tensor.dtype, (None,)))[0]
    return to_array(name, values, tensor)


def status(states: Mapping[int, tuple[str, str]]) -> dict[str, Any]:
    """Returns the body of a model's status."""
    return {
        "model_version_status": [
            {
                "version": str(number),
                "state": state,
                "status": {
                    "error_code": "UNKNOWN" if error else "OK",
                    "error_message": error,
                },
            }
            for number, (state, error) in states.items()
        ]
    }


def metadata(name: str, version: Version) -> dict[str, Any]:
    """Returns the body of a version's metadata."""
    definitions = {
        each: {
            "inputs": {n: _tensor_info(n, tensor) for n, tensor in signature.inputs.items()},
            "outputs": {n: _tensor_info(n, tensor) for n, tensor in signature.outputs.items()},
            "method_name": "tensorflow/serving/predict",
        }
        for each, signature in version.runtime.signatures.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": {"signature_def": definitions}},
    }


def _tensor_info(name: str, tensor: Tensor) -> dict[str, Any]:
    sizes = [{"size": str(-1 if size is None else size), "name": ""} for size in tensor.shape]
    dtype = _DTYPES.get(tensor.dtype.kind, f"DT_{tensor.dtype.name.upper()}")
    dtype = {"DT_FLOAT32": "DT_FLOAT", "DT_FLOAT64": "DT_DOUBLE", "DT_FLOAT16": "DT_HALF"}.get(
        dtype, dtype
    )
    return {"dtype": dtype, "tensor_shape": {"dim": sizes, "unknown_rank": False}, "name": name}
