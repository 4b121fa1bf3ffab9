"""KServe's inference protocol, version 2, under `/v2`, with its extension for binary tensors.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rankkit.serving.errors import RequestError
from rankkit.serving.runtime import PREDICT, Tensor
from rankkit.serving.tensors import (
    check_fields,
    check_numbers,
    parse_json,
    show,
    to_array,
    to_json_values,
    without_nulls,
)
from rankkit.serving.versions import Version
from rankkit.utils.errors import unknown

LENGTH_HEADER = "Inference-Header-Content-Length"
_DATATYPES = {
    "BOOL": np.dtype(bool),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype(np.uint16),
    "UINT32": np.dtype(np.uint32),
    "UINT64": np.dtype(np.uint64),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype(np.int16),
    "INT32": np.dtype(np.int32),
    "INT64": np.dtype(np.int64),
    "FP16": np.dtype(np.float16),
    "FP32": np.dtype(np.float32),
    "FP64": np.dtype(np.float64),
    "BYTES": np.dtype(object),
}
_NAMES = {dtype: name for name, dtype in _DATATYPES.items()}


def datatype(tensor: Tensor) -> str:
    """Returns the protocol's name of the type of a tensor."""
    return _NAMES[tensor.dtype]


def metadata(name: str, version: Version, loaded: list[int]) -> dict[str, Any]:
    """Returns the body of a model's metadata: the inputs and outputs of `serving_default`."""
    signature = version.runtime.signatures[PREDICT]
    return {
        "name": name,
        "versions": [str(number) for number in loaded],
        "platform": version.platform,
        "inputs": [_tensor_metadata(each, tensor) for each, tensor in signature.inputs.items()],
        "outputs": [_tensor_metadata(each, tensor) for each, tensor in signature.outputs.items()],
    }


def _tensor_metadata(name: str, tensor: Tensor) -> dict[str, Any]:
    shape = [-1 if size is None else size for size in tensor.shape]
    return {"name": name, "datatype": _NAMES[tensor.dtype], "shape": shape}


def infer(
    name: str,
    version: Version,
    body: bytes,
    header_length: str | None,
    run: Callable[[Version, str, dict[str, np.ndarray]], dict[str, np.ndarray]],
) -> tuple[bytes, int | None]:
    """Answers an inference request.

    The parameter `signature_name` of the request chooses another signature than `serving_default`.

    Args:
        name: Name of the model.
        version: The version that answers.
        body: Body of the request: JSON, and after it the binary tensors, if there are any.
        header_length: Bytes of the JSON, from the header `Inference-Header-Content-Length`; `None`
            if the whole body is JSON.
        run: Runs a signature of a version.

    Returns:
        Body of the response, and the bytes of its JSON if binary tensors follow.

    Raises:
        RequestError: If the request is not valid.
    """
    length = len(body) if header_length is None else _parse_length(header_length, len(body))
    request = parse_json(body[:length])
    check_fields(request, ("id", "parameters", "inputs", "outputs"))
    parameters = _object("parameters", request.get("parameters", {}))
    signature_name = parameters.get("signature_name", PREDICT)
    signatures = version.runtime.signatures
    if not isinstance(signature_name, str) or signature_name not in signatures:
        raise RequestError(str(unknown("signature_name", signature_name, signatures)))
    signature = signatures[signature_name]
    inputs = _parse_inputs(request.get("inputs"), signature.inputs, body[length:])
    wanted = _parse_outputs(request.get("outputs"), signature.outputs, parameters)
    results = run(version, signature_name, inputs)
    outputs, tensors = [], []
    for each, is_binary in wanted.items():
        array = results[each]
        output = {"name": each, "datatype": _NAMES[array.dtype], "shape": list(array.shape)}
        if is_binary:
            data = _to_bytes(array)
            output["parameters"] = {"binary_data_size": len(data)}
            tensors.append(data)
        else:
            output["data"] = _to_json_data(array)
        outputs.append(output)
    response = {"model_name": name, "model_version": str(version.number), "outputs": outputs}
    if not isinstance(request.get("id", ""), str):
        raise RequestError(f"'id' must be a string. Got: {show(request['id'])}.")
    if "id" in request:
        response["id"] = request["id"]
    header = json.dumps(response, allow_nan=False).encode()
    return b"".join([header, *tensors]), len(header) if tensors else None


def _parse_length(header: str, limit: int) -> int:
    is_number = header.isascii() and header.isdecimal() and len(header) < 20
    if not (is_number and int(header) <= limit):
        raise RequestError(
            f"{LENGTH_HEADER} must be a number of bytes up to the length of the body, {limit}. "
            f"Got: {show(header)}."
        )
    return int(header)


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RequestError(f"{name!r} must be an object. Got: {show(value)}.")
    return without_nulls(value)


