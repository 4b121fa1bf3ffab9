"""Searches with several processes: a chief and workers, on one host or on several."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from rankkit.utils.errors import invalid, missing

# keras-tuner's environment variables.
IP, PORT, TUNER_ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"

_GRACE = 10.0  # seconds that a terminated process has to exit


class Role(NamedTuple):
    """The role of a process in a search."""

    kind: Literal["alone", "chief", "worker"]
    tuner_id: str
    address: tuple[str, int] | None  # host and port of the chief; `None` if alone


def own_role() -> Role:
    """Reads the role of this process from its environment."""
    present = [name for name in (IP, PORT, TUNER_ID) if os.environ.get(name)]
    if IP not in present and PORT not in present:
        return Role("alone", os.environ.get(TUNER_ID) or "tuner0", None)
    for name in (IP, PORT, TUNER_ID):
        if name not in present:
            raise missing("environment variable", name, (IP, PORT, TUNER_ID), present)
    port = os.environ[PORT]
    if not port.isdecimal() or not 0 < int(port) < 2**16:
        raise invalid(PORT, port, "a port, from 1 to 65535")
    tuner_id = os.environ[TUNER_ID]
    kind = "chief" if "chief" in tuner_id else "worker"  # the same test as in keras-tuner
    return Role(kind, tuner_id, (os.environ[IP], int(port)))


def run_on_this_host(run: Callable[[], None], workers: int, has_ended: Callable[[], bool]) -> None:
    """Runs a function, which is pickled, in a chief and in workers, started as new processes.

    Returns when `has_ended` is true or all workers have exited. Raises if a process fails or is
    killed before. In any case, terminates the processes that are still running.
    """
    spawn = multiprocessing.get_context("spawn")
    port = find_free_port()
    names = ["chief", *(f"worker{number}" for number in range(workers))]
    processes = {
        name: spawn.Process(target=_run_member, args=(run, name, port), name=name) for name in names
    }
    try:
        with _threads_of_new_processes(max(1, (os.cpu_count() or 1) // workers)):
            for process in processes.values():
                process.start()
        running = dict(processes)
        while set(running) - {"chief"}:
            multiprocessing.connection.wait([each.sentinel for each in running.values()])
            for name in [name for name, each in running.items() if not each.is_alive()]:
                code = running.pop(name).exitcode
                if has_ended():
                    return
                if code:
                    how = f"exited with code {code}"
                    if code < 0:
                        how = f"was killed by {signal.Signals(-code).name}"
                    raise RuntimeError(
                        f"{name} {how}, so the other processes were terminated. Its error is "
                        "above. Completed trials are kept: run the same search to resume it."
                    )
    finally:
        started = [each for each in processes.values() if each.pid is not None]
        for process in started:
            process.terminate()
        for process in started:
            process.join(_GRACE)
            process.kill()


def check_picklable(plan: Any) -> None:
    """Raises if another process cannot restore a search from its pickle."""
    try:
        pickle.loads(pickle.dumps(plan))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise TypeError(
            f"The hypermodel and the rows cannot be pickled for several workers: {error}. Define "
            "classes and functions at the top level of a module, or use workers=1."
        ) from None


@contextlib.contextmanager
def _threads_of_new_processes(number: int) -> Iterator[None]:
    """Limits TensorFlow's threads in processes started meanwhile, unless the user already has."""
    # By the environment: if the imported script uses TensorFlow, it is too late for its functions.
    name = "TF_NUM_INTRAOP_THREADS"
    if name in os.environ:
        yield
        return
    os.environ[name] = str(number)
    try:
        yield
    finally:
        del os.environ[name]


def _run_member(run: Callable[[], Any], name: str, port: int) -> None:
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    os.environ.update({IP: "127.0.0.1", PORT: str(port), TUNER_ID: name})
    try:
        run()
    except KeyboardInterrupt:
        os._exit(130)


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def check_port_is_free(address: tuple[str, int]) -> None:
    """Raises `OSError` if the port is in use, as gRPC would silently share it."""
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise OSError(
                error.errno,
                f"The chief cannot listen on {address[0]}:{address[1]} ({error.strerror}). Set "
                f"{PORT} to a free port, and {IP} to an address of this host, for the chief and "
                "all workers.",
            ) from None


def wait_for_chief(role: Role, timeout: float) -> None:
    """Waits until the chief listens; raises `TimeoutError` after `timeout` seconds."""
    assert role.address is not None
    shown = f"{role.address[0]}:{role.address[1]}"
    deadline, is_announced = time.monotonic() + timeout, False
    while True:
        try:
            socket.create_connection(role.address, timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"Worker {role.tuner_id!r} found no chief at {shown} within {timeout:g} s "
                    f"({error}). Start the chief, a process with {TUNER_ID}=chief, or correct "
                    f"{IP} and {PORT}."
                ) from None
        if not is_announced:
            is_announced = True
            print(f"{role.tuner_id}: waiting up to {timeout:g} s for the chief at {shown}")
        time.sleep(0.2)


def find_free_port() -> int:
    """A port of this host that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
