"""KServe's protocol, version 2."""

import json
import struct

import numpy as np
import pytest

INFER = "/v2/models/ranker/infer"
USER = {"name": "user_id", "shape": [2], "datatype": "BYTES", "data": ["42", "7"]}
TITLE = {"name": "movie_title", "shape": [2], "datatype": "BYTES", "data": ["a", "é"]}


@pytest.fixture(scope="module")
def scores(networks):
    """Scores of the rows by the network."""
    columns = {"user_id": np.array(["42", "7"]), "movie_title": np.array(["a", "é"])}
    return np.asarray(networks["ids"](columns)).ravel()


def test_server_and_model_describe_themselves(client):
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/ranker/ready"):
        assert client.get(path).status_code == 200
    for path in ("/v2/models/ranker", "/v2/models/ranker/versions/1"):
        model = client.get(path).json()
        assert model["versions"] == ["1"]
        assert model["platform"] in ("tensorflow_savedmodel", "tflite")
        assert {"name": "user_id", "datatype": "BYTES", "shape": [-1]} in model["inputs"]
        assert model["outputs"] == [{"name": "rating", "datatype": "FP32", "shape": [-1, 1]}]
    for path in ("/v2/models/other", "/v2/models/other/ready", "/v2/models/ranker/versions/2"):
        response = client.get(path)
        assert response.status_code == 404
        assert "Servable not found" in response.json()["error"]


@pytest.mark.parametrize("path", [INFER, "/v2/models/ranker/versions/1/infer"])
def test_values_in_json(client, post, scores, path):
    body = {"id": "one", "inputs": [TITLE, USER], "outputs": [{"name": "rating"}]}
    status, answer = post(client, path, body)
    assert status == 200, answer
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("ranker", "1", "one")
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("rating", "FP32", [2, 1])
    np.testing.assert_allclose(output["data"], scores, atol=1e-6)


def test_null_fields_are_absent(client, post):
    absent = {"id": None, "parameters": None, "outputs": None}
    tensors = [{**each, "parameters": None} for each in (USER, TITLE)]
    output = {"name": "rating", "parameters": {"binary_data": None}}
    parameters = {"signature_name": None, "binary_data_output": None}
    expected = post(client, INFER, {"inputs": [USER, TITLE]})
    assert expected[0] == 200
    assert "id" not in expected[1]
    for fields in (absent, {"outputs": [output]}, {"parameters": parameters}):
        assert post(client, INFER, {"inputs": tensors, **fields}) == expected


def test_axes_may_be_nested(make_client, post):
    flat = {"name": "vector", "shape": [2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6]}
    others = [
        {"name": "user_id", "shape": [2], "datatype": "BYTES", "data": ["42", "7"]},
        {"name": "item", "shape": [2], "datatype": "INT64", "data": [5, 6]},
        {"name": "tags", "shape": [2, 1], "datatype": "BYTES", "data": [["x"], [""]]},
        {"name": "year", "shape": [2], "datatype": "FP32", "data": [1.5, 1999]},
    ]
    nested = {**flat, "data": [[1, 2, 3], [4, 5, 6]]}
    client = make_client("kinds")
    answers = [post(client, INFER, {"inputs": [*others, each]}) for each in (flat, nested)]
    assert answers[0][0] == 200, answers[0]
    assert answers[0] == answers[1]
    for wrong in ([[1, 2], [3, 4, 5, 6]], [[1, 4], [2, 5], [3, 6]]):
        status, answer = post(client, INFER, {"inputs": [*others, {**flat, "data": wrong}]})
        assert status == 400
        assert "nested by its axes" in answer["error"]


def text_bytes(*values):
    """Strings as a binary tensor."""
    encoded = [value.encode() for value in values]
    return b"".join(struct.pack("<I", len(each)) + each for each in encoded)


