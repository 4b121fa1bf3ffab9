"""Runs a script in several local workers, and restarts all of them when one is lost."""

import json
import os
import socket
import subprocess
import sys
import time


def own_number() -> int | None:
    """Returns the number of this worker, or `None` in a process that is not a worker."""
    config = os.environ.get("TF_CONFIG")
    return json.loads(config)["task"]["index"] if config else None


def run_workers(number: int, restarts: int) -> int:
    """Runs the current script once per worker, until all workers have finished.

    Args:
        number: Number of workers.
        restarts: Maximum number of restarts.

    Returns:
        The number of restarts.
    """
    for attempt in range(restarts + 1):
        workers = _start(number)
        try:
            lost = _first_to_fail(workers)
        finally:
            for worker in workers:
                worker.kill()  # a worker that waits for a lost one ignores SIGTERM
                worker.wait()
        if lost is None:
            return attempt
        if (code := workers[lost].returncode) > 0:  # the error would occur again
            sys.exit(f"error: worker {lost} ended with exit code {code}. Its error is above.")
        print(f"worker {lost} was lost, by signal {-code}; the others were stopped", flush=True)
    sys.exit(f"error: a worker was lost {restarts + 1} times. Pass --resume to continue.")


def _start(number: int) -> list[subprocess.Popen]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    workers = []
    for index in range(number):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
        workers.append(subprocess.Popen([sys.executable, *sys.argv], env=environment))
        print(f"worker {index} is process {workers[-1].pid}", flush=True)
    return workers


def _first_to_fail(workers: list[subprocess.Popen]) -> int | None:
    """Waits until all workers have finished or one has failed; returns its number."""
    while True:
        codes = [worker.poll() for worker in workers]
        if any(codes):  # a killed worker before those that fail because of it
            return codes.index(min(code for code in codes if code))
        if None not in codes:
            return None
        time.sleep(0.1)
