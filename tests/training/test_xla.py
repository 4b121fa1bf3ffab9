"""Steps compiled by XLA: when they are, and that nothing but their speed changes."""

import logging

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk

FEATURES = {
    "ids": lambda rows: {},
    "numbers": lambda rows: {"age": rk.layers.NormalizedNumber.from_column(rows["age"])},
    "two columns": lambda rows: {
        "pair": (PAIR, rk.layers.CrossEmbedding.from_columns(*(rows[name] for name in PAIR), 3)),
        "history": (PAIR, rk.layers.HistoryEmbedding.from_columns(*(rows[n] for n in PAIR), 3)),
    },
    "tags": lambda rows: {"genres": rk.layers.TagsEmbedding(["drama", "crime"], 3)},
    "a penalty": lambda rows: {
        "user_id": rk.layers.IdEmbedding.from_column(
            rows["user_id"], 4, embeddings_regularizer="l2"
        )
    },
}
PAIR = ("user_id", "movie_id")


@pytest.fixture
def rows():
    generator = np.random.default_rng(7)
    return {
        "user_id": generator.integers(0, 30, 403).astype(str).astype(object),
        "movie_id": generator.integers(0, 20, 403),
        "age": generator.normal(30.0, 9.0, 403).astype(np.float32),
        "genres": np.array(["drama", "crime"], object)[generator.integers(0, 2, (403, 1))],
        "title": generator.integers(0, 20, 403).astype(str).astype(object),
        "weight": generator.uniform(0.5, 2.0, 403).astype(np.float32),
        "rating": generator.integers(1, 6, 403).astype(np.float32),
    }


def make_model(rows, features="ids", **settings):
    tf.keras.utils.set_random_seed(3)
    ids = {name: rk.layers.IdEmbedding.from_column(rows[name], 4) for name in PAIR}
    network = rk.models.tower({**ids, **FEATURES[features](rows)}, hidden_units=[8])
    model = rk.RankingModel(network, label="rating", sample_weight="weight")
    model.compile(settings.pop("optimizer", tf.keras.optimizers.Adagrad(0.1)), **settings)
    return model


def fit(model, rows, *, epochs=3, batch_size=16, **settings):
    batches = rk.data.batches(rows, batch_size, shuffle=True, seed=5)
    return model.fit(batches, epochs=epochs, verbose=0, **settings).history


@pytest.fixture
def chosen(caplog, monkeypatch):
    """Whether XLA is chosen for a training that is long, whatever its rows."""
    monkeypatch.setattr("rankkit.training.policy._FEWEST_ROWS", 0)

    def is_chosen(model, rows, **settings):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="rankkit"):
            fit(model, rows, epochs=1, **settings)
        return "compiled by XLA" in caplog.messages[0]

    return is_chosen


# --- The same numbers ---


@pytest.mark.parametrize("features", FEATURES)
def test_weights_and_logs_are_those_of_steps_that_are_not_compiled(rows, features, monkeypatch):
    # 26 steps an epoch, 4 in a call: the last call has 2 of them, the last of these 3 rows.
    monkeypatch.setattr("rankkit.training.policy.chunk_rows", lambda model: 64)
    found = []
    for jit_compile in (False, True):
        model = make_model(rows, features, jit_compile=jit_compile)
        check = rk.data.batches(rows, 100)
        found.append((fit(model, rows, validation_data=check), model.get_weights()))
    (history, weights), (compiled_history, compiled_weights) = found
    for name, values in history.items():
        np.testing.assert_allclose(compiled_history[name], values, rtol=1e-5, err_msg=name)
    for one, other in zip(weights, compiled_weights, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "rmsprop"])
def test_any_optimizer_can_be_compiled(rows, optimizer):
    history = [
        fit(make_model(rows, optimizer=optimizer, jit_compile=jit_compile), rows)
        for jit_compile in (False, True)
    ]
    np.testing.assert_allclose(history[1]["loss"], history[0]["loss"], rtol=1e-4)


