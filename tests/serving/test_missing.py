"""Missing numbers in requests, in the sample of an export, and in its candidates."""

import json

import numpy as np
import pytest
from starlette.testclient import TestClient

import rankkit as rk
from rankkit.serving import create_app

PREDICT, INFER = "/v1/models/ranker:predict", "/v2/models/ranker/infer"
ROWS = {"user_id": ["7", "42"], "item": ["a", "b"], "year": [None, 1990.0], "size": [1.0, 2.0]}


@pytest.fixture(scope="module")
def network():
    """A network that learns a value for a missing year, but not for a missing size."""
    number = rk.layers.NormalizedNumber.from_column
    features = {
        "user_id": rk.layers.IdEmbedding(["7", "42"], 4),
        "item": rk.layers.IdEmbedding(["a", "b", "c"], 4),
        "year": number(np.array([1930.0, np.nan, 1999.0]), missing="learn"),
        "size": number(np.array([1.0, 2.0])),
    }
    return rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))


@pytest.fixture(scope="module")
def scores(network):
    columns = {
        name: np.array(values, float) if name in ("year", "size") else np.array(values)
        for name, values in ROWS.items()
    }
    return np.asarray(network(columns)).ravel()


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("missing")
    index = {"item": ["a", "b"], "year": [np.nan, 1990.0], "size": [1.0, 2.0]}
    rk.export.save(
        network, folder / "1", sample=ROWS, candidates={**index, "weight": [np.inf, np.nan]}
    )
    rk.export.to_tflite(folder / "1", folder / "1.tflite")
    return folder


@pytest.fixture(scope="module", params=[".", "1.tflite"])
def client(request, folder):
    with TestClient(create_app(folder / request.param)) as client:
        yield client


def tensors(rows):
    """The columns as inputs of KServe's protocol."""
    kinds = {"user_id": "BYTES", "item": "BYTES", "year": "FP32", "size": "FP32"}
    return [
        {"name": name, "shape": [len(values)], "datatype": kinds[name], "data": values}
        for name, values in rows.items()
    ]


def test_null_is_missing_where_the_model_learned_it(client, post, scores):
    candidates = {name: ROWS[name][:1] for name in ("item", "year", "size")}
    body = {"query": {"user_id": "7"}, "candidates": candidates}
    status, answer = post(client, "/rank", body)
    assert status == 200, answer
    np.testing.assert_allclose(answer["ranking"][0]["score"], scores[0], rtol=1e-5)
    assert answer["ranking"][0]["candidate"]["year"] is None
    _, answer = post(client, PREDICT, {"inputs": ROWS})
    np.testing.assert_allclose(np.ravel(answer["outputs"]), scores, rtol=1e-5)
    _, answer = post(client, INFER, {"inputs": tensors(ROWS)})
    np.testing.assert_allclose(answer["outputs"][0]["data"], scores, rtol=1e-5)


def test_nan_of_a_binary_tensor_is_missing(client, scores):
    year = {"name": "year", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    inputs = [each for each in tensors(ROWS) if each["name"] != "year"]
    header = json.dumps({"inputs": [*inputs, year]}).encode()
    for values, status in (([np.nan, 1990.0], 200), ([np.inf, 1990.0], 400)):
        content = header + np.array(values, "<f4").tobytes()
        length = {"Inference-Header-Content-Length": str(len(header))}
        response = client.post(INFER, content=content, headers=length)
        assert response.status_code == status, response.text
        if status == 200:
            data = response.json()["outputs"][0]["data"]
            np.testing.assert_allclose(data, scores, rtol=1e-5)
        else:
            assert "'year' must be finite" in response.json()["error"]


@pytest.mark.parametrize(("name", "words"), [("size", "NaN in: "), ("item", "a string. Got: null")])
def test_null_is_refused_where_the_model_did_not_learn_it(client, post, name, words):
    rows = {**ROWS, "year": [1980.0, 1990.0], name: [None, ROWS[name][1]]}
    candidates = {each: rows[each] for each in rows if each != "user_id"}
    for path, body in (
        ("/rank", {"query": {"user_id": "7"}, "candidates": candidates}),
        (PREDICT, {"inputs": rows}),
        (INFER, {"inputs": tensors(rows)}),
    ):
        status, answer = post(client, path, body)
        assert status == 400, answer
        assert words in answer["error"]
        assert name in answer["error"]


def test_pages_show_missing_numbers_of_the_sample(client, post):
    description = client.get("/openapi.json").json()
    body = description["paths"][PREDICT]["post"]["requestBody"]["content"]["application/json"]
    assert post(client, PREDICT, body["example"])[0] == 200
    assert client.get("/explorer.json").status_code == 200


def test_columns_of_the_index_that_are_not_finite_become_null(folder, post):
    inputs = {"user_id": ["7"], "k": 2}
    with TestClient(create_app(folder)) as client:
        body = {"signature_name": "rank_indexed", "inputs": inputs}
        status, answer = post(client, PREDICT, body)
        assert status == 200, answer
        assert answer["outputs"]["weight"] == [None, None]
        k = {"name": "k", "shape": [1], "datatype": "INT32", "data": [2]}
        body = {
            "parameters": {"signature_name": "rank_indexed"},
            "inputs": [*tensors({"user_id": ["7"]}), k],
        }
        status, answer = post(client, INFER, body)
        assert status == 200, answer
        (weight,) = [each for each in answer["outputs"] if each["name"] == "weight"]
        assert weight["data"] == [None, None]


def test_score_that_is_not_finite_is_an_error(folder, post, monkeypatch):
    rows = {**ROWS, "year": [1980.0, 1990.0]}
    index = {"signature_name": "rank_indexed", "inputs": {"user_id": ["7"], "k": 2}}
    app = create_app(folder)
    with TestClient(app) as client:
        runtime = app.state.service.versions.newest.runtime
        run = runtime.run

        def diverged(*arguments):
            outputs = run(*arguments)
            return {**outputs, "rating": np.full_like(outputs["rating"], np.nan)}

        monkeypatch.setattr(runtime, "run", diverged)
        for path, body in (
            ("/rank", {"query": {"user_id": "7"}}),
            (PREDICT, {"inputs": rows}),
            (PREDICT, index),
            (INFER, {"inputs": tensors(rows)}),
        ):
            status, answer = post(client, path, body)
            assert status == 500
            assert answer["error"] == "The output 'rating' of the model is not finite."


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """A model with finite scores for NaN and milliseconds, if these are not refused."""
    features = {
        "price": rk.layers.BucketEmbedding([1.5], 2),
        "when": rk.layers.CalendarEmbedding("hour_of_day", 2),
    }
    folder = tmp_path_factory.mktemp("checked")
    sample = {"price": [1.0, 2.0], "when": [1_700_000_000, 1_700_009_000]}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([4]))
    rk.export.save(network, folder / "1", sample=sample)
    rk.export.to_tflite(folder / "1", folder / "m.tflite")
    return folder


@pytest.mark.parametrize("file", [".", "m.tflite"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, None),
        ({"price": [None]}, "must be finite"),
        ({"when": [1_700_000_000_000]}, "must be in seconds since 1970"),
    ],
)
def test_values_that_layers_refuse_are_refused(checked, post, file, change, words):
    with TestClient(create_app(checked / file)) as client:
        body = {"inputs": {"price": [1.0], "when": [1_700_000_000], **change}}
        status, answer = post(client, PREDICT, body)
    assert status == (200 if words is None else 400), answer
    assert words is None or words in answer["error"]
