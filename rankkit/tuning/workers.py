"""Runs a search on this machine by several processes: a chief, and workers that train."""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from rankkit.tuning import cluster

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
    port = cluster.free_port()
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
    os.environ.update({cluster.IP: "127.0.0.1", cluster.PORT: str(port), cluster.TUNER_ID: name})
    try:
        run()
    except KeyboardInterrupt:
        os._exit(130)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
