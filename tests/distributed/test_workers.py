import json
import re
import socket
import threading

import pytest
import rankkit as rk


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def config(addresses, index):
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


def test_a_process_alone_waits_for_nobody(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    rk.wait_for_workers(0)


def test_workers_are_waited_for_until_they_listen(monkeypatch):
    addresses = free_addresses(2)
    monkeypatch.setenv("TF_CONFIG", config(addresses, 0))
    waiting = threading.Thread(target=rk.wait_for_workers, args=(60,))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    host, port = addresses[1].split(":")
    with socket.create_server((host, int(port))):  # as TensorFlow's own server does
        waiting.join(60)
    assert not waiting.is_alive()
    socket.create_server(("127.0.0.1", int(addresses[0].split(":")[1]))).close()  # it is free again


def test_a_worker_that_does_not_come_is_named(monkeypatch):
    addresses = free_addresses(3)
    monkeypatch.setenv("TF_CONFIG", config(addresses, 1))
    host, port = addresses[0].split(":")
    words = f"Worker 2 at {addresses[2]} did not come within 0.1 s. Start it, with the same"
    with (
        socket.create_server((host, int(port))),
        pytest.raises(TimeoutError, match=re.escape(words)),
    ):
        rk.wait_for_workers(0.1)


def test_an_address_in_use_is_named(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        monkeypatch.setenv("TF_CONFIG", config([address], 0))
        with pytest.raises(OSError, match=f"This worker cannot listen at {address}.*a free port"):
            rk.wait_for_workers(0.1)


@pytest.mark.parametrize(
    "text",
    ["host1:2222", "[]", '{"cluster": {"worker": []}, "task": {"index": 0}}', config(["a:1"], 1)],
)
def test_a_cluster_that_is_none_is_named(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(
        ValueError, match="TF_CONFIG must be the cluster and the task of a worker.*"
    ):
        rk.wait_for_workers(0.1)
