"""Time of `import rankkit` / `import tensorflow` with access to `tf.keras`. Goal: at most 1.2."""

import sys

from alternating import compare_commands


def ratios(runs=9):
    name = "import: time of rankkit / tensorflow"
    ours = [sys.executable, "-c", "import rankkit"]
    baseline = [sys.executable, "-c", "import tensorflow as tf; tf.keras.Model"]
    return {name: compare_commands(name, ours, baseline, runs=runs)}


if __name__ == "__main__":
    ratios()
