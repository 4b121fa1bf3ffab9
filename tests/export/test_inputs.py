"""What every scorer does with each kind of input: the same scores, or an error with the column."""

import datetime
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rankkit as rk
import tensorflow as tf

COLUMNS = {
    "user_id": ["7", "42"],
    "movie_id": [1, 2],
    "year": [1990.0, 1991.0],
    "height": [1.5, 2.0],
    "watched_at": [0, 86400 * 40],  # 1970-01-01 and 1970-02-10
    "tags": [["a"], ["a", "b"]],
    "size": [[1.0], [2.0]],
    "place": [[1.0, 2.0], [3.0, 4.0]],
    "history": [["b"], ["a", "b"]],
    "gap": [[9], [5, 1]],
}
SCORERS = ("model", "head", "predict", "saved_model", "tflite", "rank", "rank_saved_model")


@pytest.fixture(scope="module")
def scorers(tmp_path_factory):
    """Name to a function from columns to scores, in the order of the rows."""
    height = tf.keras.Sequential([tf.keras.layers.Reshape((1,)), tf.keras.layers.Dense(4, "relu")])
    height.feature_spec = tf.TensorSpec((None,), tf.float32)
    size, place = tf.keras.layers.Dense(4), tf.keras.layers.Dense(4)
    size.feature_spec = tf.TensorSpec((None, 1), tf.float32)
    place.feature_spec = tf.TensorSpec((None, 2), tf.float32)
    layers = {
        "user_id": rk.layers.IdEmbedding(["7", "42"], 4),
        "movie_id": rk.layers.IdEmbedding([1, 2, 3], 4),
        "year": rk.layers.NormalizedNumber(1990.0, 10.0),
        "watched_at": rk.layers.CalendarEmbedding("month", 4),
        "tags": rk.layers.TagsEmbedding(["a", "b"], 4),
        "height": height,
        "size": size,
        "place": place,
    }
    next_item = rk.layers.TargetAttention(
        rk.layers.IdEmbedding(["7", "a", "b"], 4), side_layers=[rk.layers.BucketEmbedding([3], 4)]
    )
    layers["next"] = (("history", "gap", "user_id"), next_item)
    heads = {name: rk.layers.DenseRatingHead([4]) for name in ("a", "b")}
    network = rk.ranking_network(layers, head=heads, score={"a": 1.0})
    model = rk.RankingModel(network, label={"a": "x", "b": "y"})
    model.compile("adagrad")
    folder = tmp_path_factory.mktemp("inputs")
    rk.export.save(model, folder / "1", sample=COLUMNS)
    rk.export.to_tflite(folder / "1", folder / "m.tflite")
    saved_model = rk.export.load(folder / "1")

    def ranked(scorer):
        def score(columns):
            found = rk.rank(scorer, {}, {**columns, "row": [0, 1]})
            return [score for _, score in sorted(found, key=lambda pair: pair[0]["row"])]

        return score

    return {
        "model": lambda columns: model(columns)["score"],
        "head": model.head("a"),
        "predict": lambda columns: model.predict(columns, verbose=0)["score"],
        "saved_model": saved_model,
        "tflite": rk.export.load(folder / "m.tflite"),
        "rank": ranked(model),
        "rank_saved_model": ranked(saved_model),
    }


