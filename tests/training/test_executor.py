"""Steps over rows in memory: the same numbers as over batches that come from an iterator."""

import gc
import logging
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import polymorphic_function

import rankkit as rk

GENRES = ["drama", "comedy", "crime"]


@pytest.fixture
def rows():
    generator = np.random.default_rng(7)
    users = generator.integers(0, 30, 403)
    return {
        "user_id": users.astype(str).astype(object),
        "movie_id": generator.integers(0, 20, 403),
        "age": generator.normal(30.0, 9.0, 403).astype(np.float32),
        "genres": [GENRES[: 1 + user % 3] for user in users],
        "note": [f"a {GENRES[user % 3]} film" * (1 + user % 2) for user in users],
        "weight": generator.uniform(0.5, 2.0, 403).astype(np.float32),
        "rating": generator.integers(1, 6, 403).astype(np.float32),
    }


def ids(rows, **kwargs):
    names = ("user_id", "movie_id")
    return {name: rk.layers.IdEmbedding.from_column(rows[name], 4, **kwargs) for name in names}


def tower(rows):
    return rk.models.tower(ids(rows), hidden_units=[8])


def sides(rows):
    """Every kind of feature: of lists, of texts, of two columns, of what is known of an id."""
    users = rk.data.vocabulary(rows["user_id"])
    pair = ("user_id", "movie_id")
    columns = [rows[name] for name in pair]
    known = rk.layers.Attribute(
        users, [GENRES[len(str(user))] for user in users], rk.layers.OneHot(GENRES)
    )
    features = {
        **ids(rows, embeddings_regularizer="l2"),
        "age": rk.layers.NormalizedNumber.from_column(rows["age"]),
        "genres": rk.layers.TagsEmbedding(GENRES, 3),
        "note": rk.layers.TextEmbedding(["a", *GENRES], 3),
        "kind": ("user_id", known),
        "history": (pair, rk.layers.HistoryEmbedding.from_columns(*columns, 3)),
        "pair": (pair, rk.layers.CrossEmbedding.from_columns(*columns, 3)),
    }
    return rk.models.tower(features, hidden_units=[8])


def trained(make_network, rows, batches, *, validation=None, epochs=3, model=None, **settings):
    tf.keras.utils.set_random_seed(3)
    model = model or rk.RankingModel(make_network(rows), label="rating", sample_weight="weight")
    model.compile(tf.keras.optimizers.Adagrad(0.1), **settings)
    history = model.fit(batches, epochs=epochs, validation_data=validation, verbose=0).history
    return model, history


def check_equal(one, other, *, within=0.0):
    (model, history), (other_model, other_history) = one, other
    assert list(history) == list(other_history)
    for name, values in history.items():
        np.testing.assert_allclose(values, other_history[name], rtol=1e-6, err_msg=name)
    for weights, others in zip(model.get_weights(), other_model.get_weights(), strict=True):
        np.testing.assert_allclose(weights, others, rtol=0, atol=within)


def from_iterator(batches):
    """The same batches, of which nobody knows what they are made of."""
    return batches.map(lambda batch: batch)


# --- The same numbers ---


@pytest.mark.parametrize("make_network", [tower, sides])
@pytest.mark.parametrize("shuffle", [False, True])
def test_weights_and_logs_are_those_of_an_iterator(rows, make_network, shuffle, monkeypatch):
    # 26 steps an epoch, 4 in a call: the last call has 2 of them, the last of these 3 rows.
    monkeypatch.setattr("rankkit.training.policy.chunk_rows", lambda model: 64)
    batches = [rk.data.batches(rows, 16, shuffle=shuffle, seed=5) for _ in range(2)]
    check = rk.data.batches(rows, 100)
    ahead = trained(make_network, rows, batches[0], validation=check)
    settings = {"validation": from_iterator(check), "steps_per_execution": 1}
    other = trained(make_network, rows, from_iterator(batches[1]), **settings)
    check_equal(ahead, other, within=1e-6)
    assert ahead[1]["val_loss"][0] > ahead[1]["val_loss"][-1]


