"""The number of training steps, and what a step leaves behind."""

import functools
import gc
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

import rankkit as rk

ROWS = 403
BATCH = 50
BATCHES = 9  # the last one is partial
EPOCHS = 2


class CountingLayer(tf.keras.layers.Layer):
    """Counts its calls in training, which does not depend on the batch."""

    def build(self, shape):
        self.calls = self.add_weight("calls", (), trainable=False, initializer="zeros")

    def call(self, inputs, training=None):
        if training:
            self.calls.assign_add(1.0)
        return inputs


def make_model(rows, optimizer: Any = "adam", **settings):
    tf.keras.utils.set_random_seed(3)
    features = {
        "movie_id": rk.layers.IdEmbedding(list(range(20)), 4, embeddings_regularizer="l2"),
        "age": rk.layers.NormalizedNumber.from_column(rows["age"]),
    }
    network = rk.ranking_network(
        features,
        interaction=lambda vectors: CountingLayer(name="counter")(tf.concat(vectors, 1)),
        head=rk.layers.DenseRatingHead([8]),
    )
    model = rk.RankingModel(network, label="rating")
    model.compile(optimizer() if callable(optimizer) else optimizer, **settings)
    return model


def columns(rows):
    return {name: rows[name] for name in ("movie_id", "age", "rating")}


def of_unknown_length(data):
    return data.filter(lambda batch: True)


def of_known_length(data):
    length = tf.data.experimental.assert_cardinality(int(data.cardinality()))
    return of_unknown_length(data).apply(length)


def fit(model, data, **settings):
    return model, model.fit(data, **{"epochs": EPOCHS, "verbose": 0, **settings}).history


def steps(model):
    """The steps that the optimizer and the network have counted."""
    calls = model.network.get_layer("counter").calls
    return int(model.optimizer.iterations.numpy()), float(calls.numpy())


def make_batches(rows, *, full):
    data = rk.data.batches(columns(rows), BATCH)
    if full:  # a static shape: the number of examples is then a constant of the graph
        data = data.unbatch().batch(BATCH, drop_remainder=True)
        data = data.apply(tf.data.experimental.assert_cardinality(BATCHES - 1))
    return data


DECAY = tf.keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.5)
ADAMW = functools.partial(tf.keras.optimizers.AdamW, DECAY, weight_decay=0.1)


def assert_same(one, other):
    (model, history), (other_model, other_history) = one, other
    assert history == other_history
    np.testing.assert_equal(model.get_weights(), other_model.get_weights())


@pytest.mark.parametrize(
    ("optimizer", "full"),
    [
        (ADAMW, False),
        (ADAMW, True),
        (lambda: tf.keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=3), False),
        (lambda: rk.optimizers.LazyAdam(DECAY), False),
        (lambda: tf.keras.optimizers.legacy.Adam(0.01), True),
    ],
    ids=["AdamW", "full batches", "averages", "LazyAdam", "legacy, full batches"],
)
def test_unknown_length_gives_the_weights_and_history_of_the_same_known_length(
    rows, optimizer, full
):
    data = make_batches(rows, full=full)
    settings = {"callbacks": [rk.WeightAveraging(0.9)], "validation_data": data if full else None}
    found = [
        fit(make_model(rows, optimizer), change(data), **settings)
        for change in (of_known_length, of_unknown_length)
    ]
    assert [steps(model) for model, _ in found] == [(len(data) * EPOCHS,) * 2] * 2
    assert_same(*found)


def in_memory(data):
    return data


def endless(data):
    return of_unknown_length(data).repeat()


def too_few(data):
    return of_unknown_length(data).repeat(EPOCHS)


