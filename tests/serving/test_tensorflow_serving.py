"""Requests as TensorFlow Serving documents them."""

import base64

import numpy as np
import pytest

ROWS = [{"user_id": "42", "movie_title": "a"}, {"user_id": "7", "movie_title": "new"}]
COLUMNS = {"user_id": ["42", "7"], "movie_title": ["a", "new"]}
PREDICT = "/v1/models/ranker:predict"


@pytest.fixture(scope="module")
def scores(networks):
    """Scores of the rows by the network."""
    return np.asarray(networks["ids"]({name: np.array(COLUMNS[name]) for name in COLUMNS})).tolist()


@pytest.mark.parametrize("path", [PREDICT, "/v1/models/ranker/versions/1:predict"])
@pytest.mark.parametrize("fields", [{}, {"signature_name": "serving_default"}])
def test_rows(client, post, scores, path, fields):
    status, answer = post(client, path, {"instances": ROWS, **fields})
    assert status == 200
    np.testing.assert_allclose(answer.pop("predictions"), scores, atol=1e-6)
    assert answer == {}


def test_columns(client, post, scores):
    status, answer = post(client, PREDICT, {"inputs": COLUMNS})
    assert status == 200
    np.testing.assert_allclose(answer.pop("outputs"), scores, atol=1e-6)
    assert answer == {}


def test_strings_may_be_base64(client, post, scores):
    encoded = {"b64": base64.b64encode(b"42").decode()}
    body = {"instances": [{"user_id": encoded, "movie_title": "a"}]}
    _, answer = post(client, PREDICT, body)
    np.testing.assert_allclose(answer["predictions"], scores[:1], atol=1e-6)


def test_signature_rank_has_columns_of_unequal_length(make_client, post):
    inputs = {"user_id": ["42"], "movie_title": ["a", "b", "c"], "k": 2}
    body = {"signature_name": "rank", "inputs": inputs}
    status, answer = post(make_client("ids"), PREDICT, body)
    assert status == 200
    outputs = answer["outputs"]
    assert {len(values) for values in outputs.values()} == {2}
    assert [inputs["movie_title"][i] for i in outputs["index"]] == outputs["movie_title"]


def test_model_of_one_input_takes_values_without_its_name(post, tmp_path):
    from starlette.testclient import TestClient

    import rankkit as rk
    from rankkit.serving.app import create_app

    network = rk.ranking_network(
        {"item": rk.layers.IdEmbedding(["a", "b"], 4)}, head=rk.layers.DenseRatingHead()
    )
    rk.export.save(network, tmp_path / "1")
    with TestClient(create_app(tmp_path)) as client:
        _, named = post(client, PREDICT, {"instances": [{"item": "a"}, {"item": "b"}]})
        _, rows = post(client, PREDICT, {"instances": ["a", "b"]})
        _, columns = post(client, PREDICT, {"inputs": ["a", "b"]})
    assert rows == named
    assert columns == {"outputs": named["predictions"]}


def test_status(client):
    available = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    for path in ("/v1/models/ranker", "/v1/models/ranker/versions/1"):
        response = client.get(path)
        assert response.status_code == 200
        assert response.json() == {"model_version_status": [available]}


def test_metadata(client):
    answer = client.get("/v1/models/ranker/metadata").json()
    assert answer["model_spec"] == {"name": "ranker", "signature_name": "", "version": "1"}
    signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert set(signature["inputs"]) == {"user_id", "movie_title"}
    assert signature["inputs"]["user_id"]["dtype"] == "DT_STRING"
    rating = signature["outputs"]["rating"]
    assert rating["dtype"] == "DT_FLOAT"
    assert [axis["size"] for axis in rating["tensor_shape"]["dim"]] == ["-1", "1"]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/v1/models/half:predict", 404, "Servable not found for request: Latest(half)"),
        (
            "/v1/models/ranker/versions/7:predict",
            404,
            "Servable not found for request: Specific(ranker, 7)",
        ),
        ("/v1/models/ranker:regress", 400, "'regress' is not supported"),
        ("/v1/models/ranker/labels/a:predict", 404, "Malformed request"),
        (f"/v1/models/ranker/versions/{'9' * 5000}:predict", 404, "Malformed request"),
        ("/rank/", 404, "Malformed request"),
        ("/v1/models/ranker", 405, "Method Not Allowed"),
    ],
)
def test_unknown_models_and_methods(client, post, path, status, error):
    got, answer = post(client, path, {"instances": ROWS})
    assert got == status
    assert set(answer) == {"error"}
    assert answer["error"].startswith(error)


@pytest.mark.parametrize("path", ["/v1/models/half", "/v1/models/ranker/versions/7"])
def test_status_of_an_unknown_model(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert "Could not find any versions of model" in response.json()["error"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"not json", "JSON object"),
        ({}, "either 'instances' or 'inputs'"),
        ({"instances": ROWS, "inputs": COLUMNS}, "either 'instances' or 'inputs'"),
        ({"instances": ROWS, "rows": 1}, "Unknown field 'rows'"),
        ({"instances": ROWS, "signature_name": "none"}, '"none" not found in signature def'),
        ({"instances": ROWS, "signature_name": 3}, '"3" not found in signature def'),
        ({"instances": ROWS, "signature_name": False}, '"False" not found in signature def'),
        ({"instances": []}, "at least one row"),
        ({"instances": {}}, "at least one row"),
        ({"instances": ["a"]}, "must be an object with the inputs"),
        ({"instances": [ROWS[0], {"user_id": "7"}]}, "the same inputs"),
        ({"instances": [{"user_id": "7"}]}, "missing movie_title"),
        ({"instances": [{**ROWS[0], "age": 3}]}, "unknown age"),
        ({"instances": [{**ROWS[0], "user_id": 42}]}, "'user_id' must be a string. Got: 42"),
        ({"instances": [{**ROWS[0], "user_id": {"b64": "?"}}]}, "base64"),
        ({"instances": [{**ROWS[0], "user_id": {"b64": "é"}}]}, "base64"),
        ({"instances": ROWS, "signature_name": "\ud800"}, "not found in signature def"),
        ({"instances": [{**ROWS[0], "user_id": None}]}, "must be a string"),
        ({"inputs": ["a"]}, "must be an object with the inputs"),
        ({"inputs": {**COLUMNS, "user_id": "42"}}, "a value per row"),
        ({"inputs": {**COLUMNS, "user_id": ["42"]}}, "equal lengths"),
    ],
)
def test_invalid_requests_are_refused(client, post, body, words):
    status, answer = post(client, PREDICT, body)
    assert status == 400, answer
    assert words in answer["error"]
