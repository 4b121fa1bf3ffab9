"""Lists, generators and empty data passed to `fit`, `evaluate` and `predict`."""

import functools

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import rankkit as rk
import tensorflow as tf

L = rk.layers
X = {"user_id": np.array(list("abcd")), "number": np.arange(4.0)}
Y = np.array([1.0, 2.0, 3.0, 5.0], np.float32)
ROWS = {**X, "rating": Y}
LISTS = {name: column.tolist() for name, column in ROWS.items()}
HALVES = slice(0, 2), slice(2, 4)


def make_model(steps_per_execution=None, **kwargs):
    tf.keras.utils.set_random_seed(1)
    features = {"user_id": L.IdEmbedding(["a", "b"], 2), "number": L.NormalizedNumber(1.0, 4.0)}
    network = rk.ranking_network(features, head=L.DenseRatingHead([4]))
    model = rk.RankingModel(network, label="rating", **kwargs)
    model.compile(tf.keras.optimizers.SGD(0.1), steps_per_execution=steps_per_execution)
    return model


@functools.cache
def made_once():
    model = make_model()
    return model, model.get_weights()


def new_model():
    """A model with the weights of a new one, which was traced before."""
    model, weights = made_once()
    model.set_weights(weights)
    return model


def rows_of(columns, rows):
    return {name: column[rows] for name, column in columns.items()}


def history(x, **kwargs):
    settings = {"batch_size": 2, "shuffle": False, "verbose": 0, **kwargs}
    if hasattr(x, "__next__"):
        del settings["batch_size"]
    return new_model().fit(x, **settings).history


@pytest.mark.parametrize("labels", [list, tuple, pd.Series, lambda y: {"rating": y.tolist()}])
def test_labels_and_weights_may_be_lists(labels):
    weights = np.array([1.0, 2.0, 1.0, 3.0])
    expected = history(X, y=Y, sample_weight=weights, validation_data=(X, Y, weights))
    given = labels(Y), weights.tolist()
    found = history(X, y=given[0], sample_weight=given[1], validation_data=(X, *given))
    assert found == expected
    model = new_model()
    logs = model.evaluate(X, Y, 2, 0, weights)
    assert model.evaluate(X, *given[:1], 2, 0, given[1]) == logs
    assert model.test_on_batch(X, *given) == pytest.approx(logs, rel=1e-6)
    assert new_model().train_on_batch(X, *given) == new_model().train_on_batch(X, Y, weights)


@pytest.mark.parametrize(
    "labels", [["1", "2", "3", "4"], [[1.0], [2.0], [3.0], [4.0]], [None] * 4, ["a", 1, 2, 3]]
)
def test_labels_that_are_no_numbers_are_refused(labels):
    with pytest.raises(TypeError, match="Column 'y' must be one number per row. Got"):
        history(X, y=labels)


BATCHES = {
    "frames": lambda rows: pd.DataFrame(ROWS)[rows],
    "frames and labels": lambda rows: (pd.DataFrame(X)[rows], pd.Series(Y)[rows]),
    "arrow": lambda rows: pa.table(rows_of(ROWS, rows)),
    "lists": lambda rows: rows_of(LISTS, rows),
    "lists and labels": lambda rows: (rows_of(LISTS, rows), LISTS["rating"][rows], [1.0, 1.0]),
    "integers first": lambda rows: {
        **rows_of(LISTS, rows), "rating": [1, 2] if rows.start == 0 else [3.0, 5.0]
    },
    "a column of times": lambda rows: {
        **rows_of(ROWS, rows), "when": np.array(["2001", "2002"], "datetime64[s]")
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", BATCHES)
def test_generators_and_sequences_yield_what_fit_accepts(kind):
    make = BATCHES[kind]

    class Batches(tf.keras.utils.Sequence):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return make(HALVES[index])

    expected = history(ROWS)
    assert history(map(make, HALVES)) == expected
    assert history(Batches(), batch_size=None) == expected
    model = new_model()
    scores = model.predict(X, verbose=0)
    np.testing.assert_array_equal(model.predict(map(make, HALVES), verbose=0), scores)
    logs = model.evaluate(map(make, HALVES), verbose=0)
    assert logs == model.evaluate(ROWS, batch_size=2, verbose=0)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({**ROWS, "number": np.array([2.0**24 + 1] * 4)}, "Column 'number' must not have numbers"),
        ({**ROWS, "user_id": ["a", None, "b", "c"]}, r"rows\['user_id'\]\[1\] must not be missing"),
        (3, "A batch must be a dict of columns, a DataFrame, or a tuple of it and the label. Got"),
    ],
)
def test_error_of_any_batch_of_a_generator_is_raised_in_one_line(second, message):
    for batches in ([second], [ROWS, second]):
        with pytest.raises((TypeError, ValueError), match=f"^{message}"):
            history(iter(batches))


