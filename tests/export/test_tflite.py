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
    with pytest.raises(FileNotFoundError, match="No folder exists at path='.*/9'"):
        rk.export.to_tflite(tmp_path / "9", tmp_path / "r.tflite")
    (tmp_path / "r.tflite").write_text("mine")
    with pytest.raises(FileExistsError, match="path must be new"):
        rk.export.to_tflite(exported[1] / "1", tmp_path / "r.tflite")
    assert (tmp_path / "r.tflite").read_text() == "mine"


class MeanPooling(tf.keras.layers.Layer):
    """The mean of numbers, or of embedded ids, that are padded with -1, as a user writes it."""

    def __init__(self, dtype, embedding=None):
        super().__init__()
        self.embedding = embedding
        self.feature_spec = tf.TensorSpec((None, None), dtype)

    def call(self, inputs):
        mask = tf.expand_dims(tf.cast(inputs != -1, tf.float32), -1)
        ids = tf.maximum(inputs, 0)
        vectors = tf.expand_dims(inputs, -1) if self.embedding is None else self.embedding(ids)
        return tf.math.divide_no_nan(tf.reduce_sum(vectors * mask, 1), tf.reduce_sum(mask, 1))


def make_lists():
    return {
        "words": rk.layers.TagsEmbedding(["x", "y"], 4),
        "numbers": rk.layers.TagsEmbedding([3, 4], 4, pooling="mean"),
        "ids": MeanPooling(tf.int64, tf.keras.layers.Embedding(9, 4)),
        "prices": MeanPooling(tf.float32),
    }


@pytest.mark.parametrize("query", [{}, {"user_id": ["7", "42", "?"]}], ids=["no query", "query"])
def test_raw_lists_of_any_length_are_scored_like_in_the_model(make_network, tmp_path, query):
    words = {"words": [["x", "new"], [], ["y"]]}
    numbers = {"numbers": [[3, 4, 5, 3], [4], []], "ids": [[1], [8, 0, 8], []]}
    columns = {**query, **words, **numbers, "prices": [[0.5], [], [1.0, 2.0]]} if query else words
    layers = {"user_id": rk.layers.IdEmbedding(["7", "42"], 4), **make_lists()}
    network = make_network(**{name: layers[name] for name in columns})
    rk.export.save(network, tmp_path / "1", sample=columns)
    rk.export.to_tflite(tmp_path / "1", tmp_path / "m.tflite")
    scorer = rk.export.load(tmp_path / "m.tflite")
    shapes = {name: spec.shape.as_list() for name, spec in scorer.feature_specs.items()}
    assert shapes == {name: [None] if name == "user_id" else [None, None] for name in columns}
    model = rk.RankingModel(network, label="rating")
    longer = {name: [cell * 3 for cell in column] for name, column in columns.items()}
    for rows in (columns, longer, {name: column[1:2] for name, column in columns.items()}):
        np.testing.assert_allclose(scorer(rows), model(rows), atol=1e-6)
    candidates = {name: column for name, column in columns.items() if name not in query}
    user = {"user_id": "7"} if query else {}
    ours, theirs = (rk.rank(each, user, candidates) for each in (scorer, model))
    assert [row for row, _ in ours] == [row for row, _ in theirs]


def test_operation_of_a_user_that_tflite_does_not_have_is_named(make_network, tmp_path):
    layer = tf.keras.layers.Lambda(lambda x: tf.reduce_sum(x[..., None], 1))
    layer.feature_spec = tf.TensorSpec((None, None), tf.float32)
    rk.export.save(make_network(x=layer), tmp_path / "1", sample={"x": [[1.0, 2.0]]})
    message = r"Got: StridedSlice\. .*Instead of x\[\.\.\., None\], use tf.expand_dims\(x, -1\)"
    with pytest.raises(ValueError, match=message):
        rk.export.to_tflite(tmp_path / "1", tmp_path / "r.tflite")
