"""The OpenAPI description of the server."""

from typing import Any

from rankkit.serving.kserve import datatype
from rankkit.serving.pages import explorer_data
from rankkit.serving.runtime import PREDICT, RANK_INDEXED, Tensor
from rankkit.serving.tensors import to_json_values
from rankkit.serving.versions import ModelVersions
from rankkit.serving.warmup import one_row

_ERROR = {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
_ERRORS = {
    "400": "The request is not valid.",
    "404": "There is no such model or version.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large, or there are too many candidates.",
    "415": "The body is compressed.",
    "500": "The model failed.",
    "503": "The server is busy. Try again later.",
}


def describe(name: str, versions: ModelVersions, library_version: str) -> dict[str, Any]:
    """Returns an OpenAPI document with examples for the newest version."""
    newest = versions.newest
    assert newest is not None
    inputs = newest.runtime.signatures[PREDICT].inputs
    row = {each: to_json_values(array)[0] for each, array in one_row(newest.runtime).items()}
    features = explorer_data(name, versions)["versions"][0]["features"]
    query = {each["name"]: row[each["name"]] for each in features if each["side"] == "query"}
    candidates = {each: [value] for each, value in row.items() if each not in query}
    ranked: dict[str, Any] = {"query": query, "candidates": candidates, "k": 10}
    if RANK_INDEXED in newest.runtime.signatures:
        del ranked["candidates"]
    tensors = [
        {
            "name": each,
            "shape": _shape(value),
            "datatype": datatype(inputs[each]),
            "data": _flat(value),
        }
        for each, value in row.items()
    ]
    model = f"/v1/models/{name}"
    paths = {
        "/rank": _post(
            "Ranks the candidates of one query, best first.",
            {
                "query": _object("Feature name to the value of the query."),
                "candidates": _object(
                    "Column name to values, one per candidate. Defaults to the candidates of the "
                    "export."
                ),
                "k": {"type": "integer", "minimum": 1, "default": 10},
                "exclude": {
                    "type": ["object", "array"],
                    "description": "Column name to values to leave out, or a list for one column.",
                },
                "version": {"type": "integer", "description": "Defaults to the newest."},
            },
            ranked,
        ),
        f"{model}:predict": _post(
            "Scores rows, as TensorFlow Serving does.",
            {
                "signature_name": {"type": "string", "default": PREDICT},
                "instances": {"type": "array", "items": _features(inputs)},
                "inputs": _object("Column name to values, in place of `instances`."),
            },
            {"instances": [row]},
        ),
        model: _get("The state of each version."),
        f"{model}/metadata": _get("The signatures of the newest version."),
        f"/v2/models/{name}/infer": _post(
            "Scores rows, in KServe's protocol; binary tensors are supported.",
            {
                "id": {"type": "string"},
                "parameters": {"type": "object", "description": "`signature_name` and others."},
                "inputs": {"type": "array", "items": {"type": "object"}},
                "outputs": {"type": "array", "items": {"type": "object"}},
            },
            {"inputs": tensors},
        ),
        f"/v2/models/{name}": _get("Inputs and outputs of the newest version."),
        f"/v2/models/{name}/ready": _get("Whether the model is loaded."),
        "/v2": _get("Name and version of the server."),
        "/v2/health/live": _get("Whether the server runs."),
        "/v2/health/ready": _get("Whether a version is loaded."),
        "/metrics": _get("Metrics in Prometheus's text format."),
    }
    info = {"title": f"Model {name!r}", "version": library_version}
    return {"openapi": "3.1.0", "info": info, "paths": paths}


def _object(description: str) -> dict[str, Any]:
    return {"type": "object", "description": description}


def _features(inputs: dict[str, Tensor]) -> dict[str, Any]:
    types = {"O": "string", "b": "boolean", "i": "integer", "u": "integer", "f": "number"}
    properties = {}
    for name, tensor in inputs.items():
        schema: dict[str, Any] = {"type": types[tensor.dtype.kind]}
        properties[name] = {"type": "array", "items": schema} if len(tensor.shape) > 1 else schema
    return {"type": "object", "properties": properties, "required": list(inputs)}


def _shape(value: Any) -> list[int]:
    return [1, len(value)] if isinstance(value, list) else [1]


def _flat(value: Any) -> list:
    return value if isinstance(value, list) else [value]


def _get(summary: str) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": {"200": {"description": "OK"}}}}


def _post(summary: str, properties: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    error = {"application/json": {"schema": _ERROR}}
    responses: dict[str, Any] = {"200": {"description": "OK"}}
    responses |= {
        status: {"description": text, "content": error} for status, text in _ERRORS.items()
    }
    content = {"application/json": {"schema": schema, "example": example}}
    body = {"required": True, "content": content}
    return {"post": {"summary": summary, "requestBody": body, "responses": responses}}
