"""`wait_for_workers`: simulated with sockets of this process."""

import json
import re
import socket
import threading

import pytest
import rankkit as rk


def listen(address):
    host, port = address.split(":")
    return socket.create_server((host, int(port)))


def tf_config(addresses, index):
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


def test_single_process_does_not_wait(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    rk.wait_for_workers(0)
    with pytest.raises(ValueError, match="timeout must be a number of seconds, at least 0"):
        rk.wait_for_workers(-1)


def test_waits_until_all_workers_listen(monkeypatch, free_addresses):
    addresses = free_addresses(2)
    monkeypatch.setenv("TF_CONFIG", tf_config(addresses, 0))
    waiting = threading.Thread(target=rk.wait_for_workers, args=(60,))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    with listen(addresses[1]):  # as TensorFlow's own server does
        waiting.join(60)
    assert not waiting.is_alive()
    listen(addresses[0]).close()  # the own address is free again


def test_unreachable_worker_is_named(monkeypatch, free_addresses):
    addresses = free_addresses(3)
    monkeypatch.setenv("TF_CONFIG", tf_config(addresses, 1))
    text = f"Worker 2 at {addresses[2]} was not reachable within 0.1 s. Start it with the same"
    with listen(addresses[0]), pytest.raises(TimeoutError, match=re.escape(text)):
        rk.wait_for_workers(0.1)


def test_own_address_in_use_raises(monkeypatch, free_addresses):
    (address,) = free_addresses(1)
    monkeypatch.setenv("TF_CONFIG", tf_config([address], 0))
    text = f"Cannot bind to {address}: .* Set a free port of this host"
    with listen(address), pytest.raises(OSError, match=text):
        rk.wait_for_workers(0.1)


@pytest.mark.parametrize(
    "config",
    [
        "host1:2222",
        "[]",
        '{"cluster": {"worker": []}, "task": {"index": 0}}',
        tf_config(["a:1"], 1),
    ],
)
def test_unsuitable_tf_config_raises(monkeypatch, config):
    monkeypatch.setenv("TF_CONFIG", config)
    text = r"^TF_CONFIG must be the cluster and the task of a worker\. Got: .* For example: "
    with pytest.raises(ValueError, match=text):
        rk.wait_for_workers(0.1)
