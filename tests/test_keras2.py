"""The choice of Keras 2, each case in a process of its own."""

import os
import subprocess
import sys

import pytest
import rankkit as rk

pytestmark = pytest.mark.slow

# A search of keras-tuner with a model of rankkit.
TUNE = """
import tempfile
import keras_tuner
rows = {"user_id": ["7", "42"] * 8, "rating": [1.0, 5.0] * 8}
def build(hp):
    head = rk.layers.DenseRatingHead([hp.Int("width", 1, 8)])
    network = rk.ranking_network({"user_id": rk.layers.IdEmbedding(["7", "42"], 4)}, head=head)
    model = rk.RankingModel(network, label="rating")
    model.compile(optimizer="adagrad")
    return model
temporary = tempfile.TemporaryDirectory()
tuner = keras_tuner.RandomSearch(
    build,
    objective=keras_tuner.Objective("val_root_mean_squared_error", "min"),
    max_trials=1,
    directory=temporary.name,
)
batches = rk.data.batches(rows, 4)
tuner.search(batches, epochs=1, validation_data=batches, verbose=0)
assert isinstance(tuner.get_best_models()[0], rk.RankingModel)
assert "tf_keras" not in getattr(sys.modules.get("keras"), "__name__", "")
"""


@pytest.fixture
def run(run_after_tensorflow, tmp_path):
    """Runs code in a new process and checks that it succeeds."""

    def run(code):
        code = "import os, sys\nos.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\n" + code
        if "import tensorflow" in code.splitlines()[2]:
            (tmp_path / "code.py").write_text(code)
            exit_code, errors = run_after_tensorflow(tmp_path / "code.py", tmp_path)
            assert exit_code == 0, errors
            return
        # A user's process does not have the variable that rankkit sets in this one.
        fresh = {name: value for name, value in os.environ.items() if name != "TF_USE_LEGACY_KERAS"}
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=fresh
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.mark.parametrize(
    "before",
    [
        "import rankkit as rk",
        "import tensorflow as tf; import rankkit as rk",
        "import keras; import rankkit as rk",
        "import rankkit as rk; import keras; assert keras.__version__[0] == '3'",
    ],
)
def test_keras_tuner_searches_models_of_rankkit(before, run):
    run(f"{before}\n{TUNE}")


def test_every_import_of_tf_keras_is_keras_2(run):
    run(
        "import tensorflow as tf, rankkit\n"
        "from tensorflow.keras import layers\n"
        "from tensorflow import keras\n"
        "import tensorflow.keras.layers as again\n"
        "[found] = {layers.Dense, keras.layers.Dense, again.Dense, tf.keras.layers.Dense}\n"
        "assert found.__module__.startswith('tf_keras.')\n"
    )


@pytest.mark.parametrize(
    ("before", "named"),
    [
        ("import tensorflow as tf; tf.keras.layers", r"Keras 3 \(as tf.keras\)"),
        ("import tensorflow; from tensorflow.keras import layers", r"Keras 3 \(as tf.keras\)"),
        ("import tensorflow, keras_tuner", "keras_tuner"),
    ],
)
def test_keras_3_imported_before_rankkit_raises(before, named, run):
    run(
        f"{before}\n"
        "import re\n"
        "try:\n"
        "    import rankkit\n"
        "except ImportError as error:\n"
        f"    assert re.search({named!r} + ' was imported before rankkit', str(error)), error\n"
        "    assert 'Import rankkit first' in str(error)\n"
        "else:\n"
        "    raise AssertionError('no ImportError')\n"
    )


def test_import_of_rankkit_alone_is_fast_and_lets_keras_load_a_network(run, tmp_path):
    layers = {"u": rk.layers.IdEmbedding(["a"], 4)}
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([4]))
    network.save(tmp_path / "n.keras")
    slow = {"tensorflow_datasets", "keras_tuner", "matplotlib", "ai_edge_litert", "sklearn"}
    run(f"""
import rankkit
assert not sys.modules.keys() & {slow | {"pyspark"}}
import tensorflow as tf
assert tf.keras.models.load_model({str(tmp_path / "n.keras")!r}, compile=False).layers
""")


def test_the_command_does_not_import_tensorflow(run):
    code = "sys.argv[0] = 'bin/rankkit'; import rankkit.cli.main"
    run(f"{code}; assert 'tensorflow' not in sys.modules")
