"""The whole job, start of Python to TensorFlow Lite file: the example against the tutorial's way.

Both read MovieLens 100K as TFDS has prepared it, train the same network on the same rows for three
epochs, evaluate, rank, and export to a SavedModel and to TensorFlow Lite. The example also
validates and keeps each epoch, compares scores over all test rows, and draws a plot, which is left
out of what comes after the imports: that is a step of its own that the tutorial has not. Goals: the
whole in at most 0.5 of the time, and what comes after the imports at least 4 times as fast.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alternating import HERE, told

EXAMPLE = HERE.parents[1] / "examples" / "01_movielens_ranking.py"


def timed(*command):
    """A script's output, and its seconds from start to end."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *map(str, command)], check=True, capture_output=True)
    return done.stdout.decode(), time.perf_counter() - started


def after_imports(seconds):
    return sum(took for step, took in seconds.items() if step not in ("import", "plot"))


def ratios(runs=5):
    whole, rest = [], []
    for run in range(runs + 1):
        with tempfile.TemporaryDirectory() as folder:
            _, ours = timed(EXAMPLE, "--output-dir", f"{folder}/run")
            told_by_us = json.loads(Path(folder, "run", "metrics.json").read_text())
        text, theirs = timed(HERE / "tutorial_way.py")
        told_by_them = json.loads(text.splitlines()[-1])
        if run:  # the first warms up
            whole.append(ours / theirs)
            pair = [after_imports(each["seconds"]) for each in (told_by_us, told_by_them)]
            rest.append(pair[1] / pair[0])
    names = (
        "the tutorial's whole job: time of the example / the tutorial's way",
        "the tutorial's job after imports: speed of the example / the tutorial's way",
    )
    return {name: told(name, each) for name, each in zip(names, (whole, rest), strict=True)}


if __name__ == "__main__":
    ratios()
