"""Puts the process in the state that every test counts on, before TensorFlow starts."""

import gc
import json
import os
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Spark's Java starts in half the time, and would need longer than tests last to make up for it.
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")

import rankkit as rk  # isort: skip
import numpy as np
import pytest
import tensorflow as tf

# Two devices to mirror over. TensorFlow lays them out once, when it first runs an operation; all
# that names no device runs on the first one, as ever.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


# Tests that share what is slow to make: one of the processes that run tests gets all of them.
TOGETHER = (
    "tests/spark/",
    "tests/distributed/test_parameter_server.py",
    "tests/tuning/test_pruning.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Does for `--dist loadgroup` what the marks of xdist 3.8 do not: pytest 9.2 loses them."""
    from xdist.scheduler import LoadGroupScheduling

    class Together(LoadGroupScheduling):
        def _split_scope(self, nodeid):
            shared = (start for start in TOGETHER if nodeid.startswith(start))
            return next(shared, nodeid)

    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_collection_finish():
    """Spares the garbage collector what is imported, and stays: a search collects at each trial."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _seeds():
    tf.keras.utils.set_random_seed(7)


@pytest.fixture(scope="session")
def mirrored_strategy():
    """Two replicas on this machine's CPU.

    One for the whole run: each strategy numbers its collective operations from the same start, and
    two that meet in a process abort each other with a shape mismatch.
    """
    # Collectives of one process remember shapes from strategy to strategy.
    across = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"], cross_device_ops=across)


@pytest.fixture(scope="session")
def _movielens_ratings():
    return rk.data.movielens("100k", columns=["user_id", "movie_title", "user_rating"])


@pytest.fixture
def movielens_ratings(_movielens_ratings) -> dict[str, np.ndarray]:
    """The 100,000 ratings of MovieLens 100K: read once, a fresh dict for every test."""
    return dict(_movielens_ratings)


# Imports TensorFlow once; each script that it is told of then has a process of its own.
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
    # As a user's shell has it: importing rankkit has set the variable in this process.
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
    """Runs a script in a process that has imported TensorFlow and nothing else.

    It saves the seconds of that import, and nothing of it can be seen by the script: `tf.keras` is
    chosen later. Gives the exit code and the output.
    """

    def run(script, folder):
        log = tmp_path / "output.txt"
        process = _tensorflow_process
        process.stdin.write(json.dumps([str(script), str(folder), str(log)]) + "\n")
        process.stdin.flush()
        return int(process.stdout.readline()), log.read_text()

    return run
