"""Fixtures for all tests, and settings that TensorFlow needs before it starts."""

import gc
import json
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Without the optimizing compiler, which short tests do not need, Spark's JVM starts faster.
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")

import rankkit as rk  # isort: skip
import numpy as np
import pytest
import tensorflow as tf

# Two logical devices for tests of replicas, created with the first operation; whatever
# names no device runs on the first.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


# Tests that share a slow fixture: one of the test processes gets all of them.
TOGETHER = (
    "tests/spark/",
    "tests/distributed/test_parameter_server.py",
    "tests/tuning/test_processes.py",
    "tests/tuning/test_search_end_to_end.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Groups tests for `--dist loadgroup`, whose marks pytest 9.2 loses with xdist 3.8."""
    from xdist.scheduler import LoadGroupScheduling

    class Together(LoadGroupScheduling):
        def _split_scope(self, nodeid):
            shared = (start for start in TOGETHER if nodeid.startswith(start))
            return next(shared, nodeid)

    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_finish():
    """Excludes imported objects from garbage collection, which a search runs after each trial."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeds():
    tf.keras.utils.set_random_seed(7)


@pytest.fixture(scope="session")
def mirrored_strategy():
    """Two replicas on the CPU, one strategy for the whole run.

    Strategies number their collective operations from the same start, so that two of them in one
    process abort each other with a shape mismatch.
    """
    # Collective operations of one process remember shapes from strategy to strategy.
    across = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"], cross_device_ops=across)


@pytest.fixture(scope="session")
def _movielens_ratings():
    return rk.data.movielens("100k", columns=["user_id", "movie_title", "user_rating"])


@pytest.fixture
def movielens_ratings(_movielens_ratings) -> dict[str, np.ndarray]:
    """The 100,000 ratings of MovieLens 100K: read once, a new dict for each test."""
    return dict(_movielens_ratings)


# Imports TensorFlow once, then forks a process for each script.
_RUNS_SCRIPTS = """
import json, os, runpy, sys
import tensorflow

for line in sys.stdin:
    script, folder, log = json.loads(line)
    if not (child := os.fork()):
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
os.chdir(folder)
for place, name in enumerate((os.devnull, log, log)):
    os.dup2(os.open(name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC), place)
sys.argv, sys.path[0] = [script], os.path.dirname(script)
runpy.run_path(script, run_name="__main__")
"""


@pytest.fixture(scope="session")
def _tensorflow_process():
    # As in a user's shell: importing rankkit has set the variable in this process.
    env = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    with subprocess.Popen(
        [sys.executable, "-c", _RUNS_SCRIPTS],
        env=env,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        yield process


@pytest.fixture
def run_after_tensorflow(_tensorflow_process, tmp_path):
    """Runs a script in a process that has imported TensorFlow, and returns exit code and output.

    The import takes seconds, and does not resolve `tf.keras` yet.
    """

    def run(script, folder):
        log = tmp_path / "output.txt"
        process = _tensorflow_process
        process.stdin.write(json.dumps([str(script), str(folder), str(log)]) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline()), log.read_text()

    return run
