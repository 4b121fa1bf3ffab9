import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import rankkit as rk
from rankkit.export.parity import check_parity, check_rank_signatures
import tensorflow as tf


def test_serving_default_and_a_call_with_a_dict_score_like_the_model(exported, loaded):
    columns = {"user_id": tf.constant(["42", "?"]), "movie_title": tf.constant(["c", "?"])}
    expected = exported[0](columns)
    outputs = loaded.signatures["serving_default"](**columns)
    assert list(outputs) == ["rating"]
    np.testing.assert_allclose(outputs["rating"], expected, atol=1e-6)
    plain = {"user_id": np.array(["42", "?"]), "movie_title": ["c", "?"]}
    np.testing.assert_allclose(loaded(plain), expected, atol=1e-6)


def test_rank_signature_ranks_like_rank(exported, loaded):
    rank = loaded.signatures["rank"]
    titles = ["a", "b", "c", "new", "b"]
    outputs = rank(user_id=tf.constant(["42"]), movie_title=tf.constant(titles), k=tf.constant(3))
    expected = rk.rank(exported[0], {"user_id": "42"}, {"movie_title": titles}, k=3)
    assert [title.decode() for title in outputs["movie_title"].numpy()] == [t for t, _ in expected]
    np.testing.assert_allclose(outputs["rating"], [score for _, score in expected], atol=1e-6)
    assert [titles[i] for i in outputs["index"].numpy()] == [title for title, _ in expected]
    assert outputs["user_id"].numpy().tolist() == [b"42"] * 3


def test_rank_signature_takes_any_number_of_candidates_and_any_k(loaded):
    rank = loaded.signatures["rank"]
    user, titles, k = tf.constant(["42"]), tf.constant(["a", "b", "c"]), tf.constant(9)
    assert rank(user_id=user, movie_title=titles, k=k)["index"].shape == (3,)
    assert rank(user_id=user, movie_title=titles[:0], k=k)["rating"].shape == (0,)
    with pytest.raises(tf.errors.InvalidArgumentError, match="k must be an integer of at least 1"):
        rank(user_id=user, movie_title=titles, k=tf.constant(0))
    with pytest.raises(tf.errors.InvalidArgumentError):
        rank(user_id=tf.constant(["1", "2"]), movie_title=titles, k=k)


def test_rank_signature_keeps_the_order_of_equal_scores(tmp_path):
    layers = {"item": rk.layers.IdEmbedding(["a", "b"], 1)}
    flat = rk.ranking_network(layers, head=lambda vector: 0.0 * vector)
    rk.export.save(flat, tmp_path / "1")
    rank = tf.saved_model.load(str(tmp_path / "1")).signatures["rank"]
    outputs = rank(item=tf.constant(["b", "a", "x", "b"]), k=tf.constant(4))
    assert outputs["index"].numpy().tolist() == [0, 1, 2, 3]


def test_a_network_is_traced_once_for_each_signature(tmp_path):
    traced = []

    class Head(rk.layers.DenseRatingHead):
        def call(self, vector, training=None):
            traced.append(not tf.executing_eagerly())
            return super().call(vector, training=training)

    network = rk.ranking_network({"item": rk.layers.IdEmbedding(["a", "b"], 1)}, head=Head([]))
    traced.clear()
    rk.export.save(network, tmp_path / "1")
    assert sum(traced) == 2


@pytest.mark.slow
def test_saved_model_cli_shows_and_runs_the_signatures(exported):
    model, folder = exported

    def cli(command, *arguments):
        script = Path(sys.executable).with_name("saved_model_cli")
        arguments = [str(script), command, "--dir", str(folder / "1"), *arguments]
        return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout

    def run(signature, inputs):
        settings = ("--tag_set", "serve", "--signature_def", signature, "--input_exprs", inputs)
        return cli("run", *settings)

    shown = cli("show", "--all")
    assert "signature_def['serving_default']" in shown
    assert "signature_def['rank']" in shown
    output = run("rank", "user_id=['42'];movie_title=['a', 'b', 'new'];k=2")
    best = rk.rank(model, {"user_id": "42"}, {"movie_title": ["a", "b", "new"]}, k=2)
    assert "[" + " ".join(repr(title.encode()) for title, _ in best) + "]" in output