def test_binary_tensors(client, scores):
    data = [text_bytes(*tensor["data"]) for tensor in (USER, TITLE)]
    inputs = [
        {"name": name, "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": size}}
        for name, size in zip(("user_id", "movie_title"), map(len, data), strict=True)
    ]
    body = {"inputs": inputs, "outputs": [{"name": "rating", "parameters": {"binary_data": True}}]}
    header = json.dumps(body).encode()
    length = {"Inference-Header-Content-Length": str(len(header))}
    response = client.post(INFER, content=b"".join([header, *data]), headers=length)
    assert response.status_code == 200, response.content
    length = int(response.headers["Inference-Header-Content-Length"])
    (output,) = json.loads(response.content[:length])["outputs"]
    assert output["parameters"] == {"binary_data_size": 8}
    np.testing.assert_allclose(np.frombuffer(response.content[length:], "<f4"), scores, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "data", "words"),
    [
        ({}, text_bytes("42"), "values of its shape [2]. Got: 1"),
        ({}, text_bytes("42", "7")[:-1], "ends within a string"),
        ({}, text_bytes("42", "7") + b"\0", "ends within the length of a string"),
        ({"parameters": {"binary_data_size": 10**9}}, b"", "beyond the body"),
        ({"parameters": {"binary_data_size": -1}}, b"", "beyond the body"),
        ({"parameters": {"binary_data_size": 0}}, text_bytes("42"), "values of its shape"),
    ],
)
def test_damaged_binary_tensors_are_refused(client, changes, data, words):
    user = {"name": "user_id", "shape": [2], "datatype": "BYTES"}
    user = {**user, "parameters": {"binary_data_size": len(data)}, **changes}
    header = json.dumps({"inputs": [TITLE, user]}).encode()
    length = {"Inference-Header-Content-Length": str(len(header))}
    response = client.post(INFER, content=header + data, headers=length)
    assert response.status_code == 400
    assert words in response.json()["error"]


def test_length_of_the_json_is_checked(client):
    for length in ("x", "-1", "10000", "1.5", "9" * 5000):
        headers = {"Inference-Header-Content-Length": length}
        response = client.post(INFER, content=b"{}", headers=headers)
        assert response.status_code == 400
        assert "Inference-Header-Content-Length" in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "JSON object"),
        ({}, "'inputs' must be a list"),
        ({"inputs": [USER]}, "Missing inputs: movie_title"),
        ({"inputs": [USER, TITLE, USER]}, "each once"),
        ({"inputs": [USER, {**TITLE, "name": "title"}]}, "Got: 'title'"),
        ({"inputs": [USER, {**TITLE, "name": 3}]}, "Got: 3"),
        ({"inputs": [USER, "movie_title"]}, "must be an object"),
        ({"inputs": [USER, {**TITLE, "datatype": "FP32"}]}, "datatype BYTES. Got: 'FP32'"),
        ({"inputs": [USER, {**TITLE, "datatype": "TEXT"}]}, "unknown datatype: 'TEXT'"),
        ({"inputs": [USER, {**TITLE, "datatype": []}]}, "unknown datatype"),
        ({"inputs": [USER, {**TITLE, "shape": [3]}]}, "values of its shape [3]. Got: 2"),
        ({"inputs": [USER, {**TITLE, "shape": [2, 1]}]}, "must have the shape [-1]"),
        ({"inputs": [USER, {**TITLE, "shape": [-1]}]}, "sizes of at least 0. Got: [-1]."),
        (
            {"inputs": [USER, {**TITLE, "shape": None}]},
            "a list of at most 7 sizes of at least 0. Got: null.",
        ),
        ({"inputs": [USER, {**TITLE, "shape": [2**70]}]}, "a list of at most 7 sizes"),
        ({"inputs": [USER, {**TITLE, "data": [["a"], ["b"]]}]}, "nested by its axes"),
        ({"inputs": [USER, {**TITLE, "data": ["a", 3]}]}, "must be a string. Got: 3"),
        ({"inputs": [USER, {**TITLE, "data": None}]}, "must have 'data'"),
        ({"inputs": [USER, {**TITLE, "shape": [1], "data": ["a"]}]}, "equal lengths"),
        ({"inputs": [USER, TITLE], "outputs": [{"name": "click"}]}, "each once. Got: 'click'"),
        ({"inputs": [USER, TITLE], "outputs": {}}, "'outputs' must be a list"),
        ({"inputs": [USER, TITLE], "outputs": [{"name": []}]}, "each once. Got: a list"),
        ({"inputs": [USER, TITLE], "outputs": [{"name": "rating"}] * 2}, "each once"),
        ({"inputs": [USER, TITLE], "outputs": [{"name": "rating", "k": 1}]}, "Unknown field 'k'"),
        ({"inputs": [USER, TITLE], "id": 3}, "'id' must be a string"),
        (
            {"inputs": [USER, TITLE], "parameters": {"binary_data_output": "true"}},
            "'binary_data_output' must be true or false",
        ),
        ({"inputs": [USER, TITLE], "parameters": 1}, "must be an object"),
        (
            {"inputs": [USER, TITLE], "parameters": {"signature_name": "none"}},
            "Unknown signature_name 'none'",
        ),
    ],
)
def test_invalid_requests_are_refused(client, post, body, words):
    status, answer = post(client, INFER, body)
    assert status == 400, answer
    assert words in answer["error"]
