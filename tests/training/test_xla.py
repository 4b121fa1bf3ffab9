"""Steps compiled by XLA: the same numbers, and when `jit_compile="auto"` chooses them."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

PAIR = ("user_id", "movie_id")
LONG = 20_000  # epochs of 403 examples; XLA pays above four million examples


def make_ids(rows, **kwargs):
    return {name: rk.layers.IdEmbedding.from_column(rows[name], 4, **kwargs) for name in PAIR}


def make_model(
    rows, network=None, *, optimizer=None, sample_weight: str | None = "weight", **settings
):
    tf.keras.utils.set_random_seed(3)
    network = network or rk.models.tower(make_ids(rows), hidden_units=[8])
    model = rk.RankingModel(network, label="rating", sample_weight=sample_weight)
    model.compile(optimizer or tf.keras.optimizers.Adagrad(0.1), **settings)
    return model


def fit(model, rows, *, epochs=2, batch_size=16, **settings):
    batches = rk.data.batches(rows, batch_size, shuffle=True, seed=5)
    return model.fit(batches, epochs=epochs, verbose=0, **settings).history


# --- Data sets; the numbers are compared in test_executor.py ---


def make_network_of_movies(rows):
    """A network without strings, which XLA can read over an iterator."""
    movies = rk.layers.IdEmbedding.from_column(rows["movie_id"], 4)
    return rk.models.tower({"movie_id": movies}, hidden_units=[8])


def test_compiled_model_with_string_features_evaluates_and_predicts_over_iterators(rows):
    model = make_model(rows, jit_compile=True)
    batches = rk.data.batches(rows, 1024)  # larger than the data
    history = fit(model, rows, batch_size=1024, validation_data=batches)
    iterated = batches.map(lambda batch: batch)
    expected = model.evaluate(batches, verbose=0)
    assert history["val_loss"][-1] == pytest.approx(expected[0])
    assert model.evaluate(iterated, verbose=0) == pytest.approx(expected)
    assert model.predict(iterated, verbose=0).shape == (403, 1)


def test_compiled_model_with_string_features_cannot_be_trained_over_iterators(rows):
    model = make_model(rows, jit_compile=True)
    batches = rk.data.batches(rows, 100)
    text = r"^jit_compile must be 'auto' or False\. Got: jit_compile=True\. XLA cannot compile fea"
    with pytest.raises(ValueError, match=text):
        model.fit(batches.map(lambda batch: batch), verbose=0)
    with pytest.raises(ValueError, match=text):
        model.train_on_batch(next(iter(batches)))


def test_columns_that_xla_cannot_read_are_named(rows):
    rows = {name: rows[name] for name in ("user_id", "movie_id", "rating")}
    network = make_network_of_movies(rows)
    model = make_model(rows, network, sample_weight=None, jit_compile=True)
    batches = rk.data.batches(rows, 100)
    model.fit(batches, verbose=0)  # in memory: it does not read the users
    iterated, batch = batches.map(dict), next(iter(batches))
    for call in (
        lambda: model.fit(iterated, verbose=0),
        lambda: model.fit(batches, validation_data=iterated, verbose=0),
        lambda: model.evaluate(iterated, verbose=0),
        lambda: model.predict(batches, verbose=0),
        lambda: model.train_on_batch(batch),
        lambda: model.test_on_batch(batch),
        lambda: model.predict_on_batch(batch),
    ):
        with pytest.raises(ValueError, match="^jit_compile must .* read column 'user_id', of text"):
            call()


def test_compiled_model_with_lists_of_integers_trains_in_memory_only(rows):
    tags = [[1], [1, 2], []] * 2
    layer = rk.layers.TagsEmbedding([1, 2], 2)
    network = rk.ranking_network({"tags": layer}, head=rk.layers.DenseRatingHead([]))
    model = rk.RankingModel(network, label="rating")
    model.compile("sgd", jit_compile=True)
    batches = rk.data.batches({"tags": tags, "rating": np.ones(6)}, 3)
    model.fit(batches, verbose=0)
    expected = model.evaluate(batches, verbose=0)
    assert model.evaluate(batches.map(dict), verbose=0) == pytest.approx(expected)
    assert model.predict(batches, verbose=0).shape == (6, 1)
    with pytest.raises(ValueError, match="cannot compile features that are strings or lists"):
        model.fit(batches.map(dict), verbose=0)


def test_compiled_model_with_integer_features_trains_over_iterators(rows):
    rows = {name: rows[name] for name in ("movie_id", "rating")}
    batches, losses = rk.data.batches(rows, 100), []
    for data, jit_compile in ((batches, False), (batches.map(lambda batch: batch), True)):
        tf.keras.utils.set_random_seed(3)
        network = make_network_of_movies(rows)
        model = make_model(rows, network, sample_weight=None, jit_compile=jit_compile)
        losses += model.fit(data, verbose=0).history["loss"]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


# --- When it is chosen ---


class _StartedError(Exception):
    pass


class _AbortAtStart(tf.keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        raise _StartedError


@pytest.fixture
def chooses_xla(log):
    """Whether XLA is chosen for a training, which ends before its first step."""

    def chooses_xla(model, rows, *, epochs=LONG, batch_size=16, callbacks=()):
        settings = {"epochs": epochs, "batch_size": batch_size}
        log.clear()
        with pytest.raises(_StartedError):
            fit(model, rows, callbacks=[*callbacks, _AbortAtStart()], **settings)
        (line,) = log.messages
        assert line.startswith("training: ")
        return line.endswith("compiled by XLA")

    return chooses_xla


def _absolute_error(y_true, y_pred):
    return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)


def _activation(vector):
    return tf.nn.relu(vector)


def _noisy_head(vector):
    return tf.keras.layers.Dense(1)(vector + tf.random.normal(tf.shape(vector)))


EARLY_STOPPING = [tf.keras.callbacks.EarlyStopping("loss")]
# Settings of the model and of `fit`, and whether XLA is chosen. An epoch has 416 examples in full
# batches, early stopping runs a quarter of the epochs, and the tables have 31 and 21 rows.
CHOICES = {
    "Adagrad": ({}, {}, True),
    "Adam": ({"optimizer": "adam"}, {}, True),
    "not wanted": ({"jit_compile": False}, {}, False),
    "wanted": ({"jit_compile": True}, {"epochs": 1}, True),
    "9,000 epochs": ({}, {"epochs": 9_000}, False),
    "10,000 epochs": ({}, {"epochs": 10_000}, True),
    "early end": ({}, {"epochs": 10_000, "callbacks": EARLY_STOPPING}, False),
    "late end": ({}, {"epochs": 40_000, "callbacks": EARLY_STOPPING}, True),
    "clipped": ({"optimizer": tf.keras.optimizers.Adagrad(0.1, clipnorm=1.0)}, {}, False),
    "LazyAdam": ({"optimizer": rk.optimizers.LazyAdam()}, {}, False),
    "loss of the user": ({"loss": _absolute_error}, {}, False),
    "batches of 2": ({}, {"batch_size": 2}, True),
    "batches of 1": ({}, {"batch_size": 1}, False),
    "batches of 1, Adam": ({"optimizer": "adam"}, {"batch_size": 1}, True),
}


@pytest.mark.parametrize(("settings", "training", "expected"), CHOICES.values(), ids=CHOICES)
def test_xla_is_chosen_for_long_training(rows, chooses_xla, settings, training, expected):
    assert chooses_xla(make_model(rows, **settings), rows, **training) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (rk.layers.DenseRatingHead([200, 200]), True),
        (rk.layers.DenseRatingHead([300, 300]), False),
        (rk.layers.DenseRatingHead([4], activation=_activation), False),
        (_noisy_head, False),
    ],
    ids=["200 units", "300 units", "activation of the user", "head of the user"],
)
def test_xla_is_chosen_for_small_kernels_of_known_layers(rows, chooses_xla, head, expected):
    network = rk.ranking_network(make_ids(rows), head=head)
    assert chooses_xla(make_model(rows, network), rows) == expected


def test_xla_is_not_chosen_where_the_numbers_would_change(rows, chooses_xla):
    random = rk.models.tower(make_ids(rows, id_dropout_rate=0.1), hidden_units=[8])
    assert not chooses_xla(make_model(rows, random), rows)


def test_xla_is_chosen_whatever_was_evaluated_before(rows, chooses_xla):
    model = make_model(rows)
    model.evaluate(rk.data.batches(rows, 200), verbose=0)
    assert chooses_xla(model, rows)


def test_xla_is_not_chosen_where_steps_check_raw_values(rows, chooses_xla):
    age = rk.layers.NormalizedNumber.from_column(rows["age"])
    features = {"age": age, "other": ("weight", age)}  # called twice: not precomputed
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([4]))
    assert not chooses_xla(make_model(rows, network, sample_weight=None), rows)


class _Digits(tf.keras.metrics.Mean):
    """Converts numbers to strings, which XLA has no operation for."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(tf.strings.length(tf.strings.as_string(y_true)))


