"""DataFrames and Arrow tables passed to a model are read as dicts of their columns."""

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
ROWS = {
    "user_id": ["a", "b", "a", "c"],
    "tags": [["x"], [], ["y", "x"], ["x"]],
    "age": [1.0, 2.0, None, 4.0],
    "when": [datetime.datetime(2020, 1, day, day) for day in range(1, 5)],
    "rating": [1.0, 2.0, 3.0, 4.0],
    "weight": [1.0, 2.0, 1.0, 2.0],
}
TABLES = {
    "frame": pd.DataFrame({**ROWS, "unread": [None, "q", 3, 4.5]}),
    "nullable": pd.DataFrame(ROWS).convert_dtypes(),
    "arrow": pa.table(ROWS),
    "views": pa.table(  # as polars exports text
        {
            **ROWS,
            "user_id": pa.array(ROWS["user_id"], pa.string_view()),
            "tags": pa.array(ROWS["tags"], pa.list_(pa.string_view())),
        }
    ),
}


@pytest.fixture
def model():
    """Runs eagerly: what a table becomes does not depend on the graph."""
    features = {
        "user_id": L.IdEmbedding.from_column(ROWS["user_id"], 2),
        "tags": L.TagsEmbedding.from_column(ROWS["tags"], 2),
        "age": L.NormalizedNumber.from_column(ROWS["age"], missing="learn"),
        "hour": ("when", L.CalendarEmbedding("hour_of_day", 2)),
    }
    network = rk.ranking_network(features, head=L.DenseRatingHead([4]))
    model = rk.RankingModel(network, label="rating", sample_weight="weight")
    model.compile("adam", run_eagerly=True)
    return model


def test_tables_train_and_score_as_batches_of_their_columns(model):
    batches, start = rk.data.batches(ROWS, 2), model.get_weights()
    expected = model.fit(batches, validation_data=batches, verbose=0).history
    weights, scores = model.get_weights(), model.predict(batches, verbose=0)
    expected_logs = model.evaluate(batches, return_dict=True, verbose=0)
    for table in TABLES.values():
        model.set_weights(start)
        model.compile("adam", run_eagerly=True)  # a new optimizer
        settings = {"batch_size": 2, "shuffle": False, "validation_data": table}
        history = model.fit(table, **settings, verbose=0).history
        for key, value in expected.items():
            np.testing.assert_allclose(history[key], value, rtol=1e-6, err_msg=key)
        for got, wanted in zip(model.get_weights(), weights, strict=True):
            np.testing.assert_allclose(got, wanted, atol=1e-7)
        for found in (model.predict(table, verbose=0), model.predict_on_batch(table), model(table)):
            np.testing.assert_allclose(found, scores, atol=1e-6)
        logs = model.evaluate(table, batch_size=2, return_dict=True, verbose=0)
        assert logs == pytest.approx(expected_logs, rel=1e-5)
        loss = model.train_on_batch(table)[0]
        assert loss == pytest.approx(model.test_on_batch(table)[0], rel=0.1)


def test_labels_beside_a_table(model):
    table = TABLES["frame"].drop(columns="rating")
    labels = np.array(ROWS["rating"], np.float32)
    for data in ((table, labels), [table, labels]):
        history = model.fit(table, labels, batch_size=2, validation_data=data, verbose=0)
        assert {"loss", "val_loss"} <= set(history.history)


def test_missing_column_of_a_table_is_named(model):
    for table in (TABLES["frame"].drop(columns="age"), TABLES["arrow"].drop_columns("age")):
        with pytest.raises(ValueError, match=r"Missing feature 'age'. Expected: .* Got: 'user_id'"):
            model.predict(table)
    with pytest.raises(ValueError, match="Missing label 'rating'"):
        model.fit(TABLES["frame"].drop(columns="rating"), verbose=0)


def test_what_is_no_table_is_named(model):
    methods = (model.fit, model.evaluate, model.predict, model.predict_on_batch)
    for method in (*methods, model.train_on_batch, model.test_on_batch):
        for data in (None, 5, "x", [], ()):
            with pytest.raises(TypeError, match="^x must be a dict of columns, a DataFrame or a"):
                method(data)
        for data in ({}, {"ages": np.zeros(4)}):
            with pytest.raises(ValueError, match="^Missing feature 'user_id'. Expected: 'user_id'"):
                method(data)
    nested = {**ROWS, "rating": [[1.0], [2.0], [3.0], [4.0]]}
    with pytest.raises(TypeError, match=r"Label 'rating' must be of shape \(batch,\) or"):
        model.fit(rk.data.batches(nested, 2), verbose=0)


