"""Exports that read documents with missing numbers, and score those of a request together."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

EXPORTS = pytest.mark.parametrize("export", ["documents", "documents.tflite"])


def make_requests(count=20):
    rng = np.random.default_rng(0)
    for _ in range(count):
        features = rng.normal(size=(rng.integers(1, 9), 2)).astype(np.float32)
        features[rng.random(features.shape) < 0.2] = np.nan
        yield features


def as_json(features):
    return [[None if np.isnan(cell) else float(cell) for cell in row] for row in features]


@EXPORTS
def test_concurrent_requests_do_not_mix(networks, make_client, export):
    client = make_client(export)

    def predict(features):
        body = {"inputs": {"user_id": ["7"] * len(features), "features": as_json(features)}}
        response = client.post("/v1/models/ranker:predict", json=body)
        assert response.status_code == 200, response.text
        return np.ravel(response.json()["outputs"])

    requests = list(make_requests())
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(predict, requests))
    for features, scores in zip(requests, found, strict=True):
        columns = {"user_id": np.array(["7"] * len(features)), "features": features}
        expected = networks["documents"](columns)[:, 0]
        np.testing.assert_allclose(scores, expected, atol=1e-5)


@EXPORTS
def test_documents_are_ranked(networks, make_client, export):
    for features in make_requests(3):
        candidates = {"features": as_json(features), "id": list(range(len(features)))}
        body = {"query": {"user_id": "42"}, "candidates": candidates, "k": 3}
        response = make_client(export).post("/rank", json=body)
        assert response.status_code == 200, response.text
        columns = {"user_id": np.array(["42"] * len(features)), "features": features}
        scores = networks["documents"](columns).numpy()[:, 0]
        best = np.argsort(-scores)[:3]
        ranking = response.json()["ranking"]
        assert [each["candidate"]["id"] for each in ranking] == best.tolist()
        np.testing.assert_allclose([each["score"] for each in ranking], scores[best], atol=1e-5)


@EXPORTS
def test_blocks_of_another_width_are_named(make_client, export):
    body = {"query": {"user_id": "7"}, "candidates": {"features": [[1.0, 2.0, 3.0]]}}
    response = make_client(export).post("/rank", json=body)
    assert response.status_code == 400
    assert "'features'" in response.json()["error"]
