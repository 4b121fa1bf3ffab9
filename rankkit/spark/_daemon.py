"""Forks Spark's Python workers; importing this has imported TensorFlow, once for all of them."""

import gc

from pyspark.daemon import manager

if __name__ == "__main__":
    gc.freeze()  # a collection in a worker would copy the shared memory
    manager()
