import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

# The operations of the tutorial's network: all of them are built into every runtime.
BUILTIN = {
    *("ADD", "CALL_ONCE", "CONCATENATION", "DELEGATE", "FULLY_CONNECTED", "GATHER", "HASHTABLE"),
    *("HASHTABLE_FIND", "HASHTABLE_IMPORT", "READ_VARIABLE", "RESHAPE", "SHAPE", "VAR_HANDLE"),
}


def test_any_number_of_strings_is_scored_like_in_the_model(exported):
    model, folder = exported
    scorer = rk.export.load(folder / "m.tflite")
    for rows in (1, 5, 2):
        columns = {
            "user_id": ["7", "42", "stranger", "42", "é"][:rows],
            "movie_title": ["a", "b", "c", "new", "日本"][:rows],
        }
        scores = scorer(columns)
        assert scores.shape == (rows, 1)
        tensors = {name: tf.constant(column) for name, column in columns.items()}
        np.testing.assert_allclose(scores, model(tensors), atol=1e-6)


def test_file_needs_only_builtin_operations(exported):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(exported[1] / "m.tflite"))
    assert {details["op_name"] for details in interpreter._get_ops_details()} <= BUILTIN


def test_hashed_ids_raise_with_an_alternative(make_network, tmp_path):
    hashed = rk.layers.IdEmbedding(["7", "42"], 4, num_oov_indices=3)
    rk.export.save(make_network(user_id=hashed), tmp_path / "1")
    message = "must use built-in TensorFlow Lite operations.*num_oov_indices=1"
    with pytest.raises(ValueError, match=message):
        rk.export.to_tflite(tmp_path / "1", tmp_path / "r.tflite")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_file_with_other_scores_is_not_written(exported, make_network, tmp_path, monkeypatch):
    tf.keras.utils.set_random_seed(8)  # other weights than those of the exported network
    rk.export.save(make_network(), tmp_path / "2")
    convert = tf.lite.TFLiteConverter.from_saved_model

    def convert_other(path, **kwargs):
        return convert(str(tmp_path / "2"), **kwargs)

    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", convert_other)
    with pytest.raises(ValueError, match="The TensorFlow Lite file must have the scores of its"):
        rk.export.to_tflite(exported[1] / "1", tmp_path / "r.tflite")
    assert not (tmp_path / "r.tflite").exists()


def test_existing_file_is_not_changed(exported, tmp_path):
    (tmp_path / "r.tflite").write_text("mine")
    with pytest.raises(FileExistsError, match="path must be new"):
        rk.export.to_tflite(exported[1] / "1", tmp_path / "r.tflite")
    assert (tmp_path / "r.tflite").read_text() == "mine"


def test_missing_source_raises(tmp_path):
    with pytest.raises(FileNotFoundError, match="No folder exists at path='.*/9'"):
        rk.export.to_tflite(tmp_path / "9", tmp_path / "r.tflite")
