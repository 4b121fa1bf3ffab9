"""Alternating runs (A B A B ...), so that changes of the host's speed affect all candidates."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent


def time_command(command: Sequence[str]) -> float:
    """Returns the elapsed seconds of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def compare_commands(
    name: str, ours: Sequence[str], baseline: Sequence[str], *, runs: int = 5
) -> float:
    """Times two commands in alternation, after a warm-up run of each, and prints their ratio.

    Args:
        name: Name of the ratio.
        ours: The command that is measured.
        baseline: The command that it is compared with.
        runs: Number of timed runs of each. Defaults to `5`.

    Returns:
        The median over runs of the time of `ours` divided by that of `baseline`.
    """
    times = [(time_command(ours), time_command(baseline)) for _ in range(runs + 1)][1:]
    return report_ratio(name, [a / b for a, b in times])


def report_ratio(name: str, ratios: Sequence[float]) -> float:
    """Prints median and range of the ratios of all runs, and returns the median."""
    median = statistics.median(ratios)
    print(
        f"{name} = {median:.2f} (from {min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} runs; "
        f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, Python {sys.version.split()[0]})",
        flush=True,
    )
    return median


class Worker:
    """A script of this folder in its own process, which is set up once and timed repeatedly.

    The script has to end with `serve`.

    Args:
        script: File name.
        *arguments: Command-line arguments.
    """

    def __init__(self, script: str, *arguments: object):
        command = [sys.executable, str(HERE / script), *map(str, arguments)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )
        self._read_line()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended. Run it by itself to see the error.")
        return line

    def run(self) -> float:
        """Runs the function of the script and returns the elapsed seconds."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return float(self._read_line())

    def close(self) -> None:
        """Ends the script."""
        self._process.communicate()


def run_alternating(workers: Mapping[str, Worker], runs: int) -> dict[str, list[float]]:
    """Runs the workers in alternation, closes them, and returns the seconds of each run."""
    seconds = {name: [] for name in workers}
    for _ in range(runs):
        for name, worker in workers.items():
            seconds[name].append(worker.run())
    for worker in workers.values():
        worker.close()
    return seconds


def serve(function: Callable[[], object]) -> None:
    """Runs in a `Worker`: calls the function once to warm up, then once per line of the input.

    Prints a line after the warm-up, and the elapsed seconds of each later call.
    """
    function()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        function()
        print(time.perf_counter() - start, flush=True)
