"""Searches by several processes, on one host or on several."""

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

_UNPICKLABLE = (pickle.PicklingError, AttributeError, TypeError)
_GRACE = 10.0  # seconds that a process has to end itself


def run_on_this_machine(
    run: Callable[[], None], workers: int, has_ended: Callable[[], bool]
) -> None:
    """Runs a function in a chief and in workers, which it has to tell apart by the environment.

    Returns when the search or the workers have ended. When a process fails or is killed before, all
    others are ended.

    Args:
        run: What each process does. It is pickled, and the processes start afresh: a script
            needs `if __name__ == "__main__":` around what is not to be done again by each.
        workers: How many train.
        has_ended: Whether the search has; what is still running then is not waited for.

    Raises:
        RuntimeError: If a process failed.
    """
    try:
        pickle.dumps(run)
    except _UNPICKLABLE as error:
        raise _unpicklable(error) from None
    spawn = multiprocessing.get_context("spawn")
    port = free_port()
    names = ["chief", *(f"worker{number}" for number in range(workers))]
    processes = {
        name: spawn.Process(target=_take_part, args=(run, name, port), name=name) for name in names
    }
    try:
        with _threads(max(1, (os.cpu_count() or 1) // workers)):
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
                    raise RuntimeError(
                        f"{name} {_how(code)}, so the others were ended too. Its error is above. "
                        "The trials that have ended are kept: the same search goes on from them."
                    )
    finally:
        for process in processes.values():
            if process.pid is not None:
                process.terminate()
        for process in processes.values():
            if process.pid is not None:
                process.join(_GRACE)
                process.kill()


def check_picklable(hypermodel: Any) -> None:
    """Refuses what another process could not make of its pickle.

    Args:
        hypermodel: What builds the models.

    Raises:
        TypeError: If it could not.
    """
    try:
        pickle.loads(pickle.dumps(hypermodel))
    except _UNPICKLABLE as error:
        raise _unpicklable(error) from None


def _unpicklable(error: Exception) -> TypeError:
    """Words that other processes would not get what they need."""
    return TypeError(
        "hypermodel and rows must be picklable for several workers. Define classes and "
        f"functions at the top of a module: {error}"
    )


@contextlib.contextmanager
def _threads(number: int) -> Iterator[None]:
    """Has processes that are started meanwhile share out the cores.

    Through the environment: a script may use TensorFlow while it is imported, and then it is too
    late to tell TensorFlow itself.
    """
    name = "TF_NUM_INTRAOP_THREADS"
    if name in os.environ:  # the user's own choice
        yield
        return
    os.environ[name] = str(number)
    try:
        yield
    finally:
        del os.environ[name]


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _take_part(run: Callable[[], Any], name: str, port: int) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.update({IP: "127.0.0.1", PORT: str(port), TUNER_ID: name})
    try:
        run()
    except KeyboardInterrupt:
        os._exit(130)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


IP, PORT, TUNER_ID = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT", "KERASTUNER_TUNER_ID"


class Part(NamedTuple):
    """The part of this process.

    Attributes:
        role: `"alone"`, or in a search of several processes `"chief"` or `"worker"`.
        tuner_id: Its name.
        address: Where the chief listens, host and port; `None` alone.
    """

    role: Literal["alone", "chief", "worker"]
    tuner_id: str
    address: tuple[str, int] | None


def own_part() -> Part:
    """Reads the part of this process from its environment.

    Raises:
        ValueError: If some of the variables are missing, or the port is no port.
    """
    present = [name for name in (IP, PORT, TUNER_ID) if os.environ.get(name)]
    if IP not in present and PORT not in present:
        return Part("alone", os.environ.get(TUNER_ID) or "tuner0", None)
    for name in (IP, PORT, TUNER_ID):
        if name not in present:
            raise missing("environment variable", name, (IP, PORT, TUNER_ID), present)
    port = os.environ[PORT]
    if not port.isdecimal() or not 0 < int(port) < 2**16:
        raise invalid(PORT, port, "a port, from 1 to 65535")
    tuner_id = os.environ[TUNER_ID]
    role = "chief" if "chief" in tuner_id else "worker"  # as keras-tuner tells them apart
    return Part(role, tuner_id, (os.environ[IP], int(port)))


def check_port_is_free(address: tuple[str, int]) -> None:
    """Refuses an address that another process listens at, which gRPC would silently share.

    Raises:
        OSError: If it is in use, or is none of this machine.
    """
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise OSError(
                error.errno,
                f"The chief cannot listen at {address[0]}:{address[1]} ({error.strerror}). Set "
                f"{PORT} to a free port, and {IP} to an address of this machine, for the chief "
                "and all workers.",
            ) from None


def wait_for_chief(part: Part, timeout: float) -> None:
    """Returns when the chief listens.

    Args:
        part: A worker's.
        timeout: Seconds to wait at most.

    Raises:
        TimeoutError: If it does not listen by then.
    """
    assert part.address is not None
    shown = f"{part.address[0]}:{part.address[1]}"
    deadline = time.monotonic() + timeout
    said = False
    while True:
        try:
            socket.create_connection(part.address, timeout=5).close()
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"Worker {part.tuner_id!r} found no chief at {shown} within {timeout:g} s "
                    f"({error}). Start the chief, a process with {TUNER_ID}=chief, or mend {IP} "
                    f"and {PORT}."
                ) from None
        if not said:
            print(f"{part.tuner_id}: waiting up to {timeout:g} s for the chief at {shown}")
            said = True
        time.sleep(0.2)


def free_port() -> int:
    """Gives a port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
