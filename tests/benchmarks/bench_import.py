"""`import rankkit` against `import tensorflow` and touching `tf.keras`. Goal: at most 1.2."""

import sys

from alternating import compare


def ratios(runs=9):
    name = "import: time of rankkit / tensorflow"
    ours = [sys.executable, "-c", "import rankkit"]
    theirs = [sys.executable, "-c", "import tensorflow as tf; tf.keras.Model"]
    return {name: compare(name, lambda run: ours, lambda run: theirs, runs=runs)}


if __name__ == "__main__":
    ratios()