SEVERAL = {"steps_per_execution": 4}
PATHS = {
    "in memory": (in_memory, {}, {}),
    "in memory, several steps": (in_memory, SEVERAL, {}),
    "known length": (of_known_length, {}, {}),
    "known length, several steps": (of_known_length, SEVERAL, {}),
    "unknown length": (of_unknown_length, {}, {}),
    "unknown length, compiled by XLA": (of_unknown_length, {"jit_compile": True}, {}),
    "unknown length, eager": (of_unknown_length, {"run_eagerly": True}, {}),
    "unknown length, steps given": (endless, SEVERAL, {"steps_per_epoch": BATCHES}),
    "too few batches": (too_few, SEVERAL, {"steps_per_epoch": BATCHES + 2}),
    "mixed precision": (of_unknown_length, {"optimizer": "loss scaling"}, {}),
}


@pytest.mark.parametrize(("change", "settings", "arguments"), PATHS.values(), ids=list(PATHS))
def test_each_batch_is_one_step(rows, change, settings, arguments):
    if settings.get("optimizer"):
        inner = tf.keras.optimizers.Adam(0.01)
        settings = {"optimizer": tf.keras.mixed_precision.LossScaleOptimizer(inner)}
    model = make_model(rows, **settings)
    data = change(rk.data.batches(columns(rows), BATCH))
    fit(model, data, callbacks=[rk.WeightAveraging(0.9)], **arguments)
    assert steps(model) == (BATCHES * EPOCHS,) * 2


@pytest.mark.parametrize("replicas", [1, 2])
def test_each_global_batch_is_one_step_of_replicas(rows, replicas, mirrored_strategy):
    one = tf.distribute.OneDeviceStrategy("/cpu:0")
    strategy = mirrored_strategy if replicas == 2 else one
    data = rk.data.batches(columns(rows), BATCH)
    found = []
    for change in (of_known_length, of_unknown_length):
        with strategy.scope():
            model = make_model(rows, ADAMW)
        found.append(fit(model, change(data)))
    assert [int(model.optimizer.iterations.numpy()) for model, _ in found] == [BATCHES * EPOCHS] * 2
    assert_same(*found)


def test_step_count_continues_over_fits_and_a_saved_file(rows, reload):
    data = of_unknown_length(rk.data.batches(columns(rows), BATCH))
    model = make_model(rows)
    with tf.keras.utils.custom_object_scope({"CountingLayer": CountingLayer}):
        for epoch in range(EPOCHS):
            fit(model, data, epochs=epoch + 1, initial_epoch=epoch)
            model = reload(model)
    assert steps(model) == (BATCHES * EPOCHS,) * 2


