"""Times things in turn, A B A B, so that a machine that slows down slows all of them."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent


def seconds(command: Sequence[str]) -> float:
    """Wall time of one run of a command, from start to end."""
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


def compare(
    name: str,
    ours: Callable[[int], Sequence[str]],
    theirs: Callable[[int], Sequence[str]],
    *,
    runs: int = 5,
) -> float:
    """Prints the median ratio of ours to theirs over alternating runs, after one warm-up each.

    Args:
        name: What is compared.
        ours: The run's number to the command.
        theirs: The same for what it is measured against.
        runs: Counted runs of each. Defaults to `5`.

    Returns:
        The median of the ratios, run by run.
    """
    times = [(seconds(ours(run)), seconds(theirs(run))) for run in range(runs + 1)][1:]
    return told(name, [one / other for one, other in times])


def told(name: str, ratios: Sequence[float]) -> float:
    """Prints ratios, and gives their median."""
    middle = statistics.median(ratios)
    print(
        f"{name} = {middle:.2f} (from {min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} runs; "
        f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, Python {sys.version.split()[0]})",
        flush=True,
    )
    return middle


class Worker:
    """A script of this folder that gets ready once and is then timed as often as it is asked.

    It prints a line when it is ready, and the seconds of each run after a line that it reads.

    Args:
        script: Its file name.
        *arguments: What it is started with.
    """

    def __init__(self, script: str, *arguments: object):
        command = [sys.executable, str(HERE / script), *map(str, arguments)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended: run it by itself to see why.")
        return line

    def run(self) -> float:
        """Gives the seconds of a run."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return float(self._line())

    def end(self) -> None:
        """Ends the script."""
        self._process.communicate()


def in_turn(workers: Mapping[str, Worker], runs: int) -> dict[str, list[float]]:
    """Gives the seconds of each worker's runs, one of each in turn, and ends them."""
    found = {name: [] for name in workers}
    for _ in range(runs):
        for name, worker in workers.items():
            found[name].append(worker.run())
    for worker in workers.values():
        worker.end()
    return found


def serve(run: Callable[[], object]) -> None:
    """What a worker's script ends with: runs something whenever it is asked, after once unasked."""
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        run()
        print(time.perf_counter() - started, flush=True)
