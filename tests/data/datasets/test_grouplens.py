import http.server
import socket
import threading
import time

import pytest
from rankkit.data.datasets import movielens as movielens_module

from rankkit.data.datasets.movielens import is_reachable


@pytest.fixture(autouse=True)
def _on_this_machine(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(movielens_module, "_ARCHIVE", "http://{host}/ml-{version}.zip")


@pytest.fixture
def server(monkeypatch):
    """A server on this machine that answers with the status that it is told."""

    class Handler(http.server.BaseHTTPRequestHandler):
        status = 200
        paths: list[str] = []  # noqa: RUF012

        def do_HEAD(self):
            self.paths.append(self.path)
            self.send_response(self.status)
            self.end_headers()

        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setattr(movielens_module, "HOST", f"127.0.0.1:{server.server_port}")
        yield Handler
        server.shutdown()


def test_reachable(server):
    assert is_reachable("100k")
    assert server.paths == ["/ml-100k.zip"]


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_is_no_answer(server, status):
    server.status = status
    assert not is_reachable("100k")


def test_a_closed_port(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(movielens_module, "HOST", f"127.0.0.1:{closed.getsockname()[1]}")
        assert not is_reachable("100k")


def test_a_host_that_says_nothing(monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(movielens_module, "HOST", f"127.0.0.1:{silent.getsockname()[1]}")
        assert not is_reachable("100k", timeout=0.2)


def test_a_resolver_that_hangs(monkeypatch):
    released = threading.Event()

    def hang(*args, **kwargs):
        released.wait(10)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    start = time.monotonic()
    assert not is_reachable("100k", timeout=0.2)
    assert time.monotonic() - start < 5
    released.set()
