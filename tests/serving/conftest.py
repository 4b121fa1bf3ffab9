import json
import shutil

import numpy as np
import pytest
from starlette.testclient import TestClient

import rankkit as rk
import tensorflow as tf
from rankkit.serving.app import create_app

TITLES = ["a", "b", "c", "d", "é"]


@pytest.fixture(scope="session")
def networks():
    """A network of ids, with a feature of each kind, with two heads, and of lists of documents."""
    ids = {
        "user_id": rk.layers.IdEmbedding(["7", "42"], 4),
        "movie_title": rk.layers.IdEmbedding(TITLES[:3], 4),
    }
    vector = tf.keras.layers.Dense(2)
    vector.feature_spec = tf.TensorSpec((None, 3), tf.float32)
    kinds = {
        "user_id": rk.layers.IdEmbedding(["7", "42"], 4),
        "item": rk.layers.IdEmbedding([5, 10**12], 4),
        "tags": rk.layers.TagsEmbedding(["x", "y"], 4),
        "year": rk.layers.NormalizedNumber.from_column(np.array([1930.0, 1999.0])),
        "vector": vector,
    }
    heads = {name: rk.layers.DenseRatingHead([8]) for name in ("rating", "click")}
    score = {"rating": -1.0, "click": 2.0}
    networks = {
        name: rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
        for name, features in (("ids", ids), ("kinds", kinds))
    }
    block = rk.layers.NormalizedNumbers([0.5, 2.0], [1.0, 3.0], missing="learn")
    block.set_weights([np.array([[0.3], [-0.7]])])
    documents = {"user_id": rk.layers.IdEmbedding(["7", "42"], 4), "features": block}
    together = [rk.layers.CandidateAttention(1), rk.layers.DenseRatingHead([8])]
    networks["documents"] = rk.ranking_network(documents, head=tf.keras.Sequential(together))
    return {**networks, "heads": rk.ranking_network(ids, head=heads, score=score)}


@pytest.fixture(scope="session")
def exports(networks, tmp_path_factory):
    """A folder with exports of the networks: `ids/1`, `kinds/1`, `ids.tflite`, `indexed/1`."""
    folder = tmp_path_factory.mktemp("exports")
    kinds = {
        "user_id": ["7", "42"],
        "item": [5, 10**12],
        "tags": [["x", "y"], []],
        "year": [1930.0, 1999.0],
        "vector": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
    }
    for name, network in networks.items():
        sample = kinds if name == "kinds" else None
        rk.export.save(network, folder / name / "1", sample=sample)
        rk.export.to_tflite(folder / name / "1", folder / f"{name}.tflite")
    index = {"movie_title": TITLES, "genre": ["x", "y", "x", "y", "x"]}
    rk.export.save(networks["ids"], folder / "indexed" / "1", candidates=index)
    users = {"user_id": ["7", "42"]}  # for a movie
    rk.export.save(networks["ids"], folder / "users" / "1", candidates=users)
    rk.export.to_tflite(folder / "users" / "1", folder / "users.tflite")
    return folder


@pytest.fixture(scope="session")
def make_client(exports):
    """Makes clients of applications that serve an export, and closes them at the end."""
    clients = {}

    def make(export, **options):
        key = (export, *options.items())
        if key not in clients:
            clients[key] = TestClient(create_app(exports / export, **options)).__enter__()
        return clients[key]

    yield make
    for client in clients.values():
        client.__exit__(None, None, None)


@pytest.fixture(params=["ids", "ids.tflite"])
def client(request, make_client):
    """A client of a SavedModel and of a TensorFlow Lite file."""
    return make_client(request.param)


@pytest.fixture
def two_versions(exports, tmp_path):
    """A folder with version 1, and another export as `next`, to be moved to version 2."""
    shutil.copytree(exports / "ids" / "1", tmp_path / "model" / "1")
    shutil.copytree(exports / "indexed" / "1", tmp_path / "next")
    return tmp_path / "model"


@pytest.fixture
def post():
    """Posts a body, which may be invalid JSON, and returns the status and the parsed answer."""

    def post(client, path, body, **options):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = client.post(path, content=content, **options)
        return response.status_code, response.json()

    return post