def test_heads_that_are_partly_labelled_can_be_compiled(rows):
    rows["click"] = np.where(rows["rating"] == 3.0, np.nan, rows["rating"] > 3.0).astype(np.float32)
    history = []
    for jit_compile in (False, True):
        tf.keras.utils.set_random_seed(3)
        ids = {name: rk.layers.IdEmbedding.from_column(rows[name], 4) for name in PAIR}
        heads = {"stars": rk.layers.DenseRatingHead([4]), "click": rk.layers.DenseRatingHead([4])}
        network = rk.ranking_network(ids, head=heads, score={"stars": 1.0})
        model = rk.RankingModel(network, label={"stars": "rating", "click": "click"})
        model.compile("adagrad", jit_compile=jit_compile)
        history.append(fit(model, rows))
    for name, values in history[0].items():
        np.testing.assert_allclose(history[1][name], values, rtol=1e-5, err_msg=name)


def test_what_is_not_looked_up_ahead_is_evaluated_without_xla(rows):
    model = make_model(rows, jit_compile=True)
    fit(model, rows)
    batches = rk.data.batches(rows, 100)
    streamed = batches.map(lambda batch: batch)
    assert model.evaluate(streamed, verbose=0) == pytest.approx(model.evaluate(batches, verbose=0))
    assert model.predict(streamed, verbose=0).shape == (403, 1)


def test_a_batch_may_be_larger_than_the_data(rows):
    model = make_model(rows, jit_compile=True)
    large = rk.data.batches(rows, 1024)
    history = fit(model, rows, batch_size=1024, validation_data=large)
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(large, verbose=0)[0])


# --- When it is chosen ---


def test_it_is_chosen_for_long_training(rows, chosen):
    assert chosen(make_model(rows), rows)
    assert chosen(make_model(rows, optimizer="adam"), rows)
    assert not chosen(make_model(rows, jit_compile=False), rows)


def test_it_is_not_chosen_where_numbers_would_change(rows, chosen):
    clipped = tf.keras.optimizers.Adagrad(0.1, clipnorm=1.0)
    assert not chosen(make_model(rows, optimizer=clipped), rows)
    assert not chosen(make_model(rows, optimizer=rk.optimizers.LazyAdam()), rows)
    ids = rk.layers.IdEmbedding.from_column(rows["user_id"], 4, id_dropout_rate=0.1)
    network = rk.models.tower({"user_id": ids}, hidden_units=[8])
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    assert not chosen(model, rows)


def test_it_is_chosen_whatever_was_evaluated_before(rows, chosen):
    model = make_model(rows)
    for batch_size in (100, 200):
        model.evaluate(rk.data.batches(rows, batch_size), verbose=0)
    assert chosen(model, rows)


def test_it_is_not_chosen_for_code_of_the_users(rows, chosen):
    def loss(y_true, y_pred):
        return tf.reduce_mean(tf.abs(y_true - y_pred), axis=-1)

    def activation(vector):
        return tf.nn.relu(vector)

    assert not chosen(make_model(rows, loss=loss), rows)
    ids = {"user_id": rk.layers.IdEmbedding.from_column(rows["user_id"], 4)}
    for head in (
        rk.layers.DenseRatingHead([4], activation=activation),
        lambda vector: tf.keras.layers.Dense(1)(vector + tf.random.normal(tf.shape(vector))),
    ):
        model = rk.RankingModel(rk.ranking_network(ids, head=head), label="rating")
        model.compile("adagrad")
        assert not chosen(model, rows)


def test_it_is_not_chosen_for_large_kernels(rows, chosen):
    ids = {"user_id": rk.layers.IdEmbedding.from_column(rows["user_id"], 4)}
    for width, expected in ((200, True), (300, False)):
        head = rk.layers.DenseRatingHead([width, width])
        model = rk.RankingModel(rk.ranking_network(ids, head=head), label="rating")
        model.compile("adagrad")
        assert chosen(model, rows) == expected


