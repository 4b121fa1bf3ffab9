"""Barrier that waits until all workers of a cluster are reachable."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator

from rankkit.utils.errors import invalid

_AGAIN = 0.2  # seconds until a worker that was not there is looked for once more


def wait_for_workers(timeout: float = 600.0) -> None:
    """Returns when all workers of the cluster are there, or names one that has not come.

    To be called before `tf.distribute.MultiWorkerMirroredStrategy()`, which itself waits without a
    word. The cluster is that of the environment variable `TF_CONFIG`; without one there
    is nobody to wait for.

    Args:
        timeout: Seconds to wait at most. Defaults to `600.0`.

    Raises:
        ValueError: If `TF_CONFIG` is not one of workers.
        OSError: If this worker's own address is in use, or none of this machine.
        TimeoutError: If a worker has not come by then.

    Example:
        >>> import rankkit as rk
        >>> rk.wait_for_workers()  # this process is alone
    """
    config = os.environ.get("TF_CONFIG")
    if not config:
        return
    workers, index = _read(config)
    deadline = time.monotonic() + timeout
    with _listening(workers[index]):
        for number, address in enumerate(workers):
            while not _is_there(address):
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"Worker {number} at {address} did not come within {timeout:g} s. Start "
                        'it, with the same "cluster" in its TF_CONFIG, and see that worker '
                        f"{index} reaches that address."
                    )
                time.sleep(_AGAIN)


def _read(config: str) -> tuple[list[str], int]:
    """The addresses of the workers, and the number of this one."""
    try:
        parsed = json.loads(config)
        workers, index = parsed["cluster"]["worker"], parsed["task"]["index"]
        workers[index].rpartition(":")
        return workers, index
    except (ValueError, LookupError, TypeError, AttributeError):
        fix = (
            'Such as {"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}.'
        )
        raise invalid("TF_CONFIG", config, "the cluster and the task of a worker", fix) from None


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _is_there(address: str) -> bool:
    try:
        socket.create_connection(_split(address), timeout=5).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _listening(address: str) -> Iterator[None]:
    """Is there for the others, until TensorFlow listens at the address itself."""
    host, port = _split(address)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        server = socket.create_server(("", port), family=family, backlog=128)
    except OSError as error:
        raise OSError(
            error.errno,
            f"This worker cannot listen at {address} ({error.strerror}). Name a free port of this "
            "machine in the TF_CONFIG of all workers.",
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
