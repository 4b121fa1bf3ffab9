"""Requests with the history of a user, a list of any length."""

import re

import numpy as np
import pytest
from starlette.testclient import TestClient

import rankkit as rk
from rankkit.serving import create_app

PREDICT, INFER = "/v1/models/ranker:predict", "/v2/models/ranker/infer"
ITEMS = ["a", "b", "c", "z"]
HISTORY = {"history_item_id": ["c", "a", "z", "b", "a"], "history_gap": [9, 7, 5, 2, 1]}
EMPTY = {"history_item_id": [], "history_gap": []}


@pytest.fixture(scope="module")
def network():
    features = {
        "history_gap": rk.layers.BucketEmbedding([3, 8], 4),
        "item_id": rk.layers.IdEmbedding([*"abc"], 4),
    }
    arguments = {"event_features": ["history_gap"], "max_length": 3, "hidden_units": [8]}
    return rk.models.din(features, **arguments)


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("histories")
    rk.export.save(network, folder / "1", candidates={"item_id": ITEMS})
    rk.export.to_tflite(folder / "1", folder / "1.tflite")
    return folder


@pytest.fixture(scope="module", params=[".", "1.tflite"])
def client(request, folder):
    with TestClient(create_app(folder / request.param, name="ranker")) as client:
        yield client


@pytest.mark.parametrize("query", [HISTORY, EMPTY], ids=["long", "empty"])
def test_histories_are_scored_as_by_the_library(client, network, query, folder):
    expected = dict(rk.rank(network, query, {"item_id": ITEMS}))
    request = {"query": query, "candidates": {"item_id": ITEMS}}
    for fields in (request, {"query": query}):  # the second with the candidates of the export
        answer = client.post("/rank", json=fields).json()
        if "ranking" not in answer:
            assert "Only a SavedModel can have candidates of its own" in answer["error"]
            continue
        found = {each["candidate"]["item_id"]: each["score"] for each in answer["ranking"]}
        assert found == pytest.approx(expected, abs=1e-6)
    rows = [{**each, "item_id": "b"} for each in (query, EMPTY)]
    scores = [dict(rk.rank(network, each, {"item_id": ["b"]}))["b"] for each in (query, EMPTY)]
    answer = client.post(PREDICT, json={"instances": rows}).json()
    np.testing.assert_allclose(np.ravel(answer["predictions"]), scores, atol=1e-6)
    kinds = {"history_item_id": "BYTES", "history_gap": "INT64"}
    inputs = [
        {"name": name, "datatype": kinds[name], "shape": [1, len(values)], "data": values}
        for name, values in query.items()
    ]
    inputs.append({"name": "item_id", "datatype": "BYTES", "shape": [1], "data": ["b"]})
    answer = client.post(INFER, json={"inputs": inputs}).json()
    np.testing.assert_allclose(answer["outputs"][0]["data"], scores[:1], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"history_item_id": None}, "'history_item_id' must be a list.*Got: null. Pass \\[\\] if"),
        ({"history_item_id": "a"}, "'history_item_id' must be a list with a list per row"),
        ({"history_item_id": ["a", None, *"abc"]}, "Each value of 'history_item_id' must be a str"),
        ({"history_gap": [1]}, "does not accept.*must have one value for each item of the history"),
        ({"history_gap": [1, 2, 3, 4, -1]}, "must have one value for each item of the history"),
    ],
)
def test_lists_that_are_no_history_are_refused(client, change, message):
    query = {**HISTORY, **change}
    answers = [
        client.post("/rank", json={"query": query, "candidates": {"item_id": ITEMS}}),
        client.post(PREDICT, json={"instances": [{**query, "item_id": "a"}]}),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert re.search(message, answer.json()["error"])


def test_example_rows_of_the_explorer_are_requests(client):
    [version] = client.get("/explorer.json").json()["versions"]
    features = {feature["name"]: feature for feature in version["features"]}
    assert features["history_gap"]["is_list"]
    assert features["history_gap"]["side"] == "query"
    texts = [features[name]["examples"] for name in HISTORY]
    lengths = set()
    for items, gaps in zip(*texts, strict=True):
        query = {"history_item_id": items.split(", ") if items else [], "history_gap": []}
        query["history_gap"] = [int(gap) for gap in gaps.split(", ") if gap]
        lengths.add(len(query["history_gap"]))
        request = {"query": query, "candidates": {"item_id": ITEMS}}
        assert client.post("/rank", json=request).status_code == 200
    assert len(lengths) > 1


def test_missing_history_is_named_with_what_to_pass(client):
    query = {"history_gap": [1]}
    request = {"query": query, "candidates": {"item_id": ITEMS}}
    text = client.post("/rank", json=request).json()["error"]
    assert "'history_item_id' is missing" in text
    assert "Pass [] if it is empty." in text
    request = {"instances": [{**query, "item_id": "a"}]}
    text = client.post(PREDICT, json=request).json()["error"]
    assert "missing history_item_id. Pass [] if it is empty." in text
    item = {"name": "item_id", "datatype": "BYTES", "shape": [1], "data": ["b"]}
    text = client.post(INFER, json={"inputs": [item]}).json()["error"]
    assert "Missing inputs: " in text
    assert "has the shape [rows, 0]" in text