def test_it_is_not_chosen_where_steps_check_raw_values(rows, chosen):
    age = rk.layers.NormalizedNumber.from_column(rows["age"])
    features = {"age": age, "other": ("weight", age)}
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([4]))
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad")
    assert not chosen(model, rows)


def test_it_is_not_chosen_for_tables_that_are_large_for_the_batch(rows, chosen):
    assert chosen(make_model(rows), rows, batch_size=2)  # 31 and 21 rows, of 40 at most
    assert not chosen(make_model(rows), rows, batch_size=1)
    assert chosen(make_model(rows, optimizer="adam"), rows, batch_size=1)


def test_it_is_not_chosen_for_short_training(rows, caplog, monkeypatch):
    monkeypatch.setattr("rankkit.training.policy._FEWEST_ROWS", 5 * 403)
    stop = tf.keras.callbacks.EarlyStopping("loss")
    with caplog.at_level(logging.INFO, logger="rankkit"):
        fit(make_model(rows), rows, epochs=4)
        fit(make_model(rows), rows, epochs=5)
        fit(make_model(rows), rows, epochs=5, callbacks=[stop])
        fit(make_model(rows), rows, epochs=20, callbacks=[stop])
    assert ["XLA" in line for line in caplog.messages] == [False, True, False, True]


class _Digits(tf.keras.metrics.Mean):
    """Writes numbers down, which XLA has no operation for."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        return super().update_state(tf.strings.length(tf.strings.as_string(y_true)))


def test_what_xla_cannot_compile_is_run_without(rows, chosen, caplog, monkeypatch):
    monkeypatch.setattr(_Digits, "__module__", "rankkit.metrics")
    model = make_model(rows, metrics=[_Digits("digits")])
    chosen(model, rows)
    assert caplog.messages[1].startswith("XLA cannot compile the steps: ")
    assert "AsString" in caplog.messages[1]
    batches = rk.data.batches(rows, 16)
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="rankkit"):
        found = [model.fit(batches, verbose=0).history["digits"] for _ in range(2)]
    assert found == [[len("3.000000")]] * 2
    assert sum("cannot compile" in line for line in caplog.messages) == 1  # not tried again


# --- What is wrong ---


@pytest.mark.parametrize(
    ("column", "value", "loss", "said"),
    [
        ("rating", np.nan, "mse", "label 'rating' must be finite"),
        ("weight", -1.0, "mse", "sample_weight 'weight' must be at least 0"),
        ("rating", 7.0, tf.keras.losses.BinaryCrossentropy(from_logits=True), "from 0 to 1"),
    ],
)
def test_labels_and_weights_are_checked_ahead(rows, column, value, loss, said):
    if loss != "mse":
        rows["rating"] = (rows["rating"] > 3).astype(np.float32)
    rows[column][7] = value
    with pytest.raises(ValueError, match=said):
        fit(make_model(rows, loss=loss, jit_compile=True), rows)


def test_labels_that_are_no_steps_are_refused_ahead(rows):
    ids = {"user_id": rk.layers.IdEmbedding.from_column(rows["user_id"], 4)}
    network = rk.ranking_network(ids, head=rk.layers.OrdinalHead((1, 2, 3), [4]))
    model = rk.RankingModel(network, label="rating")
    model.compile("adagrad", loss=rk.losses.OrdinalLoss((1, 2, 3)), jit_compile=True)
    with pytest.raises(ValueError, match="Labels must be steps of the loss"):
        fit(model, rows)


def test_a_missing_label_is_named(rows):
    model = make_model(rows, jit_compile=True)
    del rows["rating"]
    with pytest.raises(ValueError, match="label 'rating'"):
        fit(model, rows)


def test_a_switch_that_there_is_not_is_refused(rows):
    with pytest.raises(ValueError, match="jit_compile must be 'auto', True or False. Got: .*'yes'"):
        make_model(rows, jit_compile="yes")
