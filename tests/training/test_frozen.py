"""Frozen layers keep their weights to the last bit, and a stale trace is an error."""

from typing import Any

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf


def make_batches(*, iterates=False):
    generator = np.random.default_rng(7)
    rows: dict[str, Any] = {name: generator.integers(0, 20, 75) for name in ("user_id", "item_id")}
    rows["rating"] = generator.integers(1, 6, 75).astype(np.float32)
    batches = rk.data.batches(rows, 16, shuffle=True, seed=1)
    return batches.map(lambda row: row) if iterates else batches


def make_model(*, regularizer=None):
    tf.keras.utils.set_random_seed(3)
    ids = list(range(20))
    features = {
        "user_id": rk.layers.IdEmbedding(ids, 4, name="users", embeddings_regularizer=regularizer),
        "item_id": rk.layers.IdEmbedding(ids, 4, name="items", embeddings_regularizer=regularizer),
    }
    norm = tf.keras.layers.BatchNormalization(name="norm")
    dense = rk.layers.DenseRatingHead([8], name="dense")
    network = rk.ranking_network(features, head=lambda vector: dense(norm(vector)))
    return rk.RankingModel(network, label="rating")


def weights_of(model):
    """The weights of each layer of the network."""
    return {layer.name: layer.get_weights() for layer in model.network.layers if layer.weights}


def changed(model, before):
    """The names of the layers with a weight that has changed, even in the last bit."""
    return {
        name
        for name, weights in weights_of(model).items()
        if any(map(lambda one, two: one.tobytes() != two.tobytes(), weights, before[name]))
    }


def freeze(model, *names):
    for name in names:
        model.network.get_layer(name).trainable = False


CASES = {  # the optimizer, whether it iterates over batches, and settings
    "Adagrad, in memory": ("adagrad", False, {}),
    "Adagrad, over an iterator": ("adagrad", True, {}),
    "Adagrad, in memory, XLA": ("adagrad", False, {"jit_compile": True}),
    "Adagrad, eagerly": ("adagrad", False, {"run_eagerly": True}),
    "AdamW": (tf.keras.optimizers.AdamW(0.01, weight_decay=0.1), False, {}),
    "averages": (
        tf.keras.optimizers.SGD(0.1, momentum=0.9, use_ema=True, ema_overwrite_frequency=2),
        True,
        {},
    ),
    "LazyAdam": (rk.optimizers.LazyAdam(0.01), False, {}),
}


@pytest.mark.parametrize(("optimizer", "iterates", "settings"), CASES.values(), ids=CASES)
def test_only_layers_that_are_not_frozen_are_trained(optimizer, iterates, settings):
    model = make_model(regularizer="l2")
    before = weights_of(model)
    freeze(model, "items", "norm")
    model.compile(optimizer, **settings)
    averaging = rk.WeightAveraging(0.9)
    model.fit(make_batches(iterates=iterates), epochs=2, callbacks=[averaging], verbose=0)
    assert changed(model, before) == {"users", "dense"}


@pytest.mark.parametrize("iterates", [False, True])
def test_nothing_is_trained_in_a_frozen_network(iterates):
    model = make_model(regularizer="l2")
    model.network.trainable = False
    model.compile("adagrad")
    before = weights_of(model)
    model.fit(make_batches(iterates=iterates), verbose=0)
    assert changed(model, before) == set()


def test_moving_statistics_of_batch_normalization_are_those_over_an_iterator():
    found = []
    for iterates in (False, True):
        model = make_model()
        model.compile("adagrad")
        model.fit(make_batches(iterates=iterates), verbose=0)
        found.append(weights_of(model)["norm"])
        assert not np.array_equal(found[-1][3], np.ones(8))  # the moving variance
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("iterates", "settings", "fits_first"),
    [(False, {}, True), (True, {}, False), (False, {"run_eagerly": True}, False)],
)
def test_freezing_after_compile_is_an_error(iterates, settings, fits_first):
    batches = make_batches(iterates=iterates)
    model = make_model()
    model.compile("adagrad", **settings)
    items = model.network.get_layer("items")
    if fits_first:
        model.fit(batches, verbose=0)
    items.trainable = False
    before = weights_of(model)
    text = (
        "^The attribute trainable of a layer must not change between compile and fit, .* "
        "Got: False instead of True for 'items', 'embedding'. Call compile again"
    )
    with pytest.raises(ValueError, match=text):
        model.fit(batches, verbose=0)
    with pytest.raises(ValueError, match=text):
        model.train_on_batch(next(iter(batches)))
    model.evaluate(batches, verbose=0)
    assert changed(model, before) == set()
    model.compile(model.optimizer if fits_first else "adagrad", **settings)  # with its state
    model.fit(batches, verbose=0)
    assert changed(model, before) == {"users", "norm", "dense"}
    items.trainable = True
    model.compile("adagrad", **settings)
    before = weights_of(model)
    model.fit(batches, verbose=0)
    assert changed(model, before) == {"users", "items", "norm", "dense"}


