"""Time of `POST /rank` on `rankkit serve` over the bare SavedModel call, and start of the server.

A request has one user and 1,000 titles of MovieLens 100K, and asks for the top 10. The bare call
is the signature `rank` in one process, from Python lists. The minimal application answers the same
body with the same call, without checks, limits, metrics and log. Requests are sent by threads of
this process on connections that stay open; the server and the minimal application alternate.
Goals: p50 at one connection at most 1.5 times the bare call; first answer within 6 s (SavedModel)
and 2 s (TensorFlow Lite file) of the start; no failed request and flat memory.
"""

import argparse
import http.client
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import rankkit as rk
import tensorflow as tf

MINIMAL = """
import json, sys
import tensorflow as tf
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
loaded = tf.saved_model.load(sys.argv[1])
function = loaded.signatures["rank"]
async def rank(request):
    body = json.loads(await request.body())
    titles = body["candidates"]["movie_title"]
    best = function(
        user_id=tf.constant([body["query"]["user_id"]]),
        movie_title=tf.constant(titles),
        k=tf.constant(body["k"]),
    )
    scores, indices = best["rating"].numpy().tolist(), best["index"].numpy().tolist()
    pairs = zip(indices, scores)
    return JSONResponse([{"title": titles[i], "score": score} for i, score in pairs])
app = Starlette(routes=[Route("/rank", rank, methods=["POST"])])
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning", access_log=False)
"""


def export(folder):
    """Exports the network of the tutorial; returns the titles."""
    rows = rk.data.movielens("100k", columns=["user_id", "movie_title", "user_rating"])
    features = {
        name: rk.layers.IdEmbedding(rk.data.vocabulary(rows[name]), 32)
        for name in ("user_id", "movie_title")
    }
    model = rk.RankingModel(rk.models.tower(features), label="user_rating")
    model.compile("adagrad")
    rk.export.save(model, folder / "export" / "1")
    rk.export.to_tflite(folder / "export" / "1", folder / "ranker.tflite")
    return rk.data.vocabulary(rows["movie_title"])[:1000]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start(command, port, body):
    """Starts a server; returns the process and the seconds to its first answer."""
    begin = time.perf_counter()
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL)
    while True:
        try:
            send(http.client.HTTPConnection("127.0.0.1", port), body)
        except ConnectionRefusedError:
            if process.poll() is not None:
                raise RuntimeError(f"{command} has ended") from None
            time.sleep(0.01)
        else:
            return process, time.perf_counter() - begin


def send(connection, body, path="/rank"):
    connection.request("POST", path, body)
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise RuntimeError(content)


def time_requests(port, bodies, connections, count):
    """Returns the seconds of each of `count` requests; `bodies` has the path of each in turn."""
    seconds = []

    def work():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for path, body in itertools.islice(itertools.cycle(bodies.items()), count // connections):
            begin = time.perf_counter()
            send(connection, body, path)
            seconds.append(time.perf_counter() - begin)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seconds) != count // connections * connections:
        raise RuntimeError(f"{count - len(seconds)} requests failed")
    return seconds


def protocol_bodies(titles):
    """Returns the requests for the scores of rows in both protocols, path to body."""
    columns = {"user_id": ["42"] * len(titles), "movie_title": titles}
    tensors = [
        {"name": name, "shape": [len(titles)], "datatype": "BYTES", "data": values}
        for name, values in columns.items()
    ]
    bodies = {
        "/v1/models/ranker:predict": {"inputs": columns},
        "/v2/models/ranker/infer": {"inputs": tensors},
    }
    return {path: json.dumps(body).encode() for path, body in bodies.items()}


def time_call(folder, titles, count):
    """Returns the seconds of each of `count` bare calls of the signature `rank`."""
    function = tf.saved_model.load(str(folder / "export" / "1")).signatures["rank"]
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        best = function(
            user_id=tf.constant(["42"]), movie_title=tf.constant(titles), k=tf.constant(10)
        )
        for name in ("rating", "index"):
            best[name].numpy()
        seconds.append(time.perf_counter() - begin)
    return seconds


def percentile(seconds, percent):
    return sorted(seconds)[len(seconds) * percent // 100]


def resident_megabytes(process):
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def ratios(requests=1500, rounds=5, endurance=0):
    with tempfile.TemporaryDirectory() as temporary:
        return measure(Path(temporary), requests, rounds, endurance)


def measure(folder, requests, rounds, endurance):
    titles = export(folder)
    body = json.dumps(
        {"query": {"user_id": "42"}, "candidates": {"movie_title": titles}, "k": 10}
    ).encode()
    serve = [sys.executable, "-m", "rankkit", "serve"]
    options = ["--quiet", "--port"]
    ports = {name: free_port() for name in ("server", "minimal", "tflite")}
    processes, results = {}, {}
    try:
        for name, command in (
            ("server", [*serve, str(folder / "export"), *options]),
            ("tflite", [*serve, str(folder / "ranker.tflite"), *options]),
            ("minimal", [sys.executable, "-c", MINIMAL, str(folder / "export" / "1")]),
        ):
            processes[name], seconds = start(command, ports[name], body)
            print(f"{name}: first answer after {seconds:.2f} s")
        for connections in (1, 4, 16):
            found = {}
            for _ in range(rounds):  # alternating
                call = time_call(folder, titles, requests // rounds)
                for percent in (50, 99):
                    found.setdefault(("call", percent), []).append(percentile(call, percent))
                for name, port in ports.items():
                    seconds = time_requests(port, {"/rank": body}, connections, requests // rounds)
                    for percent in (50, 99):
                        key = (name, percent)
                        found.setdefault(key, []).append(percentile(seconds, percent))
            medians = {key: statistics.median(values) for key, values in found.items()}
            for name in ports:
                for percent in (50, 99):
                    ratio = medians[name, percent] / medians["call", percent]
                    label = f"serving: p{percent} of {name} at {connections} / call"
                    results[label] = round(ratio, 2)
                    print(f"{label}: {ratio:.2f} ({1000 * medians[name, percent]:.2f} ms)")
        bodies = {"/rank": body, **protocol_bodies(titles[:20])}
        for percent in (10, 40, 50) if endurance else ():
            time_requests(ports["server"], bodies, 4, endurance * percent // 100)
            megabytes = resident_megabytes(processes["server"])
            print(f"server: {megabytes:.1f} MB after {percent} % more of {endurance} requests")
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--endurance", type=int, default=0, help="further requests; 50000 are a test"
    )
    ratios(endurance=parser.parse_args().endurance)
