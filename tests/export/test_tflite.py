import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

# What the tutorial's network needs, and no more: all of them built into every runtime.
BUILTIN = {
    "ADD",
    "CALL_ONCE",
    "GATHER",
    "HASHTABLE",
    "HASHTABLE_FIND",
    "HASHTABLE_IMPORT",
    "RESHAPE",
    "SHAPE",
}
BUILTIN |= {"CONCATENATION", "FULLY_CONNECTED", "DELEGATE", "VAR_HANDLE", "READ_VARIABLE"}


def network(*ids, **kwargs):
    layers = {
        "user_id": rk.layers.IdEmbedding(list(ids) or ["7", "42"], 4, **kwargs),
        "movie_title": rk.layers.IdEmbedding(["a", "b", "c"], 4),
    }
    return rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))


def export(net, folder):
    rk.export.save(net, folder / "1")
    rk.export.to_tflite(folder / "1", folder / "r.tflite")
    return folder / "r.tflite"


def test_strings_in_any_number_score_as_in_the_network(tmp_path):
    net = network()
    scorer = rk.export.load(export(net, tmp_path))
    for rows in (1, 5, 2):
        columns = {
            "user_id": ["7", "42", "stranger", "42", "é"][:rows],
            "movie_title": ["a", "b", "c", "new", "日本"][:rows],
        }
        scores = scorer(columns)
        assert scores.shape == (rows, 1)
        tensors = {name: tf.constant(column) for name, column in columns.items()}
        np.testing.assert_allclose(scores, net(tensors), atol=1e-6)


def test_builtin_operations_are_all_it_needs(tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(export(network(), tmp_path)))
    assert {details["op_name"] for details in interpreter._get_ops_details()} <= BUILTIN


def test_integer_ids_need_no_other_runtime(tmp_path):
    ids = [5, -3, 2**40, 0, 17]
    net = network(*ids)
    scorer = rk.export.load(export(net, tmp_path))
    columns = {"user_id": [*ids, 4, -(2**41)], "movie_title": ["a"] * 7}
    tensors = {"user_id": tf.constant(columns["user_id"], tf.int64), "movie_title": ["a"] * 7}
    expected = net({name: tf.convert_to_tensor(column) for name, column in tensors.items()})
    np.testing.assert_allclose(scorer(columns), expected, atol=1e-6)
    assert scorer.feature_specs["user_id"].dtype == tf.int64


def test_hashed_rows_are_refused_with_the_way_out(tmp_path):
    rk.export.save(network(num_oov_indices=3), tmp_path / "1")
    with pytest.raises(
        ValueError, match="must need built-in TensorFlow Lite operations.*num_oov_indices=1"
    ):
        rk.export.to_tflite(tmp_path / "1", tmp_path / "r.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_file_that_scores_otherwise_is_not_written(tmp_path, monkeypatch):
    rk.export.save(network(), tmp_path / "1")
    rk.export.save(network(), tmp_path / "2")  # other random weights
    convert = tf.lite.TFLiteConverter.from_saved_model
    monkeypatch.setattr(
        tf.lite.TFLiteConverter,
        "from_saved_model",
        lambda path, **kwargs: convert(str(tmp_path / "2"), **kwargs),
    )
    with pytest.raises(ValueError, match="The TensorFlow Lite file must score as its source does"):
        rk.export.to_tflite(tmp_path / "1", tmp_path / "r.tflite")
    assert not (tmp_path / "r.tflite").exists()


def test_an_existing_file_is_left_alone(tmp_path):
    rk.export.save(network(), tmp_path / "1")
    (tmp_path / "r.tflite").write_text("mine")
    with pytest.raises(FileExistsError, match="path must be new"):
        rk.export.to_tflite(tmp_path / "1", tmp_path / "r.tflite")
    assert (tmp_path / "r.tflite").read_text() == "mine"


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="No SavedModel folder at '.*/9'"):
        rk.export.to_tflite(tmp_path / "9", tmp_path / "r.tflite")