@pytest.mark.parametrize("iterates", [False, True])
def test_layer_frozen_by_a_callback_is_an_error(iterates):
    batches = make_batches(iterates=iterates)
    model = make_model()
    model.compile("adagrad")
    items = model.network.get_layer("items")

    def freeze(epoch, logs):
        items.trainable = epoch < 1

    callback = tf.keras.callbacks.LambdaCallback(on_epoch_end=freeze)
    with pytest.raises(ValueError, match="Got: False instead of True for 'items'"):
        model.fit(batches, epochs=3, callbacks=[callback], validation_data=batches, verbose=0)


def test_optimizer_without_variables_of_a_weight_is_an_error():
    batches = make_batches()
    model = make_model()
    items = model.network.get_layer("items")
    items.trainable = False
    model.compile("adam")
    model.fit(batches, verbose=0)
    items.trainable = True
    model.compile(model.optimizer)
    with pytest.raises(KeyError, match="The optimizer cannot recognize variable"):
        model.fit(batches, verbose=0)


def test_file_keeps_what_is_frozen(reload):
    batches = make_batches()
    model = make_model()
    freeze(model, "items", "norm")
    model.compile("adam")
    model.fit(batches, verbose=0)
    loaded = reload(model)
    assert changed(loaded, weights_of(model)) == set()
    before = weights_of(loaded)
    loaded.fit(batches, verbose=0)
    model.fit(batches, verbose=0)
    assert changed(loaded, before) == {"users", "dense"}


def state_of(optimizer):
    return [np.asarray(variable) for variable in optimizer.variables]


@pytest.mark.parametrize(
    ("optimizer", "frozen", "trained"),
    [  # each pair of settings
        ("adam", [], False),
        ("adam", ["users"], True),
        ("adam", ["items", "norm"], True),
        ("adagrad", [], True),
        ("adagrad", ["users"], True),
        ("adagrad", ["items", "norm"], False),
        (rk.optimizers.LazyAdam(), [], True),
        (rk.optimizers.LazyAdam(), ["users"], False),
        (rk.optimizers.LazyAdam(), ["items", "norm"], True),
    ],
)
def test_file_keeps_the_state_of_an_optimizer_with_variables_of_frozen_layers(
    optimizer, frozen, trained, reload, caplog
):
    batches = make_batches()
    model = make_model()
    optimizer = tf.keras.optimizers.get(optimizer)
    model.compile(type(optimizer).from_config(optimizer.get_config()))
    if trained:
        model.fit(batches, verbose=0)
    for name in frozen:
        model.network.get_layer(name).trainable = False
    model.compile(model.optimizer)
    loaded = reload(model)
    assert "Skipping variable loading" not in caplog.text
    for one, two in zip(state_of(model.optimizer), state_of(loaded.optimizer), strict=True):
        np.testing.assert_array_equal(one, two)
    for each in (model, loaded):
        each.fit(make_batches(), verbose=0)
    assert changed(loaded, weights_of(model)) == set()
    again = reload(loaded)
    for one, two in zip(state_of(model.optimizer), state_of(again.optimizer), strict=True):
        np.testing.assert_array_equal(one, two)


def test_file_keeps_the_state_of_an_optimizer_that_scales_the_loss(mixed_precision, reload):
    model = make_model()
    model.compile("adam")
    model.fit(make_batches(), verbose=0)
    model.network.get_layer("users").trainable = False
    model.compile(model.optimizer)
    loaded = reload(model)
    for one, two in zip(state_of(model.optimizer), state_of(loaded.optimizer), strict=True):
        np.testing.assert_array_equal(one, two)
    assert int(loaded.optimizer.iterations) == 5
