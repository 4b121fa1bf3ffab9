"""Runs an example for its page, which shows what it printed and drew."""

import os
import subprocess
import sys
from pathlib import Path


def run_example(script: str, *options: str) -> None:
    """Runs a script of `examples/` in the current folder, and prints what it printed.

    Args:
        script: Name of the file.
        options: Of its command line.
    """
    path = Path(os.environ["RANKKIT_EXAMPLES"]) / script
    run = subprocess.run([sys.executable, path, *options], capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"{script} failed:\n{run.stderr[-4000:]}")
    # Of a progress bar, the last state: it moves by backspaces.
    print(*(line.rpartition("\b")[2] for line in run.stdout.splitlines()), sep="\n")