ACCEPTED = {
    "user_id": [
        ("7", "42"),
        np.array(["7", "42"]),
        np.array(["7", "42"], object),
        np.array([b"7", b"42"]),
        [b"7", b"42"],
        tf.constant(["7", "42"]),
        pd.Series(["7", "42"]),
        pd.Series(["7", "42"]).astype("category"),
        pa.array(["7", "42"]),
        pa.chunked_array([["7"], ["42"]]),
    ],
    "movie_id": [
        np.array([[1], [2]]),
        tf.constant([[1], [2]]),
        np.array([1, 2], np.uint8),
        np.array([1, 2], np.uint64),
        np.array([1, 2], object),
        pd.Series([1, 2], dtype="Int64"),
        pa.array([1, 2]),
    ],
    "year": [
        [1990, 1991],
        [1990, 1991.0],
        [np.int64(1990), np.float32(1991)],
        np.array([[1990.0], [1991.0]]),
        np.array([1990, 1991], np.float16),
        np.array([1990, 1991], np.longdouble),
        [np.longdouble(1990), np.longdouble(1991)],
        pd.Series(np.array([1990, 1991], np.longdouble)),
        pd.Series([1990, 1991]),
        pa.array([1990.0, 1991.0]),
    ],
    "height": [[1.5, 2], np.array([[1.5], [2.0]]), pd.Series([1.5, 2.0])],
    "watched_at": [
        np.array(["1970-01-01", "1970-02-10"], "datetime64[s]"),
        pd.Series(pd.to_datetime(["1970-01-01", "1970-02-10"])),
        [datetime.datetime(1970, 1, 1), datetime.datetime(1970, 2, 10)],
        np.array([[0], [86400 * 40]]),
    ],
    "tags": [
        (("a",), ("a", "b")),
        tf.ragged.constant([["a"], ["a", "b"]]),
        np.array([["a", ""], ["a", "b"]]),
        pd.Series([["a"], ["a", "b"]]),
        pa.array([["a"], ["a", "b"]]),
    ],
    "size": [[1.0, 2.0], [1, 2], np.array([1.0, 2.0]), tf.constant([[1.0], [2.0]])],
    "place": [np.array([[1, 2], [3, 4]]), pa.array([[1.0, 2.0], [3.0, 4.0]])],
    "history": [
        (("b",), ("a", "b")),
        tf.ragged.constant([["b"], ["a", "b"]]),
        np.array([["b", ""], ["a", "b"]]),
        pd.Series([["b"], ["a", "b"]]),
        pa.array([["b"], ["a", "b"]]),
    ],
    "gap": [np.array([[9, -1], [5, 1]], np.int32), pa.array([[9], [5, 1]])],
}
REFUSED = {
    "user_id": [
        "7", ["7"], ["7"] * 3, ["7", None], ["7", 42], [7, 42], [["7", "8"]] * 2,
        tf.ragged.constant([["7"], ["42", "7"]]), np.array([["7", "8"]] * 2),
        [b"7", b"\xff"], np.array([b"7", b"\xff"]), tf.constant([b"7", b"\xff"]), ["7", "\ud800"],
    ],
    "movie_id": [1, [1], [1.0, 2.0], ["1", "2"], [1, None], [1, 2**64], np.ones((2, 2), int)],
    "year": [1990.0, [1990.0], ["1990", "1991"], [1990.0, 2.0**24 + 1], [1990, 2**24 + 1], [1j, 2],
             [[1990.0], [1991.0, 1992.0]], np.ones((2, 2)),
             np.array([1990, 2**24 + 1], np.longdouble)],
    "height": [[1.5], ["a", "b"], np.ones((2, 2))],
    "watched_at": [[0.0, 1.0], ["1970-01-01", "1970-02-10"], [0]],
    "tags": [["a", "b"], [["a"], None], [["a"]], [[["a"]], [["b"]]],
             tf.sparse.from_dense([["a"]] * 2), [["a"], ["a", b"\xff"]],
             tf.ragged.constant([["a"], [b"\xff"]]), np.array([[b"a"], [b"\xff"]])],
    "size": [[1.0], [[1.0, 2.0]] * 2, [[1.0], [np.nan]], ["a", "b"]],
    "place": [[1.0, 2.0], [[1.0]] * 2, [[1.0], [1.0, 2.0]], [[1.0, np.inf]] * 2, [[1.0, 2.0]]],
    "history": ["b", ["b", "a"], [["b"], None], [None, ["a", "b"]], [["b"], ["a", None]], [["b"]],
                [["b"], [1, 2]], [[["b"]], [["a"], ["b"]]]],
    "gap": [[9, 5], [[9], None], [["9"], ["5", "1"]], [[9], [5, None]], [[9], [5, 1.5]]],
}  # fmt: skip