def test_backup_restores_the_steps(rows, tmp_path):
    class Interrupt(tf.keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    data = of_unknown_length(rk.data.batches(columns(rows), BATCH))
    backup = tf.keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        fit(make_model(rows), data, callbacks=[backup, Interrupt()])
    model, _ = fit(make_model(rows), data, callbacks=[backup])
    assert steps(model) == (BATCHES * EPOCHS,) * 2


# --- Memory ---


class OwnAggregation(tf.keras.optimizers.SGD):
    """Counts its aggregations of gradients."""

    aggregated = 0

    def aggregate_gradients(self, grads_and_vars):
        self.aggregated += 1
        return super().aggregate_gradients(grads_and_vars)


def test_aggregation_of_a_custom_optimizer_is_used(rows):
    model = make_model(rows, OwnAggregation)
    model.fit(rk.data.batches(columns(rows), BATCH), verbose=0)
    assert model.optimizer.aggregated == 1


@pytest.mark.parametrize(
    ("optimizer", "change"),
    [("adagrad", lambda data: data), (rk.optimizers.LazyAdam, of_unknown_length)],
    ids=["in memory", "over an iterator"],
)
def test_graphs_of_a_training_are_freed(rows, optimizer, change):
    data = change(rk.data.batches(columns(rows), BATCH))
    counts = []
    for _ in range(2):
        make_model(rows, optimizer).fit(data, verbose=0)
        tf.keras.backend.clear_session()
        gc.collect()
        counts.append(sum(isinstance(each, FuncGraph) for each in gc.get_objects()))
    assert counts[1] == counts[0]


# --- Empty batches ---


def stream(rows, sizes, *, lists=False):
    """Batches of these sizes, some of them empty, as a function that yields them."""

    def batches():
        start = 0
        for size in sizes:
            part = {name: each[start : start + size] for name, each in columns(rows).items()}
            if lists:  # one per row
                part = {name: values[:, np.newaxis] for name, values in part.items()}
                part["mask"] = np.ones((size, 1), bool)
            yield {name: tf.constant(values) for name, values in part.items()}
            start += size

    return batches


def over_data_set(batches):
    [first, *_] = list(batches())
    specs = {
        name: tf.TensorSpec([None, *each.shape[1:]], each.dtype) for name, each in first.items()
    }
    return tf.data.Dataset.from_generator(batches, output_signature=specs)


@pytest.mark.parametrize(
    ("optimizer", "settings", "read"),
    [
        ("adam", {}, over_data_set),
        ("lazy", {}, over_data_set),
        ("scaled", {}, over_data_set),
        ("adam", {}, lambda batches: batches()),
        ("adam", {"run_eagerly": True}, over_data_set),
        ("adam", {"jit_compile": True}, over_data_set),
        ("adam", {}, lambda batches: over_data_set(batches).map(lambda b: (b, b["rating"]))),
    ],
    ids=["data set", "lazy", "scaled", "generator", "eager", "xla", "tuples"],
)
def test_empty_batches_change_nothing(rows, optimizer, settings, read):
    found = []
    for sizes in ((50, 50, 50), (50, 0, 50, 50, 0)):
        made = {
            "lazy": lambda: rk.optimizers.LazyAdam(0.1),
            "scaled": lambda: tf.keras.mixed_precision.LossScaleOptimizer(
                tf.keras.optimizers.Adam(0.1)
            ),
        }.get(optimizer, lambda: optimizer)()
        model = make_model(rows, made, **settings)
        history = model.fit(read(stream(rows, sizes)), verbose=0).history
        weights = [each.numpy() for each in model.trainable_variables]
        found.append([int(model.optimizer.iterations), history, *weights])
    assert found[0][:2] == found[1][:2]
    assert found[0][0] == 3
    for expected, weight in zip(found[0][2:], found[1][2:], strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize("kind", ["legacy", "own", "strategy", "eager"])
def test_empty_batches_that_would_count_are_refused(rows, kind, mirrored_strategy):
    class Own(tf.keras.optimizers.Adam):
        def apply_gradients(self, *args, **kwargs):
            return super().apply_gradients(*args, **kwargs)

    optimizer = {"own": Own, "strategy": "adam"}.get(kind, tf.keras.optimizers.legacy.Adam)
    strategy = mirrored_strategy if kind == "strategy" else tf.distribute.get_strategy()
    with strategy.scope():
        model = make_model(rows, optimizer, run_eagerly=kind == "eager")
    model.fit(over_data_set(stream(rows, (50, 1, 50))), verbose=0)  # one replica has no row
    assert model.optimizer.iterations.numpy() == 3
    with pytest.raises(ValueError, match=r"^A batch must have examples.*Got: an empty batch\."):
        model.fit(over_data_set(stream(rows, (50, 0, 50))), verbose=0)
    assert model.optimizer.iterations.numpy() == 4


def test_train_on_an_empty_batch_or_a_batch_of_no_lists_changes_nothing(rows):
    for loss in (None, rk.losses.SoftmaxLoss()):
        model = make_model(rows, loss=loss)
        [batch] = stream(rows, [0], lists=loss is not None)()
        before = model.get_weights()
        model.train_on_batch(batch)
        assert int(model.optimizer.iterations) == 0
        names = [each.name for each in model.weights]
        for name, old, new in zip(names, before, model.get_weights(), strict=True):
            if "calls" not in name:
                np.testing.assert_array_equal(old, new, err_msg=name)