def test_dicts_of_objects_and_times(model):
    columns = {name: TABLES["frame"][name].to_numpy() for name in ROWS}
    assert columns["when"].dtype.kind == "M"
    expected = model.predict(TABLES["frame"], verbose=0)
    np.testing.assert_allclose(model.predict(columns, verbose=0), expected, atol=1e-6)
    strings = columns["user_id"].astype(np.dtypes.StringDType())
    found = model.predict({**columns, "user_id": strings}, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    with pytest.raises(
        TypeError, match=r"rows\['age'\] has the dtype \[.*which TensorFlow does not"
    ):
        model.predict({**columns, "age": np.zeros(4, [("x", float)])})
    columns["user_id"] = np.array(["a", None, "b", "c"], object)
    with pytest.raises(TypeError, match=r"rows\['user_id'\]\[1\] must not be missing. Got: None"):
        model.predict(columns)


def test_exports_and_heads_score_tables(model, tmp_path):
    rk.export.save(model, tmp_path / "1")
    scorer = rk.export.load(tmp_path / "1")
    expected = np.asarray(model(TABLES["frame"])).ravel()
    for table in TABLES.values():
        np.testing.assert_allclose(np.ravel(scorer(table)), expected, atol=1e-5)


def test_validation_split_of_lists_is_refused_by_name(model):
    with pytest.raises(ValueError, match="validation_split must be 0.*lists of column 'tags'"):
        model.fit(TABLES["frame"], validation_split=0.5, verbose=0)


def test_numbers_in_double_precision_are_not_rounded():
    number = rk.layers.NormalizedNumber(1.7e9, 20.0)
    network = rk.ranking_network({"when": number}, head=rk.layers.DenseRatingHead([2]))
    model = rk.RankingModel(network, label="r")
    model.compile("sgd", run_eagerly=True)
    small = {"when": np.array([0.5, 1.5]), "r": np.array([1.0, 2.0])}
    large = {"when": 1.7e9 + np.arange(2.0), "r": np.array([1.0, 2.0])}
    refused = r"^{} must not have numbers beyond 2\^24"
    when = pytest.raises(ValueError, match=refused.format("Column 'when'"))
    for method in (model.fit, model.evaluate, model.predict):
        method(small, verbose=0)
        for data in (large, iter([large]), BatchesOf(large)):
            with when:
                method(data, verbose=0)
    for method in (model.train_on_batch, model.test_on_batch, model.predict_on_batch):
        method(small)
        with when:
            method(large)
    features, labels = {"when": small["when"]}, large["when"]
    for method in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        nullable = pd.Series(labels, dtype="Float64")
        for wrong in (labels, pd.Series(labels), nullable, {"r": labels}, {"r": nullable}):
            with pytest.raises(ValueError, match=refused.format("Column '[yr]'")):
                method(features, wrong)
        with pytest.raises(ValueError, match=refused.format("Column 'sample_weight'")):
            method(features, small["r"], sample_weight=labels)
    batch = (features, labels)
    for data in (batch, [*batch], iter([batch]), BatchesOf(batch)):
        with pytest.raises(ValueError, match=refused.format("Column '(validation_data|y)'")):
            model.fit(small, None, None, 1, 0, None, 0.0, data)


class BatchesOf(tf.keras.utils.Sequence):
    def __init__(self, batch):
        self.batch = batch

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self.batch


def test_columns_of_unequal_length_are_named(model):
    columns = {**ROWS, "user_id": ["a"]}
    message = "equal length.*'user_id'(:| has) 1.*'tags'(:| has) 4"
    for score in (model, model.predict, model.fit, model.evaluate):
        with pytest.raises(ValueError, match=message):
            score(columns)
    names = ("user_id", "age", "when", "tags", "rating", "weight")
    columns = {name: rk.data.batches({name: ROWS[name]}, 4) for name in names}
    columns = {name: next(iter(each))[name] for name, each in columns.items()}
    columns["user_id"] = columns["user_id"][:1]
    specs = {
        name: tf.RaggedTensorSpec([None, None], tf.string)
        if name == "tags"
        else tf.TensorSpec([None], each.dtype)
        for name, each in columns.items()
    }
    data = tf.data.Dataset.from_generator(lambda: iter([columns]), output_signature=specs)
    for run in (model.predict, model.fit, model.evaluate):
        with pytest.raises(ValueError, match="equal lengths. Got: {?'user_id': 1, 'tags': 4"):
            run(data, verbose=0)
