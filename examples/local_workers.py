"""Runs a script by several workers of this machine, and all of them anew when one is lost."""

import json
import os
import socket
import subprocess
import sys
import time


def own_number() -> int | None:
    """Gives the number of the worker that this process is, `None` if it is none."""
    config = os.environ.get("TF_CONFIG")
    return json.loads(config)["task"]["index"] if config else None


def run_workers(number: int, restarts: int) -> int:
    """Runs the script that is running, once for each worker, until all of them have ended.

    Args:
        number: How many workers.
        restarts: How often to start all of them anew, at most.

    Returns:
        How often they were.
    """
    for attempt in range(restarts + 1):
        workers = _start(number)
        try:
            lost = _first_to_fail(workers)
        finally:
            for worker in workers:
                worker.kill()  # waiting for one that is lost, it would not hear anything gentler
                worker.wait()
        if lost is None:
            return attempt
        if (code := workers[lost].returncode) > 0:  # an error that would come again
            sys.exit(f"error: worker {lost} ended with exit code {code}. Its error is above.")
        print(f"worker {lost} was lost, by signal {-code}; the others were ended", flush=True)
    sys.exit(f"error: a worker was lost {restarts + 1} times. --resume goes on from here.")


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
    """Waits for the end of all workers, or for the first that fails."""
    while True:
        codes = [worker.poll() for worker in workers]
        if any(codes):  # one that was killed comes before one that misses it
            return codes.index(min(code for code in codes if code))
        if None not in codes:
            return None
        time.sleep(0.1)
