"""Time of importing rankkit's names / `import tensorflow` with access to `tf.keras`.

The names are those of training, ranking, evaluation and export. Goal: at most 1.2.
"""

import sys

from alternating import compare_commands


def ratios(runs=9):
    name = "import: time of rankkit / tensorflow"
    names = "RankingModel, data, evaluate_ranking, export, layers, models, rank"
    ours = [sys.executable, "-c", f"from rankkit import {names}"]
    baseline = [sys.executable, "-c", "import tensorflow as tf; tf.keras.Model"]
    return {name: compare_commands(name, ours, baseline, runs=runs)}


if __name__ == "__main__":
    ratios()