def test_labels_and_weights_have_one_value_for_each_row():
    ratings = ROWS["rating"]
    more = np.ones(len(ratings) + 1, np.float32)
    text = f"must have one value for each of the {len(ratings)} rows of"
    for call in (history, new_model().evaluate, new_model().train_on_batch):
        with pytest.raises(ValueError, match=f"^y {text} x. Got: {len(more)} values."):
            call(ROWS, y=more)
        with pytest.raises(ValueError, match=f"^sample_weight {text} x. Got: {len(more)} values."):
            call(ROWS, y=ratings, sample_weight=more)
    for last in ((more,), (ratings, more)):
        text_of_last = rf"^validation_data\[{len(last)}\] {text} validation_data\[0\]."
        with pytest.raises(ValueError, match=text_of_last):
            history(ROWS, validation_data=(ROWS, *last))


def test_data_without_rows_is_refused():
    none = rows_of(ROWS, slice(0))
    stream = tf.data.Dataset.from_tensor_slices(ROWS).batch(2)
    for x in (none, {name: [] for name in ROWS}, stream.take(0)):
        for call in (history, new_model().evaluate, new_model().predict):
            with pytest.raises(ValueError, match="^x must have at least one row. Got: 0 rows."):
                call(x)
    with pytest.raises(
        ValueError, match="^validation_data must have at least one row. Got: 0 rows."
    ):
        history(ROWS, validation_data=(none, none["rating"]))
    with pytest.raises(ValueError, match="^x must have at least one batch. Got: 0 batches of a"):
        history(iter([]))
    for call in (history, new_model().evaluate, new_model().predict):
        with pytest.raises(ValueError, match="^x must have at least one batch. Got: 0 batches. C"):
            call(stream.filter(lambda batch: False), verbose=0)
    assert new_model().predict_on_batch(none).shape == (0, 1)


def test_steps_per_execution_needs_data_of_known_size():
    stream = tf.data.Dataset.from_tensor_slices(ROWS).filter(lambda row: True).batch(2)
    known, model = rk.data.batches(ROWS, 2), make_model(steps_per_execution=2)
    message = "^steps_per_execution must be 1 for data of unknown size. Got: steps_per_exec.*=2. "
    with pytest.raises(ValueError, match=f"{message}Pass steps_per_epoch, or leave"):
        model.fit(stream)
    with pytest.raises(ValueError, match=f"{message}Pass validation_steps, or leave"):
        model.fit(known, validation_data=stream)
    for call in (model.evaluate, model.predict):
        with pytest.raises(ValueError, match=f"{message}Pass steps, or leave"):
            call(stream)
    model.fit(stream, steps_per_epoch=2, verbose=0)
    assert model.predict(stream, steps=2, verbose=0).shape == (4, 1)


def test_autocast_is_refused():
    with pytest.raises(ValueError, match="autocast must be False. Got: autocast=True. Features"):
        make_model(autocast=True)
    make_model(autocast=False)


@pytest.mark.parametrize("data", [rows_of(ROWS, slice(0)), (rows_of(ROWS, slice(0)),), [], "rows"])
def test_errors_name_the_validation_data(data):
    with pytest.raises((TypeError, ValueError), match="^validation_data must "):
        make_model().fit(ROWS, validation_data=data, verbose=0)
