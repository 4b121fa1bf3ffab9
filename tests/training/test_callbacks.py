"""`WeightAveraging`, and training that is interrupted and resumed."""

import shutil

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

ROWS = {
    "id": (np.arange(96) % 30).astype(str),
    "rating": np.linspace(1.0, 5.0, 96, dtype=np.float32),
}
STEPS = 6  # per epoch


def make_model(loss="mse"):
    tf.keras.utils.set_random_seed(3)
    layers = {"id": rk.layers.IdEmbedding([str(i) for i in range(30)], 4)}
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adagrad(0.1), loss=loss)
    return model


def assert_close(weights, expected):
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


# --- Averaged weights ---


class WeightsByEpoch(tf.keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


class WeightsByStep(WeightsByEpoch):
    on_train_batch_end = WeightsByEpoch.on_epoch_end
    on_epoch_end = tf.keras.callbacks.Callback.on_epoch_end


def fit(*callbacks, epochs=1, validation=None, strategy=None):
    with (strategy or tf.distribute.get_strategy()).scope():
        model = make_model()
    data = rk.data.batches(ROWS, 16)
    check = None if validation is None else rk.data.batches(validation, 32)
    settings = {"epochs": epochs, "validation_data": check, "verbose": 0}
    return model, model.fit(data, callbacks=[*callbacks], **settings).history


@pytest.fixture(scope="module")
def steps():
    """The weights after each step of three epochs without averaging."""
    fit(by_step := WeightsByStep(), epochs=3)
    return by_step.weights


def average(steps, shares):
    return [np.average(values, axis=0, weights=shares) for values in zip(*steps, strict=True)]


def exponential_average(steps, momentum):
    return average(steps, momentum ** np.arange(len(steps) - 1, -1, -1.0))


@pytest.mark.parametrize("validation", [None, ROWS], ids=["without validation", "with validation"])
def test_averaged_weights_are_used_between_epochs_and_not_by_training_steps(validation, steps):
    by_step, by_epoch = WeightsByStep(), WeightsByEpoch()
    averaging = rk.WeightAveraging(0.8)
    model, _ = fit(averaging, by_step, by_epoch, epochs=3, validation=validation)
    for weights, expected in zip(by_step.weights, steps, strict=True):
        assert_close(weights, expected)
    for epoch, weights in enumerate(by_epoch.weights, start=1):
        assert_close(weights, exponential_average(steps[: STEPS * epoch], 0.8))
    assert_close(model.get_weights(), by_epoch.weights[-1])


def test_momentum_none_takes_the_mean_of_the_steps_from_the_start_epoch(steps):
    by_epoch = WeightsByEpoch()
    fit(rk.WeightAveraging(None, start_epoch=1), by_epoch, epochs=3)
    assert_close(by_epoch.weights[0], steps[STEPS - 1])
    assert_close(by_epoch.weights[-1], average(steps[STEPS:], None))


def test_momentum_near_one_gives_nearly_the_plain_mean(steps):
    model, _ = fit(rk.WeightAveraging(1 - 1e-9))
    assert_close(model.get_weights(), average(steps[:STEPS], None))


def test_update_after_several_steps_counts_them(steps, caplog):
    with caplog.at_level("INFO", logger="rankkit"):
        model, _ = fit(rk.WeightAveraging(0.8, update_freq=4))
    assert caplog.messages[0].startswith("training: 4 steps per execution")
    shares = [0.8**2 * (1 - 0.8**4), 1 - 0.8**2]  # after four steps, and after two more
    assert_close(model.get_weights(), average([steps[3], steps[5]], shares))


def test_validation_is_computed_with_the_averaged_weights():
    model, history = fit(rk.WeightAveraging(0.8), epochs=2, validation=ROWS)
    last = model.evaluate(rk.data.batches(ROWS, 32), verbose=0)[0]
    np.testing.assert_allclose(history["val_loss"][-1], last, rtol=1e-5)
    _, plain = fit(epochs=2, validation=ROWS)
    assert abs(plain["val_loss"][-1] - last) > 1e-4


def test_early_stopping_restores_the_averaged_weights_of_the_best_epoch():
    stop = tf.keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    reversed_labels = {"id": ROWS["id"], "rating": ROWS["rating"][::-1].copy()}
    averaging = rk.WeightAveraging(0.8)
    model, history = fit(averaging, stop, epochs=40, validation=reversed_labels)
    assert 2 < len(history["val_loss"]) < 40
    best = model.evaluate(rk.data.batches(reversed_labels, 32), verbose=0)[0]
    np.testing.assert_allclose(best, min(history["val_loss"]), rtol=1e-5)


def test_averaged_weights_are_the_same_on_two_replicas(mirrored_strategy, steps):
    model, _ = fit(rk.WeightAveraging(0.8), strategy=mirrored_strategy)
    assert_close(model.get_weights(), exponential_average(steps[:STEPS], 0.8))


def test_callback_can_be_used_again_and_the_model_saved(reload):
    averaging = rk.WeightAveraging(0.8)
    first, _ = fit(averaging)
    second, _ = fit(averaging)
    assert_close(second.get_weights(), first.get_weights())
    assert_close(reload(second).get_weights(), first.get_weights())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *[("momentum", value, "between 0 and 1") for value in (0.0, 1.0)],
        ("start_epoch", -1, "an integer of at least 0"),
        *[("update_freq", value, "an integer of at least 1") for value in (0, "epoch")],
    ],
)
def test_unsuitable_arguments_raise(name, value, expected):
    with pytest.raises(ValueError, match=f"^{name} must be {expected}.*Got: {name}="):
        rk.WeightAveraging(**{name: value})


