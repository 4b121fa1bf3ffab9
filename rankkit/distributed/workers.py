"""Barrier that waits until all workers of a cluster are reachable."""

import contextlib
import json
import math
import os
import socket
import threading
import time
from collections.abc import Iterator

from rankkit.utils.errors import check_number, invalid

_RETRY_SECONDS = 0.2


def wait_for_workers(timeout: float = 600.0) -> None:
    """Waits until all workers of the cluster are reachable, or raises an error that names one.

    Call it before `tf.distribute.MultiWorkerMirroredStrategy()`, which waits silently. The cluster
    is read from the environment variable `TF_CONFIG`; without it the function returns at once.

    Args:
        timeout: Seconds to wait at most, at least 0. Defaults to `600.0`.

    Raises:
        ValueError: If `timeout` is negative or NaN, or `TF_CONFIG` does not describe a cluster of
            workers.
        OSError: If this worker's own address is in use, or is not an address of this host.
        TimeoutError: If a worker is not reachable in time.

    Example:
        >>> import rankkit as rk
        >>> rk.wait_for_workers()  # this process is alone
    """
    check_number("timeout", timeout, "a number of seconds, at least 0", least=0, most=math.inf)
    config = os.environ.get("TF_CONFIG")
    if not config:
        return
    workers, index = _read(config)
    deadline = time.monotonic() + timeout
    with _listening(workers[index]):
        for number, address in enumerate(workers):
            while not _is_reachable(address):
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"Worker {number} at {address} was not reachable within {timeout:g} s. "
                        'Start it with the same "cluster" in its TF_CONFIG, and check that worker '
                        f"{index} can connect to that address."
                    )
                time.sleep(_RETRY_SECONDS)


def _read(config: str) -> tuple[list[str], int]:
    """The addresses of the workers, and the index of this worker."""
    try:
        parsed = json.loads(config)
        workers, index = parsed["cluster"]["worker"], parsed["task"]["index"]
        workers[index].rpartition(":")
        return workers, index
    except (ValueError, LookupError, TypeError, AttributeError):
        fix = (
            'For example: {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}.'
        )
        raise invalid("TF_CONFIG", config, "the cluster and the task of a worker", fix) from None


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _is_reachable(address: str) -> bool:
    try:
        socket.create_connection(_split(address), timeout=5).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _listening(address: str) -> Iterator[None]:
    """Accepts connections of other workers until TensorFlow listens at the address itself."""
    host, port = _split(address)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        server = socket.create_server(("", port), family=family, backlog=128)
    except OSError as error:
        raise OSError(
            error.errno,
            f"Cannot bind to {address}: {error.strerror}. Set a free port of this host in the "
            "TF_CONFIG of all workers.",
        ) from None

    def answer() -> None:
        with contextlib.suppress(OSError):
            while True:
                server.accept()[0].close()

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)  # wakes the thread
        server.close()
        thread.join()