@pytest.mark.slow
def test_saved_model_is_loaded_without_rankkit(exported, tmp_path, run_after_tensorflow):
    (tmp_path / "code.py").write_text(
        "import sys, tensorflow as tf\n"
        f"loaded = tf.saved_model.load({str(exported[1] / '1')!r})\n"
        "loaded({'user_id': tf.constant(['42']), 'movie_title': tf.constant(['a'])})\n"
        "assert 'rankkit' not in sys.modules\n"
    )
    exit_code, output = run_after_tensorflow(tmp_path / "code.py", tmp_path)
    assert exit_code == 0, output


def test_save_logs_nothing(make_network, tmp_path, capfd):
    rk.export.save(make_network(), tmp_path / "1")
    assert capfd.readouterr() == ("", "")


def test_integer_ids_and_shared_layers_are_exported(make_network, tmp_path):
    shared = rk.layers.IdEmbedding([3, -4, 2**40], 4)
    network = make_network(seen=shared, now=shared)
    columns = {"seen": [3, -4, 5], "now": [2**40, 3, 3]}
    rk.export.save(network, tmp_path / "2", sample=columns)
    rk.export.to_tflite(tmp_path / "2", tmp_path / "r.tflite")
    arrays = {name: np.array(column) for name, column in columns.items()}
    small = {"seen": np.array([3, -4], np.int32), "now": np.array([3, 5], np.int8)}
    for path in ("2", "r.tflite"):
        scorer = rk.export.load(tmp_path / path)
        for rows in (columns, arrays, small):
            expected = network({name: tf.constant(ids, tf.int64) for name, ids in rows.items()})
            np.testing.assert_allclose(scorer(rows), expected, atol=1e-6)


def test_existing_folder_is_not_changed(exported):
    model, folder = exported
    before = sorted(path.name for path in (folder / "1").iterdir())
    with pytest.raises(FileExistsError, match="path must be new. Got: path='.*/1', which exists"):
        rk.export.save(model, folder / "1")
    assert sorted(path.name for path in (folder / "1").iterdir()) == before


