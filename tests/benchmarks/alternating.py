"""Times two commands in turn, A B A B, so that a machine that slows down slows both."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence


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
    ratios = [one / other for one, other in times]
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    print(
        f"{name}: ours / theirs = {statistics.median(ratios):.2f} "
        f"(from {min(ratios):.2f} to {max(ratios):.2f}, {runs} runs each; "
        f"medians {medians[0]:.2f} s and {medians[1]:.2f} s; "
        f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, Python {sys.version.split()[0]})"
    )
    return statistics.median(ratios)