class _StopAfterOneEpoch(tf.keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


def test_steps_that_xla_cannot_compile_run_without_it(rows, log, monkeypatch):
    monkeypatch.setattr(_Digits, "__module__", "rankkit.metrics")  # not code of the user
    model = make_model(rows, metrics=[_Digits("digits")])
    batches = rk.data.batches(rows, 16)
    settings = {"epochs": LONG, "callbacks": [_StopAfterOneEpoch()], "verbose": 0}
    found = [model.fit(batches, **settings).history["digits"] for _ in range(2)]
    assert found == [[len("3.000000")]] * 2
    chosen, failed, again = log.text.splitlines()  # it is not tried again
    assert chosen.endswith("compiled by XLA")
    assert "XLA cannot compile the steps: " in failed
    assert "AsString" in failed
    assert "XLA" not in again


# --- Errors ---


CLICK_LOSS = tf.keras.losses.BinaryCrossentropy(from_logits=True)


@pytest.mark.parametrize(
    ("column", "value", "loss", "text"),
    [
        ("rating", np.nan, "mse", "Label 'rating' must be finite"),
        ("weight", -1.0, "mse", "Sample weight 'weight' must be at least 0"),
        ("rating", 7.0, CLICK_LOSS, r"Labels must be from 0 to 1 for a cross entropy\. Got: 7"),
        ("rating", 7.0, rk.losses.OrdinalLoss((0, 1)), r"Labels must be levels of .* Got: 7"),
    ],
)
def test_labels_and_weights_are_checked_before_compiled_steps(rows, column, value, loss, text):
    rows["rating"] = (rows["rating"] > 3).astype(np.float32)
    rows[column][7] = value
    is_ordinal = isinstance(loss, rk.losses.OrdinalLoss)
    head = rk.layers.OrdinalHead((0, 1), [4]) if is_ordinal else rk.layers.DenseRatingHead([4])
    network = rk.ranking_network(make_ids(rows), head=head)
    with pytest.raises(ValueError, match=f"^{text}"):
        fit(make_model(rows, network, loss=loss, jit_compile=True), rows)


def test_missing_label_is_named_with_compiled_steps(rows):
    model = make_model(rows, jit_compile=True)
    del rows["rating"]
    with pytest.raises(ValueError, match="^Missing label 'rating'"):
        fit(model, rows)


def test_unknown_jit_compile_raises(rows):
    text = "jit_compile must be 'auto', True, False or None. Got: .*'yes'"
    with pytest.raises(ValueError, match=text):
        make_model(rows, jit_compile="yes")
