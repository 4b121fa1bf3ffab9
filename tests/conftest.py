"""Sets up TensorFlow for all tests, and has the fixtures that several folders use."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# With these options the Java process of Spark starts in half the time; it runs slower later on.
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:+UseSerialGC -XX:TieredStopAtLevel=1")

import rankkit as rk  # isort: skip
import hypothesis
import numpy as np
import pytest
import tensorflow as tf

sys.path.append(str(Path(__file__).parents[1] / "docs" / "_run"))
import forked

# A shell starts background jobs with SIGINT ignored, and processes that tests start inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Two logical devices, for the mirrored strategy. They have to be configured before TensorFlow runs
# its first operation. Operations without a device run on the first, as always.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

# On a busy host an example takes longer than Hypothesis allows by default.
hypothesis.settings.register_profile("rankkit", deadline=None, max_examples=50)
hypothesis.settings.load_profile("rankkit")

# A process of pytest-xdist runs all tests of a file, since they share fixtures, with exceptions:
# folders that share a slow fixture, and files of long tests, which would leave the other one idle.
TOGETHER = ("tests/cli/", "tests/serving/", "tests/spark/")
APART = (
    "tests/test_examples.py",
    "tests/test_keras2.py",
    "tests/tuning/test_processes.py",
    "tests/tuning/test_search.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Groups tests for `--dist loadgroup`; groups of many tests start first."""
    from xdist.scheduler import LoadGroupScheduling

    class GroupScheduling(LoadGroupScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(APART):
                return nodeid
            folders = (folder for folder in TOGETHER if nodeid.startswith(folder))
            return next(folders, nodeid.partition("::")[0])

    return GroupScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.fixture(scope="module", autouse=True)
def _freeze_objects():
    """Excludes imported modules, and what tests of other files left, from garbage collection.

    A search collects garbage before each trial, which takes a second if earlier tests have left a
    million objects: graphs of large models, loaded from files, outlive the models.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _set_seeds():
    tf.keras.utils.set_random_seed(7)


@pytest.fixture(scope="session")
def mirrored_strategy():
    """Two replicas on the CPU.

    There is one strategy for all tests: two of them number their collective operations alike and
    abort each other with a shape mismatch.
    """
    # Unlike other cross-device operations, this one keeps no shapes from strategy to strategy.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy(["/cpu:0", "/cpu:1"], cross_device_ops=reduction)


@pytest.fixture(scope="session")
def _movielens_ratings():
    return rk.data.movielens("100k", columns=["user_id", "movie_title", "user_rating"])


@pytest.fixture
def movielens_ratings(_movielens_ratings) -> dict[str, np.ndarray]:
    """The 100,000 ratings of MovieLens 100K, read once, as a new dict for each test."""
    return dict(_movielens_ratings)


@pytest.fixture
def check_exports(tmp_path):
    """Saves and exports a model, and checks that every file gives its scores."""

    def check(model, columns, atol=1e-5):
        model.save(tmp_path / "model.keras")
        rk.export.save(model, tmp_path / "1")
        rk.export.to_tflite(tmp_path / "1", tmp_path / "ranker.tflite")
        for file in ("model.keras", "1", "ranker.tflite"):
            loaded = rk.export.load(tmp_path / file)
            assert rk.export.max_abs_difference(model, loaded, columns) < atol, file

    return check


@pytest.fixture(scope="session")
def warm_python(tmp_path_factory):
    """The start of a command that runs Python in a process that has imported only TensorFlow.

    This saves the seconds of the import, without an effect on the code: `tf.keras` is chosen later.
    """
    with forked.serve(str(tmp_path_factory.mktemp("forked"))):
        yield [sys.executable, "-S", forked.__file__]


@pytest.fixture
def run_after_tensorflow(warm_python):
    """Runs a script in a process that has imported only TensorFlow.

    Returns the exit code and the output.
    """

    def run(script, folder):
        # Importing rankkit has set this variable; the environment of a user does not have it.
        env = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
        command = [*warm_python, str(script)]
        done = subprocess.run(command, cwd=folder, env=env, text=True, stdout=PIPE, stderr=STDOUT)
        return done.returncode, done.stdout

    return run
