"""The server as a process, and clients of others."""

import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton

pytestmark = pytest.mark.slow

BODY = json.dumps({"query": {"user_id": "42"}, "candidates": {"movie_title": ["a", "b", "c"]}})


@contextlib.contextmanager
def running(path, *options, python=(sys.executable,)):
    """Runs `rankkit serve`; yields the process and its port."""
    command = [*python, "-m", "rankkit", "serve", str(path), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.endswith("/ is ready\n"), line
            yield process, int(line.rpartition(":")[2].partition("/")[0])
        finally:
            process.kill()


@pytest.fixture(scope="module")
def tflite_server(exports):
    """A server of a TensorFlow Lite file: its process and port."""
    with running(exports / "ids.tflite", "--quiet") as server:
        yield server


def ask(port, body=BODY, path="/rank"):
    """Posts a body on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("POST", path, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def test_triton_client(networks, tflite_server):
    client = triton.InferenceServerClient(f"127.0.0.1:{tflite_server[1]}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("ranker", "1")
    assert client.get_model_metadata("ranker")["versions"] == ["1"]
    columns = {"user_id": np.array(["42", "7"]), "movie_title": np.array(["a", "é"])}
    scores = np.asarray(networks["ids"](columns))
    for is_binary in (True, False):
        inputs = []
        for each, values in columns.items():
            tensor = triton.InferInput(each, [2], "BYTES")
            encoded = np.array([value.encode() for value in values], object)
            inputs.append(tensor.set_data_from_numpy(encoded, binary_data=is_binary))
        outputs = [triton.InferRequestedOutput("rating", binary_data=is_binary)]
        result = client.infer("ranker", inputs, outputs=outputs, request_id="7")
        np.testing.assert_allclose(np.asarray(result.as_numpy("rating")), scores, atol=1e-6)
        assert result.get_response()["id"] == "7"
    with pytest.raises(triton.InferenceServerException, match="Servable not found"):
        client.infer("other", inputs)
    with pytest.raises(triton.InferenceServerException, match="Missing inputs: movie_title"):
        client.infer("ranker", inputs[:1])


def test_tflite_file_is_served_without_tensorflow(tflite_server):
    process, port = tflite_server
    assert ask(port)[0] == 200
    maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert "litert" in maps
    assert "tensorflow" not in maps


def test_sixteen_connections_while_versions_appear(two_versions, warm_python):
    with running(two_versions, "--poll", "0.2", "--quiet", python=warm_python) as (_, port):
        check_sixteen_connections(port, two_versions)


def check_sixteen_connections(port, two_versions):
    failures, answers, stop = [], [], threading.Event()

    def work():
        while not stop.is_set():
            try:
                status, answer = ask(port)
                (answers if status == 200 else failures).append(answer)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    broken = two_versions / "2"
    shutil.copytree(two_versions / "1", broken)
    (broken / "saved_model.pb").write_bytes(b"damaged")
    time.sleep(2)
    shutil.rmtree(broken)
    shutil.copytree(two_versions / "1", broken)  # file by file, into the folder that is served
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(each["version"] == 2 for each in answers[-16:]):
        time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {each["version"] for each in answers} == {1, 2}
    rankings = {json.dumps(each["ranking"]) for each in answers}
    assert len(rankings) == 1  # both versions are the same export


def test_termination_finishes_requests(exports):
    with running(exports / "ids.tflite", "--quiet") as server:
        check_termination(*server)


def check_termination(process, port):
    body = json.dumps({"query": {"user_id": "42"}, "candidates": {"movie_title": ["a"] * 100_000}})
    results = []
    threads = [threading.Thread(target=lambda: results.append(ask(port, body))) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert [status for status, _ in results] == [200] * 4
    assert process.wait(30) in (0, -signal.SIGTERM)


def test_client_that_hangs_does_not_block_others(tflite_server):
    _, port = tflite_server
    hanging = socket.create_connection(("127.0.0.1", port))
    hanging.sendall(b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    silent = socket.create_connection(("127.0.0.1", port))
    assert ask(port)[0] == 200
    hanging.close()
    silent.close()
    assert ask(port)[0] == 200


def test_bodies_that_do_not_arrive_do_not_count_as_pending(exports):
    with running(exports / "ids.tflite", "--quiet", "--max-pending", "4") as (_, port):
        hanging = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for connection in hanging:
            connection.sendall(b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        assert ask(port)[0] == 200
        for connection in hanging:
            connection.close()


@pytest.mark.parametrize(
    "start",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST /rank HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n",
    ],
)
@pytest.mark.parametrize("line", [b"X: y\r\n", b"z" * 1000])
def test_headers_before_and_after_a_body_are_bounded(tflite_server, start, line):
    _, port = tflite_server
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(start)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 10**7 and not select.select([connection], [], [], 0)[0]:
                connection.sendall(1000 * line)
                sent += 1000 * len(line)
    assert sent < 10**7
    assert ask(port)[0] == 200


@pytest.mark.parametrize(
    "content",
    [
        b"GARBAGE\r\n\r\n",
        b"POST /rank HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /rank HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",  # the start of a TLS handshake
    ],
)
def test_malformed_http_does_not_stop_the_server(tflite_server, content):
    _, port = tflite_server
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        contextlib.suppress(OSError),  # closed before all was sent
    ):
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert ask(port)[0] == 200


def test_memory_stays_flat(tflite_server):
    process, port = tflite_server

    def resident_kilobytes(count):
        for _ in range(count):
            assert ask(port)[0] == 200
        pages = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") // 1024

    before = resident_kilobytes(1000)
    assert resident_kilobytes(4000) < before + 2000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing"], "path must be a folder with versions"),
        (["."], "no version in '.'"),
    ],
)
def test_errors_of_the_command(tmp_path, arguments, words):
    command = [sys.executable, "-m", "rankkit", "serve", *arguments, "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("rankkit serve: ")
    assert words in done.stderr


def test_port_in_use(exports, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        command = [
            sys.executable,
            "-m",
            "rankkit",
            "serve",
            str(exports / "ids.tflite"),
            "--port",
            port,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
