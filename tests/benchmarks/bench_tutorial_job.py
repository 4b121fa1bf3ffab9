"""The whole job, start of Python to TensorFlow Lite file: the example against the tutorial's way.

Both read MovieLens 100K as TFDS has prepared it, train the same network on the same rows for three
epochs, evaluate, rank, and export to a SavedModel and to TensorFlow Lite. The example also
validates each epoch, compares scores and draws a plot. Goal: at most 0.5.
"""

import sys
import tempfile
from pathlib import Path

from alternating import compare

ROOT = Path(__file__).parents[2]


def ratios(runs=5):
    name = "the tutorial's whole job: time of the example / the tutorial's way"
    example = [sys.executable, str(ROOT / "examples" / "01_movielens_ranking.py")]
    tutorial = [sys.executable, str(Path(__file__).with_name("tutorial_way.py"))]
    with tempfile.TemporaryDirectory() as folder:
        ours = lambda run: [*example, "--output-dir", f"{folder}/{run}"]  # noqa: E731
        return {name: compare(name, ours, lambda run: tutorial, runs=runs)}


if __name__ == "__main__":
    ratios()