def _parse_inputs(inputs: Any, known: Mapping[str, Tensor], binary: bytes) -> dict[str, np.ndarray]:
    """Returns the input tensors of a request by name."""
    if not isinstance(inputs, list):
        raise RequestError("'inputs' must be a list of tensors.")
    arrays: dict[str, np.ndarray] = {}
    for each in inputs:
        each = _object("inputs", each)
        check_fields(each, ("name", "shape", "datatype", "parameters", "data"))
        name = each.get("name")
        if not isinstance(name, str) or name not in known or name in arrays:
            raise RequestError(
                f"Each input must be one of {', '.join(known)}, each once. Got: {show(name)}."
            )
        shape = _parse_shape(name, each.get("shape"), known[name])
        datatype = each.get("datatype")
        if not isinstance(datatype, str) or datatype not in _DATATYPES:
            raise RequestError(f"{name!r} has an unknown datatype: {show(datatype)}.")
        if datatype != _NAMES[known[name].dtype]:
            raise RequestError(
                f"{name!r} must have the datatype {_NAMES[known[name].dtype]}. Got: {datatype!r}."
            )
        size = _object("parameters", each.get("parameters", {})).get("binary_data_size")
        if size is None:
            arrays[name] = _from_json(name, each.get("data"), shape, known[name])
            continue
        if type(size) is not int or not 0 <= size <= len(binary):
            raise RequestError(f"{name!r} has a binary_data_size beyond the body: {size!r}.")
        arrays[name] = _from_bytes(name, binary[:size], shape, known[name].dtype)
        binary = binary[size:]
    missing = [name for name in known if name not in arrays]
    if missing:
        hint = " A list without values has the shape [rows, 0]." if known[missing[0]].hint else ""
        raise RequestError(f"Missing inputs: {', '.join(missing)}.{hint}")
    if binary:
        raise RequestError(f"{len(binary)} bytes follow the last binary tensor.")
    return arrays


def _parse_shape(name: str, shape: Any, tensor: Tensor) -> tuple[int, ...]:
    sizes = shape if isinstance(shape, list) else []
    is_list = isinstance(shape, list) and len(sizes) < 8
    if not is_list or not all(type(size) is int and 0 <= size < 2**31 for size in sizes):
        shown = f"[{', '.join(map(show, sizes[:8]))}]" if sizes else show(shape)
        raise RequestError(
            f"{name!r} must have a shape, a list of at most 7 sizes of at least 0. Got: {shown}."
        )
    # Clients send a scalar as a tensor of one value.
    if tensor.shape == () and shape == [1]:
        return ()
    fits = len(shape) == len(tensor.shape) and all(
        expected in (None, size) for size, expected in zip(shape, tensor.shape, strict=True)
    )
    if not fits:
        expected = [-1 if size is None else size for size in tensor.shape]
        raise RequestError(f"{name!r} must have the shape {expected}. Got: {shape}.")
    return tuple(shape)


def _from_json(name: str, data: Any, shape: tuple[int, ...], tensor: Tensor) -> np.ndarray:
    """Converts the values of a tensor, nested by its axes or flat."""
    if not isinstance(data, list):
        raise RequestError(f"{name!r} must have 'data', a list of values, or binary data.")
    sizes = list(shape)
    while data and isinstance(data[0], list) and sizes:
        size = sizes[1] if len(sizes) > 1 else -1
        fits = len(data) == sizes[0] and all(isinstance(e, list) and len(e) == size for e in data)
        if not fits:
            raise RequestError(f"The 'data' of {name!r} must be nested by its axes, or flat.")
        data = [value for row in data for value in row]
        sizes = [sizes[0] * size, *sizes[2:]]
    _check_size(name, len(data), shape)
    return to_array(name, data, Tensor(tensor.dtype, (None,))).reshape(shape)


def _check_size(name: str, count: int, shape: tuple[int, ...]) -> None:
    if count != math.prod(shape):
        raise RequestError(
            f"{name!r} must have the values of its shape {list(shape)}. Got: {count}."
        )


def _from_bytes(name: str, data: bytes, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Reads a binary tensor: little-endian values, or strings with their lengths before them."""
    if dtype.kind != "O":
        if len(data) % dtype.itemsize:
            raise RequestError(f"{name!r} has {len(data)} bytes, no multiple of {dtype.itemsize}.")
        array = np.frombuffer(data, dtype.newbyteorder("<"))
        _check_size(name, len(array), shape)
        check_numbers(name, array)
        return array.astype(dtype).reshape(shape)
    values, start = [], 0
    while start < len(data):
        if len(data) < start + 4:
            raise RequestError(f"{name!r} ends within the length of a string.")
        stop = start + 4 + struct.unpack_from("<I", data, start)[0]
        if stop > len(data):
            raise RequestError(f"{name!r} ends within a string.")
        values.append(data[start + 4 : stop])
        start = stop
    _check_size(name, len(values), shape)
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


def _parse_outputs(
    outputs: Any, known: Mapping[str, Tensor], parameters: Mapping[str, Any]
) -> dict[str, bool]:
    """Returns which outputs are wanted, and whether as binary tensors."""
    default = _flag("binary_data_output", parameters.get("binary_data_output", False))
    if outputs is None:
        return dict.fromkeys(known, default)
    if not isinstance(outputs, list):
        raise RequestError("'outputs' must be a list of tensors.")
    wanted: dict[str, bool] = {}
    for each in outputs:
        each = _object("outputs", each)
        check_fields(each, ("name", "parameters"))
        name = each.get("name")
        if not isinstance(name, str) or name not in known or name in wanted:
            raise RequestError(
                f"Each output must be one of {', '.join(known)}, each once. Got: {show(name)}."
            )
        own = _object("parameters", each.get("parameters", {}))
        wanted[name] = _flag("binary_data", own.get("binary_data", default))
    return wanted or dict.fromkeys(known, default)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"{name!r} must be true or false. Got: {show(value)}.")
    return value


def _to_bytes(array: np.ndarray) -> bytes:
    if array.dtype.kind != "O":
        return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
    return b"".join(struct.pack("<I", len(value)) + value for value in array.ravel())


def _to_json_data(array: np.ndarray) -> list:
    flat = array.ravel()
    if array.dtype.kind != "O":
        return to_json_values(flat)
    try:
        return [value.decode() for value in flat]
    except UnicodeDecodeError:
        raise RequestError("An output is not UTF-8: ask for it as binary data.") from None
