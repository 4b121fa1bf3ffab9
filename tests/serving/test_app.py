"""Health, monitoring, limits and pages of the application."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from rankkit.serving import Limits, create_app

REQUEST = {"query": {"user_id": "42"}, "candidates": {"movie_title": ["a", "b"]}}


def service_of(client):
    return client.app.state.service


def test_metrics_count_requests_by_route_and_status(exports, post, caplog):
    caplog.set_level("INFO", logger="rankkit.serving.access")
    with TestClient(create_app(exports / "ids")) as client:
        for body in (REQUEST, REQUEST, {}):
            post(client, "/rank", body)
        client.get("/v1/models/ranker")
        client.get("/nowhere")
        text = client.get("/metrics").text
    assert 'rankkit_requests_total{route="/rank",status="200"} 2.0' in text
    assert 'rankkit_requests_total{route="/rank",status="400"} 1.0' in text
    assert 'rankkit_requests_total{route="/v1/models/{name}",status="200"} 1.0' in text
    assert 'rankkit_requests_total{route="unknown",status="404"} 1.0' in text
    assert 'rankkit_request_seconds_count{route="/rank"} 3.0' in text
    assert "rankkit_model_version 1.0" in text
    assert "rankkit_pending_requests 1.0" in text  # the request for the metrics
    (line, *_) = [each.message for each in caplog.records if "/rank 400" in each.message]
    assert line.startswith("testclient POST /rank 400 ")


def test_body_is_limited(make_client, post):
    client = make_client("ids", limits=Limits(max_body_bytes=100))
    status, answer = post(client, "/rank", b" " * 101)
    assert (status, answer["error"]) == (413, "The body may have at most 100 bytes.")
    parts = (b" " * 60 for _ in range(2))  # sent in chunks, without a length
    assert client.post("/rank", content=parts).status_code == 413
    assert post(client, "/rank", REQUEST)[0] == 200


def test_compressed_bodies_are_refused(client, post):
    status, answer = post(client, "/rank", b"", headers={"Content-Encoding": "gzip"})
    assert status == 415
    assert "gzip" in answer["error"]


def test_number_of_pending_requests_is_limited(exports, post):
    with TestClient(create_app(exports / "ids", limits=Limits(max_pending=1))) as client:
        runtime = service_of(client).versions.newest.runtime
        run, entered, go_on = runtime.run, threading.Event(), threading.Event()

        def wait(*arguments):
            entered.set()
            assert go_on.wait(10)
            return run(*arguments)

        runtime.run = wait
        with ThreadPoolExecutor(1) as pool:
            large = json.dumps(REQUEST).encode() + b" " * 2**16  # answered in a thread
            first = pool.submit(post, client, "/rank", large)
            assert entered.wait(10)
            response = client.post("/rank", json=REQUEST)
            assert client.get("/v2/health/live").status_code == 200
            go_on.set()
            assert first.result(10)[0] == 200
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"


def test_failures_of_the_model_do_not_stop_the_server(make_client, post, monkeypatch):
    client = make_client("ids", name="failing")
    runtime = service_of(client).versions.newest.runtime

    def fail(*arguments):
        raise RuntimeError("out of order")

    with monkeypatch.context() as patched:
        patched.setattr(runtime, "run", fail)
        status, answer = post(client, "/rank", REQUEST)
    assert (status, answer) == (500, {"error": "Internal error: RuntimeError."})
    assert post(client, "/rank", REQUEST)[0] == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "a/b"}, "name must be letters, digits"),
        ({"name": ""}, "name must be letters, digits"),
        ({"num_versions": 0}, "num_versions must be an integer of at least 1"),
        ({"num_threads": True}, "num_threads must be an integer of at least 1"),
        ({"poll_seconds": 0}, "poll_seconds must be a positive number of seconds"),
        ({"poll_seconds": float("nan")}, "poll_seconds must be a positive number of seconds"),
    ],
)
def test_invalid_arguments_are_named(exports, arguments, words):
    with pytest.raises(ValueError, match=words):
        create_app(exports / "ids.tflite", **arguments)


@pytest.mark.parametrize("name", ["max_body_bytes", "max_candidates", "max_pending"])
def test_limits_are_positive(name):
    values: list[Any] = [0, -1, True, 1.5]
    for value in values:
        with pytest.raises(ValueError, match=f"{name} must be an integer of at least 1"):
            Limits(**{name: value})
    with pytest.raises(ValueError, match="body_timeout_seconds must be a positive number"):
        Limits(body_timeout_seconds=0)


def test_values_that_the_graph_refuses_are_named(make_client, post):
    inputs = {"user_id": ["42"], "movie_title": ["a", "b"], "k": 0}
    body = {"signature_name": "rank", "inputs": inputs}
    status, answer = post(make_client("ids"), "/v1/models/ranker:predict", body)
    assert status == 400
    assert answer["error"] == (
        "The model does not accept these values. k must be an integer of at least 1. Got: 0."
    )


@pytest.mark.parametrize("name", ["indexed", "ids.tflite", "kinds"])
def test_examples_of_the_api_page_are_answered(make_client, post, name):
    client = make_client(name)
    for page in ("/docs", "/pages.js", "/pages.css"):
        assert client.get(page).status_code == 200
    description = client.get("/openapi.json").json()
    assert description["openapi"].startswith("3.1")
    for path, methods in description["paths"].items():
        if "get" in methods:
            assert client.get(path).status_code == 200, path
        else:
            content = methods["post"]["requestBody"]["content"]["application/json"]
            status, answer = post(client, path, content["example"])
            assert status == 200, (path, answer)
    rank = description["paths"]["/rank"]["post"]["requestBody"]["content"]["application/json"]
    accepted = {"object": {"movie_title": ["a"]}, "array": ["a"]}
    for kind in rank["schema"]["properties"]["exclude"]["type"]:
        body = {**REQUEST, "exclude": accepted.pop(kind)}
        assert len(post(make_client("ids"), "/rank", body)[1]["ranking"]) == 1
    assert not accepted


def test_explorer_knows_the_features(make_client):
    assert "Rank explorer" in make_client("indexed").get("/").text
    data = make_client("indexed").get("/explorer.json").json()
    (version,) = data["versions"]
    assert version["has_candidates"]
    user = version["features"][0]
    assert (user["name"], user["side"], user["datatype"]) == ("user_id", "query", "BYTES")
    assert set(user["examples"]) >= {"7", "42"}
    for name in ("kinds", "kinds.tflite"):
        (version,) = make_client(name).get("/explorer.json").json()["versions"]
        examples = {each["name"]: each["examples"] for each in version["features"]}
        assert examples["item"] == ["5", str(10**12)]  # whole rows of the sample
        assert examples["user_id"] == ["7", "42"]
        assert examples["tags"] == ["x, y", ""]
        assert examples["vector"] == ["1.0, 2.0, 3.0", "4.0, 5.0, 6.0"]
        assert not version["has_candidates"]
    for name in ("users", "users.tflite"):  # whose query is a movie
        (version,) = make_client(name).get("/explorer.json").json()["versions"]
        sides = {each["name"]: each["side"] for each in version["features"]}
        assert sides == {"movie_title": "query", "user_id": "candidates"}