@pytest.mark.parametrize(
    "optimizer",
    [
        tf.keras.optimizers.SGD(0.1, momentum=0.9),
        tf.keras.optimizers.Adam(0.01),
        tf.keras.optimizers.Adam(0.01, clipnorm=0.1),
        tf.keras.optimizers.AdamW(0.01),
        tf.keras.optimizers.RMSprop(0.01),
        tf.keras.optimizers.legacy.Adagrad(0.1),
        rk.optimizers.LazyAdam(0.01),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_every_optimizer_steps_as_over_an_iterator(rows, optimizer):
    found = []
    for change in (lambda batches: batches, from_iterator):
        tf.keras.utils.set_random_seed(3)
        model = rk.RankingModel(tower(rows), label="rating")
        model.compile(type(optimizer).from_config(optimizer.get_config()))
        batches = change(rk.data.batches(rows, 50, shuffle=True, seed=1))
        found.append((model, model.fit(batches, epochs=2, verbose=0).history))
    check_equal(*found, within=2e-6)


def test_heads_labels_that_are_missing_and_biases_are_as_over_an_iterator(rows):
    rows["click"] = np.where(rows["rating"] == 3.0, np.nan, rows["rating"] > 3.0).astype(np.float32)
    rows["place"] = np.arange(403) % 7
    found = []
    for change in (lambda batches: batches, from_iterator):
        tf.keras.utils.set_random_seed(3)
        heads = {"stars": rk.layers.DenseRatingHead([4]), "click": rk.layers.DenseRatingHead([4])}
        network = rk.ranking_network(ids(rows), head=heads, score={"stars": 1.0})
        places = {"place": rk.layers.IdEmbedding(list(range(7)), 1)}
        bias = rk.ranking_network(places, interaction=lambda vectors: vectors[0])
        labels = {"stars": "rating", "click": "click"}
        model = rk.RankingModel(network, label=labels, training_bias={"click": bias})
        click = tf.keras.losses.BinaryCrossentropy(from_logits=True)
        losses = {"stars": "mse", "click": click}
        model.compile("adagrad", loss=losses, loss_weights="uncertainty")
        batches = change(rk.data.batches(rows, 50, shuffle=True, seed=1))
        found.append((model, model.fit(batches, epochs=2, verbose=0).history))
    check_equal(*found, within=1e-6)


@pytest.mark.parametrize("shuffle", [False, True])
def test_lists_are_as_over_an_iterator(rows, shuffle, caplog):
    found = []
    for change in (lambda batches: batches, from_iterator):
        tf.keras.utils.set_random_seed(3)
        model = rk.RankingModel(sides(rows), label="rating")
        model.compile("adagrad", loss=rk.losses.PairwiseLogisticLoss(), metrics=["mae"])
        batches = change(rk.data.lists(rows, 4, list_size=9, shuffle=shuffle, seed=1))
        with caplog.at_level(logging.INFO, logger="rankkit"):
            found.append((model, model.fit(batches, epochs=2, verbose=0).history))
    check_equal(*found, within=1e-5)
    (line,) = caplog.messages
    assert line.startswith("train steps: 8 of 8 in a call; looked up ahead: attribute")


def test_a_second_fit_and_one_that_was_cut_short_go_on_with_the_next_orders(rows):
    class Stops(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    found = []
    for change in (lambda batches: batches, from_iterator):
        tf.keras.utils.set_random_seed(3)
        model = rk.RankingModel(tower(rows), label="rating")
        model.compile("adagrad")
        batches = change(rk.data.batches(rows, 50, shuffle=True, seed=1))
        model.fit(batches, epochs=1, verbose=0, callbacks=[Stops()])
        found.append((model, model.fit(batches, epochs=2, verbose=0).history))
    check_equal(*found)


def test_evaluations_are_those_of_an_iterator(rows):
    model, _ = trained(tower, rows, rk.data.batches(rows, 50), epochs=1)
    check = rk.data.batches(rows, 64, drop_remainder=True)
    assert model.evaluate(check, verbose=0) == model.evaluate(from_iterator(check), verbose=0)


# --- How many steps in a call ---


class Counts(tf.keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(batch)


def test_a_callback_that_waits_for_each_batch_gets_each(rows):
    counts = Counts()
    model, _ = trained(tower, rows, rk.data.batches(rows, 100), epochs=1)
    model.fit(rk.data.batches(rows, 100), callbacks=[counts], verbose=0)
    assert counts.ends == [0, 1, 2, 3, 4]


class Steps(tf.keras.callbacks.Callback):
    """Notes how many steps a call has, in training and in validation."""

    def on_epoch_begin(self, epoch, logs=None):
        self.train = int(self.model._steps_per_execution.numpy())

    def on_test_begin(self, logs=None):
        self.test = int(self.model._steps_per_execution.numpy())


def test_steps_over_an_iterator_go_together_where_their_number_is_known(rows):
    batches, found = rk.data.batches(rows, 50, shuffle=True, seed=1), []
    known = from_iterator(batches)
    for x, settings, expected in [
        (known, {}, (9, 2)),
        (known.filter(lambda batch: True), {}, (1, 2)),
        (known.repeat(), {"steps_per_epoch": 4}, (4, 2)),
        (known, {"callbacks": [Counts()]}, (1, 2)),
    ]:
        model = rk.RankingModel(tower(rows), label="rating")
        model.compile("adagrad")
        steps = Steps()
        settings["callbacks"] = [steps, *settings.get("callbacks", [])]
        check = from_iterator(rk.data.batches(rows, 300))
        history = model.fit(x, validation_data=check, verbose=0, **settings).history
        assert (steps.train, steps.test) == expected
        found.append((model._train_counter.numpy(), history["loss"][0] > 0.0))
    assert found == [(9, True), (9, True), (4, True), (9, True)]


def test_fewer_batches_than_asked_for_are_told_and_reported(rows):
    batches = from_iterator(rk.data.batches(rows, 50))
    model = rk.RankingModel(tower(rows), label="rating")
    model.compile("adagrad")
    history = model.fit(
        batches, steps_per_epoch=40, validation_data=batches, validation_steps=30, verbose=0
    ).history
    assert history["loss"][0] > history["val_loss"][0] > 0.0
    assert model.evaluate(batches, steps=40, verbose=0)[0] > 0.0


def test_a_callback_may_use_the_model(rows):
    batches = from_iterator(rk.data.batches(rows, 16))
    batch = next(iter(batches))

    class Uses(tf.keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            of_any_number = batches.filter(lambda batch: True)
            self.rows = [len(self.model.predict(x, verbose=0)) for x in (batches, of_any_number)]
            self.rows.append(len(self.model.predict_on_batch(batch)))
            self.loss = self.model.test_on_batch(batch)[0]

    for x in (batches, rk.data.batches(rows, 16)):
        for before in (True, False):
            model = rk.RankingModel(tower(rows), label="rating")
            model.compile("adagrad")
            if before:
                model.predict(batches, verbose=0)
            model.fit(x, callbacks=[uses := Uses()], verbose=0)
            assert uses.rows == [403, 403, 16]
            assert uses.loss == pytest.approx(
                float(np.mean((model.predict_on_batch(batch)[:, 0] - batch["rating"]) ** 2))
            )


def test_validation_is_on_what_this_fit_was_given(rows):
    model = rk.RankingModel(tower(rows), label="rating")
    model.compile("adagrad")
    check = from_iterator(rk.data.batches({**rows, "rating": rows["rating"] + 90.0}, 50))
    wrong = rk.data.batches({**rows, "movie_id": rows["user_id"]}, 50)
    with pytest.raises(TypeError, match="movie_id"):
        model.fit(wrong, validation_data=rk.data.batches(rows, 50), verbose=0)
    history = model.fit(rk.data.batches(rows, 50), validation_data=check, verbose=0).history
    assert history["val_loss"][0] > 1000.0


def test_each_data_set_has_its_own_number_of_steps_a_call(rows):
    model = rk.RankingModel(tower(rows), label="rating")
    model.compile("adagrad")
    for batch_size, steps in ((300, 2), (10, 41), (300, 2)):
        before = model.optimizer.iterations.numpy()
        model.fit(from_iterator(rk.data.batches(rows, batch_size)), verbose=0)
        assert model.optimizer.iterations.numpy() - before == steps


def test_a_given_number_of_steps_is_kept(rows):
    model = rk.RankingModel(tower(rows), label="rating")
    model.compile("adagrad", steps_per_execution=2)
    model.fit(rk.data.batches(rows, 100), callbacks=[counts := Counts()], verbose=0)
    assert counts.ends == [1, 3, 4]


def test_what_was_chosen_is_logged_in_a_line(rows, caplog):
    with caplog.at_level(logging.INFO, logger="rankkit"):
        trained(tower, rows, rk.data.batches(rows, 100), epochs=1)
    (line,) = caplog.messages
    assert line.startswith("train steps: 5 of 5 in a call; looked up ahead: id_embedding")


def test_looking_ahead_can_be_switched_off(rows, caplog):
    with caplog.at_level(logging.INFO, logger="rankkit"):
        off = trained(tower, rows, rk.data.batches(rows, 100), epochs=1, precompute_lookups=False)
    assert not caplog.messages
    check_equal(off, trained(tower, rows, rk.data.batches(rows, 100), epochs=1), within=1e-6)


# --- Code of the user's ---


def test_a_loss_with_conditions_of_python_is_converted(rows):
    def loss(y_true, y_pred):
        error = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
        if tf.reduce_sum(error) > 0.0:
            error = error * 2.0
        return error

    _, doubled = trained(tower, rows, rk.data.batches(rows, 403), epochs=1, loss=loss)
    _, once = trained(tower, rows, rk.data.batches(rows, 403), epochs=1)
    assert doubled["loss"][0] == pytest.approx(2 * once["loss"][0])


@pytest.mark.parametrize("method", ["train_step", "compute_loss", "call"])
def test_a_step_of_the_users_is_what_is_run(rows, method):
    class Own(rk.RankingModel):
        pass

    def own(self, inputs, *args, **kwargs):
        assert isinstance(inputs["user_id"], tf.Tensor)
        assert inputs["user_id"].dtype == tf.string
        self.seen = [*getattr(self, "seen", []), sorted(inputs)]
        return getattr(rk.RankingModel, method)(self, inputs, *args, **kwargs)

    setattr(Own, method, own)
    model = Own(tower(rows), label="rating")
    trained(tower, rows, rk.data.batches(rows, 100), epochs=1, model=model)
    read = ["movie_id", "user_id"] if method == "call" else sorted(rows)
    assert list(model.seen[0]) == read
    assert not model._loops.train  # which gives no raw values to what has been looked up ahead


# --- Errors and memory ---


def test_many_models_in_a_process_draw_no_warning_of_tracing(rows, caplog, monkeypatch):
    # TensorFlow counts the traces of a function's code over all models, and warns twice at most.
    counts = polymorphic_function._FrequentTracingDetectorManager()
    monkeypatch.setattr(polymorphic_function, "_frequent_tracing_detector_manager", counts)
    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    for _ in range(6):
        trained(tower, rows, rk.data.batches(rows, 100), epochs=1)
    assert "retracing" not in caplog.text
    for number in range(6):
        tf.function(lambda x: x + 1)(tf.zeros(number))  # of others' functions it still warns
    assert "triggered tf.function retracing" in caplog.text


def test_what_is_wrong_with_rows_is_said_as_over_an_iterator(rows):
    rows["rating"][7] = np.nan
    with pytest.raises(ValueError, match=r"label 'rating' must be finite. Got: NaN"):
        trained(tower, rows, rk.data.batches(rows, 100), epochs=1)
    del rows["movie_id"]
    model = rk.RankingModel(tower({**rows, "movie_id": [1, 2]}), label="rating")
    with pytest.raises(ValueError, match="feature 'movie_id'"):
        trained(tower, rows, rk.data.batches(rows, 100), epochs=1, model=model)


def test_a_model_without_compile_is_told_by_keras(rows):
    with pytest.raises(RuntimeError, match="compile"):
        rk.RankingModel(tower(rows), label="rating").fit(rk.data.batches(rows, 100))


def test_rows_are_freed_with_their_batches(rows):
    batches = rk.data.batches(rows, 100)
    model, _ = trained(tower, rows, batches, epochs=1)
    (loop,) = model._loops.train.values()
    gone = weakref.ref(loop)
    del batches, loop
    gc.collect()
    assert gone() is None