@pytest.fixture(scope="module")
def expected(scorers):
    lists = ("tags", "history", "gap")
    tensors = {name: tf.constant(each) for name, each in COLUMNS.items() if name not in lists}
    ragged = {name: tf.ragged.constant(COLUMNS[name]) for name in lists}
    return np.ravel(scorers["model"]({**tensors, **ragged}))


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("name", COLUMNS)
def test_column_of_another_kind_has_the_same_scores(scorers, expected, scorer, name):
    for values in [COLUMNS[name], *ACCEPTED[name]]:
        scores = scorers[scorer]({**COLUMNS, name: values})
        np.testing.assert_allclose(np.ravel(scores), expected, atol=1e-5, err_msg=repr(values))


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("name", COLUMNS)
def test_column_is_refused_by_name(scorers, scorer, name):
    for values in REFUSED[name]:
        with pytest.raises((ValueError, TypeError)) as refusal:
            scorers[scorer]({**COLUMNS, name: values})
        assert re.search(rf"['\[]{name}'", str(refusal.value)), values


@pytest.mark.parametrize("scorer", SCORERS)
def test_lists_that_are_not_of_the_same_events_are_refused(scorers, scorer):
    for gap in ([[9], [5, 1, 7]], [[9], [5]], [[9], [5, -1]], [[9], [-1, 5]], [[9], []]):
        with pytest.raises(ValueError, match="must have one value for each item of the history"):
            scorers[scorer]({**COLUMNS, "gap": gap})


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize(
    ("name", "cells"), [("user_id", ["7", "42"]), ("movie_id", [1, 2]), ("year", [1990.0, 1991.0])]
)
def test_matrix_of_one_column_is_a_column(scorers, expected, scorer, name, cells):
    """`rank` reads a matrix of text as lists, so that it takes lists of one value, too."""
    matrix = np.array(cells)[:, np.newaxis]
    for values in (matrix, tf.constant(matrix)):
        scores = scorers[scorer]({**COLUMNS, name: values})
        np.testing.assert_allclose(np.ravel(scores), expected, atol=1e-5)
    if "rank" not in scorer:
        with pytest.raises((ValueError, TypeError), match=rf"['\[]{name}'"):
            scorers[scorer]({**COLUMNS, name: matrix.tolist()})


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("name", ["year", "height"])
@pytest.mark.parametrize("values", [[1990.0, np.nan], [1990.0, None], [np.inf, 1.0]])
def test_missing_and_infinite_numbers_are_refused(scorers, scorer, name, values):
    with pytest.raises((ValueError, TypeError), match=r"must be finite|is missing"):
        scorers[scorer]({**COLUMNS, name: values})


@pytest.mark.parametrize("scorer", ["model", "head", "saved_model", "tflite"])
def test_columns_without_rows_have_no_scores(scorers, scorer):
    assert np.shape(scorers[scorer]({name: [] for name in COLUMNS})) == (0, 1)


@pytest.mark.parametrize("scorer", SCORERS)
def test_tables_and_columns_that_are_not_features_are_accepted(scorers, expected, scorer):
    tables = [] if "rank" in scorer else [pd.DataFrame(COLUMNS), pa.table(COLUMNS)]
    for columns in (*tables, {**COLUMNS, "note": [1, "a"], "other": [None, None]}):
        np.testing.assert_allclose(np.ravel(scorers[scorer](columns)), expected, atol=1e-5)


@pytest.mark.parametrize("scorer", ["model", "head", "saved_model", "tflite"])
@pytest.mark.parametrize("columns", [None, [1, 2], "user_id"])
def test_other_data_is_refused(scorers, scorer, columns):
    with pytest.raises(TypeError, match="columns must be a dict"):
        scorers[scorer](columns)
