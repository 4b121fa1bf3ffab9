"""Runs an example for its page, which shows its output and plots."""

import os
import subprocess
import sys
from pathlib import Path


def run_example(script: str, *options: str) -> None:
    """Runs a script of `examples/` in the current folder and prints its output.

    Args:
        script: File name.
        *options: Command-line options.
    """
    path = Path(os.environ["RANKKIT_EXAMPLES"]) / script
    command = [sys.executable, "-S", "-m", "forked", path, *options]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"{script} failed:\n{run.stderr[-4000:]}")
    # Progress bars are rewritten by backspaces; only the last state is kept.
    print(*(line.rpartition("\b")[2] for line in run.stdout.splitlines()), sep="\n")
