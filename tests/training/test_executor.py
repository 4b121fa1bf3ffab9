"""Steps over examples in memory give the same numbers as steps over an iterator of batches."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager.polymorphic_function import polymorphic_function

import rankkit as rk

GENRES = ["drama", "comedy", "crime"]
PAIR = ("user_id", "movie_id")


def make_ids(rows, **kwargs):
    return {name: rk.layers.IdEmbedding.from_column(rows[name], 4, **kwargs) for name in PAIR}


def make_network(rows):
    return rk.models.tower(make_ids(rows), hidden_units=[8])


def make_network_of_all_kinds_of_features(rows):
    """Ids, numbers, lists, texts, features of two columns, and attributes of ids."""
    users = rk.data.vocabulary(rows["user_id"])
    columns = [rows[name] for name in PAIR]
    attribute = rk.layers.Attribute(
        users, [GENRES[len(str(user))] for user in users], rk.layers.OneHot(GENRES)
    )
    features = {
        **make_ids(rows, embeddings_regularizer="l2"),
        "age": rk.layers.NormalizedNumber.from_column(rows["age"]),
        "genres": rk.layers.TagsEmbedding(GENRES, 3),
        "note": rk.layers.TextEmbedding(["a", *GENRES], 3),
        "kind": ("user_id", attribute),
        "history": (PAIR, rk.layers.HistoryEmbedding.from_columns(*columns, 3)),
        "pair": (PAIR, rk.layers.CrossEmbedding.from_columns(*columns, 3)),
    }
    return rk.models.tower(features, hidden_units=[8])


def make_model(rows, *, network=None, optimizer="adagrad", sample_weight=None, **settings):
    tf.keras.utils.set_random_seed(3)
    network = network or make_network(rows)
    model = rk.RankingModel(network, label="rating", sample_weight=sample_weight)
    model.compile(optimizer, **settings)
    return model


def make_model_of_heads(rows, **settings):
    """Two heads of which one has missing labels and a training bias."""
    rows["click"] = np.where(rows["rating"] == 3.0, np.nan, rows["rating"] > 3.0).astype(np.float32)
    rows["position"] = np.arange(403) % 7
    heads = {"stars": rk.layers.DenseRatingHead([4]), "click": rk.layers.DenseRatingHead([4])}
    network = rk.ranking_network(make_ids(rows), head=heads, score={"stars": 1.0})
    positions = {"position": rk.layers.IdEmbedding(list(range(7)), 1)}
    bias = rk.ranking_network(positions, interaction=lambda vectors: vectors[0])
    labels = {"stars": "rating", "click": "click"}
    model = rk.RankingModel(network, label=labels, training_bias={"click": bias})
    losses = {"stars": "mse", "click": tf.keras.losses.BinaryCrossentropy(from_logits=True)}
    model.compile("adam", loss=losses, loss_weights="uncertainty", **settings)
    return model


def fit(model, data, **settings):
    return model, model.fit(data, verbose=0, **settings).history


def assert_equal(one, other, *, within=1e-6):
    """Compares two trained models and their histories."""
    (model, history), (other_model, other_history) = one, other
    assert list(history) == list(other_history)
    for name, values in history.items():
        np.testing.assert_allclose(values, other_history[name], rtol=within, err_msg=name)
    for weights, others in zip(model.get_weights(), other_model.get_weights(), strict=True):
        np.testing.assert_allclose(weights, others, rtol=0, atol=within)


def over_iterator(batches):
    """The same batches, as a data set that is not known to be in memory."""
    return batches.map(lambda batch: batch)


WAYS = (lambda batches: batches, over_iterator)


# --- The same numbers ---


def make_model_of_all_kinds_of_features(rows, **settings):
    network = make_network_of_all_kinds_of_features(rows)
    return make_model(rows, network=network, sample_weight="weight", **settings)


def make_listwise_model(rows, **settings):
    settings |= {"loss": rk.losses.PairwiseLogisticLoss(), "metrics": ["mae"]}
    return make_model(rows, network=make_network_of_all_kinds_of_features(rows), **settings)


def make_listwise_model_of_integers(rows, **settings):
    movies = {"movie_id": rk.layers.IdEmbedding.from_column(rows["movie_id"], 4)}
    network = rk.models.tower(movies, hidden_units=[8])
    return make_model(rows, network=network, loss=rk.losses.LambdaRankLoss(), **settings)


def make_batches(rows):
    # 26 steps per epoch: the last execution has two, and the last step three examples.
    return rk.data.batches(rows, 16, shuffle=True, seed=5)


def make_lists(rows):
    return rk.data.lists(rows, 4, list_size=9, shuffle=True, seed=1)


def make_lists_of_integers(rows):
    """Lists without strings, which XLA cannot read."""
    columns = {name: rows[name].astype(int) for name in ("user_id", "movie_id", "rating")}
    return make_lists(columns)


IN_MEMORY, XLA = {"steps_per_execution": 4}, {"jit_compile": True}


@pytest.mark.parametrize(
    ("make", "make_data", "ways"),
    [
        (make_model_of_all_kinds_of_features, make_batches, [IN_MEMORY, XLA]),
        pytest.param(
            *(make_model_of_heads, make_batches, [IN_MEMORY, XLA]), marks=pytest.mark.slow
        ),
        (make_listwise_model, make_lists, [IN_MEMORY]),
        pytest.param(
            *(make_listwise_model_of_integers, make_lists_of_integers, [XLA]),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["all kinds of features", "heads", "lists", "lists of integers"],
)
def test_weights_and_history_equal_those_over_an_iterator(rows, log, make, make_data, ways):
    """In memory, also where XLA compiles the steps."""

    def train(change, settings):
        tf.keras.utils.set_random_seed(3)
        model, data = make(rows, **settings), change(make_data(rows))
        is_validated = make is make_model_of_all_kinds_of_features
        validation = change(rk.data.batches(rows, 100)) if is_validated else None
        found = fit(model, data, epochs=2, validation_data=validation)
        for line in log.messages:  # of training and evaluation
            assert line.endswith("compiled by XLA") == (settings is XLA)
            assert "in memory" in line or settings is not IN_MEMORY
        log.clear()
        assert found[1]["loss"][0] != found[1]["loss"][-1]
        return found

    expected = train(over_iterator, {})
    for settings in ways:
        within = 1e-6 if settings is IN_MEMORY and make_data is make_batches else 1e-4
        assert_equal(train(WAYS[0], settings), expected, within=within)


@pytest.mark.parametrize(
    "optimizer",
    [
        tf.keras.optimizers.SGD(0.1, momentum=0.9),
        tf.keras.optimizers.Adam(0.01, clipnorm=0.1),
        tf.keras.optimizers.legacy.Adagrad(0.1),
        rk.optimizers.LazyAdam(0.01),
    ],
    ids=["SGD", "Adam with clipnorm", "legacy Adagrad", "LazyAdam"],
)
def test_optimizers_give_the_same_weights_as_over_an_iterator(rows, optimizer):
    found = []
    for eagerly in (False, True):  # eager steps are over an iterator
        fresh = type(optimizer).from_config(optimizer.get_config())
        model = make_model(rows, optimizer=fresh, run_eagerly=eagerly)
        found.append(fit(model, rk.data.batches(rows, 50, shuffle=True, seed=1)))
    assert_equal(*found, within=2e-6)


def test_shuffle_order_continues_across_fits_and_early_stops(rows):
    class StopInTheFirstEpoch(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    found = []
    for change in WAYS:
        model = make_model(rows)
        batches = change(rk.data.batches(rows, 50, shuffle=True, seed=1))
        model.fit(batches, verbose=0, callbacks=[StopInTheFirstEpoch()])
        found.append(fit(model, batches, epochs=2))
    assert_equal(*found)


# --- The choice of the execution ---


class Batches(tf.keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(batch)


def test_callback_with_batch_hooks_is_called_once_per_execution(rows):
    model = make_model(rows, steps_per_execution=2)
    model.fit(rk.data.batches(rows, 100), callbacks=[batches := Batches()], verbose=0)
    assert batches.ends == [1, 3, 4]


def test_executions_are_logged_and_run_all_steps(rows, log):
    model = make_model(rows)
    expected_steps = 0
    for batch_size, steps in ((300, 2), (10, 41), (300, 2)):
        model.fit(over_iterator(rk.data.batches(rows, batch_size)), verbose=0)
        expected_steps += steps
        assert model.optimizer.iterations.numpy() == expected_steps
        assert log.messages[-1] == f"training: {steps} steps per execution, over an iterator"
    check = rk.data.batches(rows, 200)
    model.fit(rk.data.batches(rows, 100), validation_data=check, verbose=0)
    model.evaluate(check, verbose=0)
    assert model.optimizer.iterations.numpy() == expected_steps + 5
    for line, start in zip(log.messages[-2:], ("training: 5", "evaluation: 3"), strict=True):
        assert line.startswith(f"{start} steps per execution, in memory, precomputed lookups: id_")


@pytest.mark.parametrize(
    ("settings", "arguments", "logged"),
    [
        ({"precompute_lookups": False}, {}, "3 steps per execution, over an iterator"),
        (
            {"run_eagerly": True},
            {"steps_per_epoch": 2},
            "1 step per execution, over an iterator, eagerly",
        ),
        (
            {"steps_per_execution": "auto"},
            {},
            "1 step per execution, over an iterator, with a number of steps tuned by Keras",
        ),
        ({}, {"steps_per_epoch": 3}, "3 steps per execution, over an iterator"),
    ],
    ids=["without lookups", "run_eagerly", "steps_per_execution='auto'", "part of an epoch"],
)
def test_settings_that_need_keras_iterator(rows, settings, arguments, logged, log):
    model = make_model(rows, **settings)
    model.fit(rk.data.batches(rows, 200), **arguments, verbose=0)
    assert log.messages[0] == f"training: {logged}"
    assert model.optimizer.iterations.numpy() == arguments.get("steps_per_epoch", 3)


def test_fewer_batches_than_asked_for_are_reported(rows):
    batches = over_iterator(rk.data.batches(rows, 50))
    model = make_model(rows)
    steps = {"steps_per_epoch": 40, "validation_steps": 30}
    history = model.fit(batches, validation_data=batches, **steps, verbose=0).history
    assert history["loss"][0] > history["val_loss"][0] > 0.0
    assert model.evaluate(batches, steps=40, verbose=0)[0] > 0.0


def test_uncompiled_model_raises_as_in_keras(rows):
    model = rk.RankingModel(make_network(rows), label="rating")
    with pytest.raises(RuntimeError, match="compile"):
        model.fit(rk.data.batches(rows, 100))


# --- Several uses of one model ---


def test_functions_are_traced_once_when_fits_alternate_between_memory_and_iterator(rows):
    traces = []

    def loss(y_true, y_pred):
        traces.append(y_true)
        return tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)

    model = make_model(rows, loss=loss)
    in_memory = rk.data.batches(rows, 100)
    counts = []
    for data in (in_memory, over_iterator(in_memory)) * 2 + (over_iterator(in_memory.take(2)),):
        model.fit(data, epochs=2, verbose=0)
        counts.append(len(traces))
    assert counts == [1, 2, 2, 2, 2]
    assert model.optimizer.iterations.numpy() == 4 * 2 * 5 + 2 * 2


@pytest.mark.parametrize(
    ("first", "second"), [WAYS, WAYS[::-1]], ids=["from memory to an iterator", "the reverse"]
)
def test_fit_after_an_interrupted_fit_is_validated_on_its_own_data(rows, first, second):
    class InterruptTheSecondEpoch(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model = make_model(rows)
    batches = rk.data.batches(rows, 100)
    shifted = {**rows, "rating": rows["rating"] + 90.0}
    old, new = first(rk.data.batches(rows, 200)), second(rk.data.batches(shifted, 200))
    settings = {"epochs": 2, "callbacks": [InterruptTheSecondEpoch()], "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        model.fit(batches, validation_data=old, **settings)
    history = model.fit(batches, validation_data=new, verbose=0).history
    assert history["val_loss"] == [model.evaluate(new, verbose=0)[0]]
    assert history["val_loss"][0] > 1000.0 > model.evaluate(old, verbose=0)[0]


class UseModel(tf.keras.callbacks.Callback):
    """Evaluates and predicts after a step in the middle of each epoch, and after each epoch."""

    def __init__(self, data, hooks):
        super().__init__()
        self.data, self.hooks, self.found = data, hooks, []

    def on_train_batch_end(self, batch, logs=None):
        if "batch" in self.hooks and batch == 2:
            self.use()

    def on_epoch_end(self, epoch, logs=None):
        if "epoch" in self.hooks:
            self.use()

    def use(self):
        model, batches = self.model, over_iterator(self.data)
        batch = next(iter(batches))
        losses = [model.evaluate(data, verbose=0)[0] for data in (self.data, batches)]
        sizes = [len(model.predict(data, verbose=0)) for data in (self.data, batches)]
        unknown_size = batches.filter(lambda batch: True)
        sizes += [len(model.predict(unknown_size, verbose=0)), len(model.predict_on_batch(batch))]
        assert sizes == [403, 403, 403, 150]
        errors = model.predict_on_batch(batch)[:, 0] - batch["rating"]
        assert model.test_on_batch(batch)[0] == pytest.approx(np.mean(errors**2), rel=1e-5)
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        self.found.append(losses[0])


@pytest.mark.slow
def test_callback_that_evaluates_and_predicts_does_not_change_fit(rows, log):
    batches = rk.data.batches(rows, 100, shuffle=True, seed=1)
    validation = rk.data.batches({**rows, "rating": rows["rating"] + 1.0}, 150)
    settings = {"epochs": 2, "validation_data": validation}
    undisturbed, expected = fit(make_model(rows), batches, callbacks=[Batches()], **settings)
    for hooks in (("batch", "epoch"), ("epoch",)):
        use = UseModel(rk.data.batches(rows, 150), hooks)
        again = rk.data.batches(rows, 100, shuffle=True, seed=1)
        model, history = fit(make_model(rows), again, callbacks=[Batches(), use], **settings)
        # As in Keras, an evaluation within an epoch resets its metrics.
        kept = [name for name in expected if hooks == ("epoch",) or name.startswith("val_")]
        one, other = ({name: each[name] for name in kept} for each in (history, expected))
        assert_equal((model, one), (undisturbed, other))
        assert len(use.found) == 2 * len(hooks)
        assert use.found[-1] == pytest.approx(model.evaluate(use.data, verbose=0)[0])
    model.fit(batches, verbose=0)
    assert log.messages[-1].startswith("training: 5 steps per execution, in memory")


def test_train_on_batch_within_fit_adds_its_own_update_only(rows):
    batches = rk.data.batches(rows, 100)
    extra = next(iter(rk.data.batches(rows, 50)))

    class TrainOnBatch(tf.keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                self.model.train_on_batch(extra)

    model, _ = fit(make_model(rows), batches, callbacks=[TrainOnBatch()])
    by_hand = make_model(rows, run_eagerly=True)
    for number, batch in enumerate(batches):
        by_hand.train_on_batch(batch)
        if number == 1:
            by_hand.train_on_batch(extra)
    assert model.optimizer.iterations.numpy() == by_hand.optimizer.iterations.numpy() == 6
    assert_equal((model, {}), (by_hand, {}))


def test_tensorboard_writes_each_batch_at_its_step(rows, tmp_path):
    for number, change in enumerate(WAYS):
        folder = tmp_path / str(number)
        board = tf.keras.callbacks.TensorBoard(folder, update_freq=2, write_steps_per_second=True)
        batches = change(rk.data.batches(rows, 100))
        make_model(rows).fit(batches, epochs=2, callbacks=[board], verbose=0)
        (file,) = map(str, folder.rglob("*.v2"))
        records = [record.numpy() for record in tf.data.TFRecordDataset(file)]
        events = map(tf.compat.v1.Event.FromString, records)
        tags = [(event.step, value.tag) for event in events for value in event.summary.value]
        assert [step for step, tag in tags if tag == "batch_loss"] == [2, 4, 6, 8, 10]


def test_examples_are_freed_with_their_data_set(rows):
    batches = rk.data.batches(rows, 100)
    model, _ = fit(make_model(rows), batches)
    data = weakref.ref(batches)
    del batches
    gc.collect()
    assert data() is None
    assert model.train_function is None


@pytest.mark.slow
def test_training_many_models_logs_no_warning_of_retracing(rows, caplog, monkeypatch):
    # TensorFlow counts the traces of a function over all models, and warns twice at most.
    counts = polymorphic_function._FrequentTracingDetectorManager()
    monkeypatch.setattr(polymorphic_function, "_frequent_tracing_detector_manager", counts)
    monkeypatch.setattr(tf.get_logger(), "propagate", True)
    network = rk.models.tower({"movie_id": make_ids(rows)["movie_id"]}, hidden_units=[])
    for _ in range(6):
        fit(make_model(rows, network=network), rk.data.batches(rows, 403))
    assert "retracing" not in caplog.text
    for number in range(6):
        tf.function(lambda x: x + 1)(tf.zeros(number))  # a custom function
    assert "triggered tf.function retracing" in caplog.text


# --- Code of the user ---


def test_loss_with_python_conditions_is_converted_by_autograph(rows):
    def doubled(y_true, y_pred):
        error = tf.reduce_mean(tf.square(y_true - y_pred), axis=-1)
        if tf.reduce_sum(error) > 0.0:
            error = error * 2.0
        return error

    batches = rk.data.batches(rows, 403)
    _, history = fit(make_model(rows, loss=doubled), batches)
    _, expected = fit(make_model(rows), batches)
    assert history["loss"][0] == pytest.approx(2 * expected["loss"][0])


@pytest.mark.parametrize("method", ["train_step", "compute_loss", "call"])
def test_overridden_step_gets_raw_values(rows, method, log):
    seen = []

    def own(self, inputs, *args, **kwargs):
        assert inputs["user_id"].dtype == tf.string
        seen.append(sorted(inputs))
        return getattr(rk.RankingModel, method)(self, inputs, *args, **kwargs)

    model = type("OwnModel", (rk.RankingModel,), {method: own})(make_network(rows), label="rating")
    model.compile("adagrad")
    fit(model, rk.data.batches(rows, 100))
    assert "over an iterator" in log.messages[0]
    assert seen[0] == (sorted(PAIR) if method == "call" else sorted(rows))


# --- Errors ---


def test_errors_are_those_over_an_iterator(rows):
    rows["rating"][7] = np.nan
    missing = {name: column for name, column in rows.items() if name != "movie_id"}
    for change in WAYS:
        with pytest.raises(ValueError, match=r"^Label 'rating' must be finite\. Got: NaN"):
            fit(make_model(rows), change(rk.data.batches(rows, 100)))
        with pytest.raises(ValueError, match=r"^Missing feature 'movie_id'"):
            fit(make_model(rows), change(rk.data.batches(missing, 100)))


# --- What Keras allows ---


def test_validation_data_of_unknown_size_is_allowed(rows):
    known = rk.data.batches(rows, 40)
    unknown = known.filter(lambda batch: True)
    model, history = fit(make_model(rows), known, epochs=2, validation_data=unknown)
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(known, verbose=0)[0])


@pytest.mark.parametrize("before", [False, True])
def test_jit_compile_can_be_set_after_compile(rows, log, before):
    model = make_model(rows, jit_compile=before)
    model.jit_compile = not before
    model.fit(rk.data.batches(rows, 100), verbose=0)
    assert ("compiled by XLA" in log.messages[0]) == (not before)
    stream = over_iterator(rk.data.batches(rows, 100))
    assert np.isfinite(model.evaluate(stream, verbose=0)).all()  # strings, without XLA
    assert model.predict(stream, verbose=0).shape == (403, 1)


def test_train_function_set_to_none_is_built_again(rows):
    class Scaled(rk.RankingModel):
        scale = 1.0

        def compute_loss(self, inputs, training=False):
            return self.scale * super().compute_loss(inputs, training=training)

    model = Scaled(make_network(rows), label="rating")
    model.compile("sgd")
    data = rk.data.batches(rows, 100)
    model.fit(data, verbose=0)
    weights = model.get_weights()
    model.scale, model.train_function = 0.0, None
    model.fit(data, verbose=0)
    tf.nest.map_structure(np.testing.assert_array_equal, model.get_weights(), weights)


def test_model_is_unchanged_by_a_compile_that_fails(rows):
    model = make_model(rows)
    data = rk.data.batches(rows, 100)
    model.fit(data, verbose=0)
    with pytest.raises(TypeError):
        model.compile("sgd", loss={"a": "mse"})
    assert isinstance(model.optimizer, tf.keras.optimizers.Adagrad)
    model.fit(data, verbose=0)
    assert int(model.optimizer.iterations) == 10


def test_fit_in_a_callback_leaves_the_validation_of_the_outer_fit(rows):
    data = rk.data.batches(rows, 100)
    model = make_model(rows)

    def fit_inside(epoch, logs):
        model.fit(rk.data.batches(rows, 200), verbose=0)

    callback = tf.keras.callbacks.LambdaCallback(on_epoch_begin=fit_inside)
    history = model.fit(data, epochs=2, validation_data=data, callbacks=[callback], verbose=0)
    assert np.isfinite(history.history["val_loss"]).all()
