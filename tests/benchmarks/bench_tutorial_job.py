"""Time of example 01 / of the tutorial's code, from starting Python to the TensorFlow Lite file.

Both read MovieLens 100K as prepared by TFDS, train the same network on the same rows for three
epochs, evaluate, rank, and export to a SavedModel and to TensorFlow Lite. The example also
validates and backs up each epoch, compares scores over all test rows, and plots the learning curve.
The time after the imports excludes the plot, which the tutorial does not have. Goals: at most 0.5
of the total time, and after the imports at least 4 times as fast.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alternating import HERE, report_ratio

EXAMPLE = HERE.parents[1] / "examples" / "01_movielens_ranking.py"


def run_script(*command):
    """Returns the output of a script and its elapsed seconds."""
    start = time.perf_counter()
    process = subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    return process.stdout.decode(), time.perf_counter() - start


def seconds_after_imports(seconds):
    return sum(elapsed for step, elapsed in seconds.items() if step not in ("import", "plot"))


def ratios(runs=5):
    total_ratios, speedups = [], []
    for run in range(runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            _, example = run_script(EXAMPLE, "--output-dir", f"{folder}/run")
            example_metrics = json.loads(Path(folder, "run", "metrics.json").read_text())
        text, tutorial = run_script(HERE / "tutorial_way.py")
        tutorial_metrics = json.loads(text.splitlines()[-1])
        if run:  # the first one warms up
            total_ratios.append(example / tutorial)
            after_imports = [
                seconds_after_imports(each["seconds"])
                for each in (example_metrics, tutorial_metrics)
            ]
            speedups.append(after_imports[1] / after_imports[0])
    names = (
        "tutorial, total: time of the example / the tutorial's code",
        "tutorial, after imports: speed of the example / the tutorial's code",
    )
    values = (total_ratios, speedups)
    return {name: report_ratio(name, each) for name, each in zip(names, values, strict=True)}


if __name__ == "__main__":
    ratios()