def test_path_without_a_version_or_that_cannot_be_written_raises(exported, tmp_path):
    for name in ("export", "v1", "0", "-1", "00", "²", "\u0661", str(2**63), "9" * 5000):
        with pytest.raises(ValueError, match="path must be a folder named by a version number"):
            rk.export.save(exported[0], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_versions_of_one_number_are_refused(exported, tmp_path):
    """TensorFlow Serving reads "01" as 1, and would not serve one of two such folders."""
    rk.export.save(exported[0], tmp_path / "01")
    with pytest.raises(FileExistsError, match="'01' as the same version as '.*/1'.*another number"):
        rk.export.save(exported[0], tmp_path / "1")
    assert [path.name for path in tmp_path.iterdir()] == ["01"]
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        rk.export.save(exported[0], tmp_path / "file" / "1")


@pytest.mark.slow
def test_full_disk_leaves_no_files(tmp_path):
    """A limit on the size of any file simulates the full disk."""
    code = (
        "import resource, signal, sys\n"
        "import rankkit as rk\n"
        "layers = {'id': rk.layers.IdEmbedding([str(i) for i in range(5000)], 64)}\n"
        "network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n"
        f"    rk.export.save(network, {str(tmp_path / '1')!r})\n"
        "except OSError as error:\n"
        "    assert '1 cannot be written (File too large)' in str(error), error\n"
        "    sys.exit(3)\n"
    )
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", code], check=False, env=environment, timeout=120)
    assert done.returncode == 3
    assert list(tmp_path.iterdir()) == []


def test_export_with_other_scores_is_not_written(tmp_path):
    @tf.keras.utils.register_keras_serializable(package="rankkit-tests")
    class Drifting(tf.keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.calls = 0.0

        def call(self, inputs):
            self.calls += 1.0  # another constant in each trace
            return inputs[:, :1] * 0.0 + self.calls

    net = rk.ranking_network({"id": rk.layers.IdEmbedding(["a"], 2)}, head=Drifting())
    with pytest.raises(ValueError, match="SavedModel must have the scores of its source.*Nothing"):
        rk.export.save(net, tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def test_feature_named_like_an_output_raises(tmp_path):
    inputs = tf.keras.Input((), dtype=tf.string, name="k")  # not by ranking_network
    net = tf.keras.Model({"k": inputs}, rk.layers.IdEmbedding(["a"], 1)(inputs))
    with pytest.raises(ValueError, match="Column name 'k' is reserved"):
        rk.export.save(net, tmp_path / "1")


@pytest.mark.parametrize("score", [0.5, 5.0, 80.0])
def test_parity_is_checked_within_the_tolerance(score):
    def scorer(times):
        return lambda columns: np.full(len(columns["x"]), score + times * 1e-5 * max(1.0, score))

    check_parity("It", scorer(0.9), scorer(0.0), {"x": [1, 2]})
    with pytest.raises(ValueError, match="It must have the scores of its source"):
        check_parity("It", scorer(1.1), scorer(0.0), {"x": [1, 2]})
    with pytest.raises(ValueError, match="sample must be a dict of columns with at least one row"):
        check_parity("It", scorer(0.0), scorer(0.0), {"x": []})
    with pytest.raises(ValueError, match="cores of the model must be finite.*Got: .*nan"):
        check_parity("It", scorer(0.0), scorer(np.nan), {"x": [1]})


def test_layer_without_sample_values_needs_a_sample(make_network, tmp_path):
    plain = tf.keras.layers.Reshape((1,))
    plain.feature_spec = tf.TensorSpec((None,), tf.float32)
    network = make_network(age=plain)
    with pytest.raises(TypeError, match="No layer that reads feature 'age' has a method sample_v"):
        rk.export.save(network, tmp_path / "1")
    rk.export.save(network, tmp_path / "1", sample={"age": np.array([1.0, 2.0], np.float32)})
    assert (tmp_path / "1" / "saved_model.pb").is_file()


@pytest.mark.parametrize(("features", "calls"), [(5, 5), (20, 8)])
def test_features_of_wide_networks_are_checked_in_groups(features, calls):
    names = [f"x{number}" for number in range(features)]
    layers = {name: rk.layers.NormalizedNumber(0.0, 1.0) for name in names}
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([2]))
    queries = []

    def rank(k, **columns):
        queries.append([name for name in names if len(columns[name]) == 1])
        rows = {name: tf.broadcast_to(column, [3]) for name, column in columns.items()}
        return {"index": tf.range(k), "rating": network(rows)[:, 0]}

    loaded = types.SimpleNamespace(signatures={"rank": rank})
    sample = {name: tf.random.normal([3]) for name in names}
    check_rank_signatures(loaded, network, sample, None)
    assert len(queries) == calls
    # Each feature is once part of the query.
    assert sorted(name for query in queries for name in query) == sorted(names)


def test_sample_values_are_found_within_sequential_models(tmp_path):
    ids = rk.layers.IdEmbedding(["7", "42"], 4)
    tower = tf.keras.Sequential([tf.keras.Sequential([ids]), tf.keras.layers.Dense(2)])
    tower.feature_spec = ids.feature_spec
    network = rk.ranking_network({"user_id": tower}, head=rk.layers.DenseRatingHead([2]))
    rk.export.save(network, tmp_path / "1")
    columns = {"user_id": ["7", "?"]}
    expected = network({"user_id": tf.constant(columns["user_id"])})
    np.testing.assert_allclose(rk.export.load(tmp_path / "1")(columns), expected, atol=1e-6)
