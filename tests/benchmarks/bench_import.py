"""`import rankkit` against `import tensorflow` and touching `tf.keras`. Goal: at most 1.2."""

import sys

from alternating import compare

if __name__ == "__main__":
    compare(
        "import",
        lambda run: [sys.executable, "-c", "import rankkit"],
        lambda run: [sys.executable, "-c", "import tensorflow as tf; tf.keras.Model"],
        runs=9,
    )