# --- Interrupted and resumed training ---


class Interrupt(tf.keras.callbacks.Callback):
    """Stops with a KeyboardInterrupt in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.stop_epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.stop_epoch and batch == 1:
            raise KeyboardInterrupt


def make_batches(**order):
    return rk.data.batches(ROWS, 16, shuffle=True, seed=5, **order)


def make_model_of_clicks():
    """An ordinal head and one of clicks, with learned loss weights."""
    tf.keras.utils.set_random_seed(3)
    ids = [str(number) for number in range(30)]
    heads = {"stars": rk.layers.OrdinalHead((1, 2, 3), []), "click": rk.layers.DenseRatingHead([])}
    features = {name: rk.layers.IdEmbedding(ids, 4) for name in ("user_id", "id")}
    network = rk.ranking_network(features, head=heads, score={"click": 1.0})
    model = rk.RankingModel(network, label={"stars": "rating", "click": "click"})
    loss = {
        "stars": rk.losses.OrdinalLoss((1, 2, 3)),
        "click": tf.keras.losses.BinaryCrossentropy(from_logits=True),
    }
    optimizer = tf.keras.optimizers.Adagrad(0.1)
    model.compile(optimizer, loss=loss, loss_weights="uncertainty", run_eagerly=True)
    return model


def make_batches_with_negatives(**order):
    generator = np.random.default_rng(0)
    rows = {name: generator.integers(0, 30, 60).astype(str) for name in ("user_id", "id")}
    rows["rating"] = generator.integers(1, 4, 60)
    settings = {"item": "id", "num_negatives": 2, "outcomes": ["rating"], "seed": 5}
    return rk.data.with_negatives(rows, 16, **settings, **order)


def make_listwise_model():
    return make_model(rk.losses.SoftmaxLoss())


def make_lists(**order):
    return rk.data.lists(ROWS, 5, query="id", shuffle=True, seed=5, **order)


RATINGS = make_model, make_batches
LISTS = make_listwise_model, make_lists
CLICKS = make_model_of_clicks, make_batches_with_negatives


@pytest.mark.parametrize(
    ("kind", "averaged", "epoch"),
    [(RATINGS, True, 2), (LISTS, False, 0), (CLICKS, True, 1)],
    ids=["averaged weights", "lists, first epoch", "negatives and learned loss weights"],
)
@pytest.mark.slow
def test_interrupted_training_resumes_with_the_same_result(kind, averaged, epoch, tmp_path):
    make_model, make_batches = kind
    folder = tmp_path / "backup"

    def train(*callbacks, initial_epoch=0):
        model = make_model()
        first = [rk.WeightAveraging(0.8)] if averaged else []
        batches = make_batches(initial_epoch=initial_epoch)
        model.fit(batches, epochs=3, verbose=0, callbacks=[*first, *callbacks])
        return model.get_weights()

    def backup():
        return tf.keras.callbacks.BackupAndRestore(folder, delete_checkpoint=False)

    uninterrupted = train()
    assert rk.completed_epochs(folder) == 0
    with pytest.raises(KeyboardInterrupt):
        train(backup(), Interrupt(epoch))
    assert rk.completed_epochs(folder) == epoch
    resumed = train(backup(), initial_epoch=epoch)
    assert rk.completed_epochs(folder) == 3
    tf.nest.map_structure(np.testing.assert_array_equal, resumed, uninterrupted)


def flip(data):
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)


def truncate(data):
    data.write_bytes(data.read_bytes()[:100])


def delete(data):
    for file in data.parent.glob("ckpt*"):
        file.unlink()


def overwrite_state(data):
    (data.parent / "checkpoint").write_text("x")


def empty_state(data):
    (data.parent / "checkpoint").write_text("")


def undecodable_state(data):
    (data.parent / "checkpoint").write_bytes(b'model_checkpoint_path: "\xff"')


def name_another_folder(data):
    state = data.parent / "checkpoint"
    state.write_text(state.read_text() + 'all_model_checkpoint_paths: "/elsewhere/ckpt"\n')


def test_damaged_backup_is_named(tmp_path):
    make_model, make_batches = RATINGS
    backup = tf.keras.callbacks.BackupAndRestore(tmp_path / "intact", delete_checkpoint=False)
    make_model().fit(make_batches(initial_epoch=0), verbose=0, callbacks=[backup])
    assert rk.completed_epochs(tmp_path / "intact") == 1
    to_state = (overwrite_state, empty_state, undecodable_state, name_another_folder)
    for damage in (flip, truncate, delete, *to_state):
        folder = tmp_path / f"{damage.__name__}_backup"
        shutil.copytree(tmp_path / "intact", folder)
        [data] = folder.rglob("*.data-*")
        damage(data)
        message = "backup' cannot be read as a backup of BackupAndRestore: .*Delete the folder"
        with pytest.raises(ValueError, match=message):
            rk.completed_epochs(folder)
