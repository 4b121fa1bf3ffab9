import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

ROWS = {
    "id": (np.arange(96) % 30).astype(str),
    "rating": np.linspace(1.0, 5.0, 96, dtype=np.float32),
}


def ranking_model():
    tf.keras.utils.set_random_seed(3)
    layers = {"id": rk.layers.IdEmbedding([str(i) for i in range(30)], 4)}
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))
    made = rk.RankingModel(network, label="rating")
    made.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    return made


class Snapshots(tf.keras.callbacks.Callback):
    """The weights after each step, and what the others see after each epoch."""

    def __init__(self):
        super().__init__()
        self.steps, self.epochs = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.model.get_weights())


def fit(averaging, *callbacks, epochs=3, validation_data=None, strategy=None, steps=1):
    with (strategy or tf.distribute.get_strategy()).scope():
        model = ranking_model()
    batches = rk.data.batches(ROWS, 16)
    first = [] if averaging is None else [averaging]
    with model.several_steps(steps):
        history = model.fit(
            batches,
            epochs=epochs,
            validation_data=validation_data,
            callbacks=[*first, *callbacks],
            verbose=0,
        )
    return model, history.history


def exponential(steps, momentum):
    """The weighted mean, written out."""
    shares = momentum ** np.arange(len(steps) - 1, -1, -1.0)
    return [np.average(values, axis=0, weights=shares) for values in zip(*steps, strict=True)]


def assert_close(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("validated", [False, True])
def test_the_model_holds_the_mean_between_epochs_and_goes_on_from_the_last_step(validated):
    plain, seen = Snapshots(), Snapshots()
    fit(None, plain)
    validation = rk.data.batches(ROWS, 32) if validated else None
    model, _ = fit(rk.WeightAveraging(0.8), seen, validation_data=validation)
    for ours, theirs in zip(seen.steps, plain.steps, strict=True):
        assert_close(ours, theirs)
    for epoch, weights in enumerate(seen.epochs):
        assert_close(weights, exponential(plain.steps[: 6 * (epoch + 1)], 0.8))
    assert_close(model.get_weights(), seen.epochs[-1])


def test_the_plain_mean_begins_where_it_is_told_to():
    plain, seen = Snapshots(), Snapshots()
    fit(None, plain)
    fit(rk.WeightAveraging(None, start_epoch=1), seen)
    assert_close(seen.epochs[0], plain.steps[5])
    expected = [np.mean(values, axis=0) for values in zip(*plain.steps[6:], strict=True)]
    assert_close(seen.epochs[-1], expected)


def test_validation_is_of_the_mean():
    validation = rk.data.batches(ROWS, 32)
    model, history = fit(rk.WeightAveraging(0.8), validation_data=validation)
    last = model.evaluate(validation, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(history["val_loss"][-1], last, rtol=1e-5)
    _, plain = fit(None, validation_data=validation)
    assert abs(plain["val_loss"][-1] - last) > 1e-4


def test_several_steps_in_a_call_count_as_so_many():
    plain, seen = Snapshots(), Snapshots()
    fit(None, plain)
    fit(rk.WeightAveraging(0.8), seen, epochs=1, steps=3)
    shares = [0.8**3, 1.0]
    expected = [
        np.average(values, axis=0, weights=shares)
        for values in zip(plain.steps[2], plain.steps[5], strict=True)
    ]
    assert_close(seen.epochs[0], expected)


def test_two_replicas_equal_one(mirrored_strategy):
    one, _ = fit(rk.WeightAveraging(0.8))
    two, _ = fit(rk.WeightAveraging(0.8), strategy=mirrored_strategy)
    for ours, theirs in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_early_stopping_restores_the_mean_of_the_best_epoch():
    stop = tf.keras.callbacks.EarlyStopping("val_loss", patience=1, restore_best_weights=True)
    validation = {"id": ROWS["id"], "rating": ROWS["rating"][::-1].copy()}
    model, history = fit(
        rk.WeightAveraging(0.8), stop, epochs=40, validation_data=rk.data.batches(validation, 32)
    )
    best = model.evaluate(rk.data.batches(validation, 32), verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(best, min(history["val_loss"]), rtol=1e-5)


def test_a_momentum_near_one_is_nearly_the_plain_mean():
    near, _ = fit(rk.WeightAveraging(1 - 1e-9))
    plain, _ = fit(rk.WeightAveraging(None))
    assert_close(near.get_weights(), plain.get_weights())


def test_one_callback_can_train_two_models_one_after_the_other():
    averaging = rk.WeightAveraging(0.8)
    first, _ = fit(averaging)
    second, _ = fit(averaging)
    assert_close(second.get_weights(), first.get_weights())


def test_a_trained_model_is_saved_and_loaded_as_any(tmp_path):
    model, _ = fit(rk.WeightAveraging())
    model.save(tmp_path / "ranker.keras")
    loaded = tf.keras.models.load_model(tmp_path / "ranker.keras")
    assert_close(loaded.get_weights(), model.get_weights())


@pytest.mark.parametrize("momentum", [0.0, 1.0, -0.1, float("nan")])
def test_a_momentum_that_is_none_is_refused(momentum):
    with pytest.raises(ValueError, match="momentum"):
        rk.WeightAveraging(momentum)


def test_epochs_are_counted_from_zero():
    with pytest.raises(ValueError, match="start_epoch"):
        rk.WeightAveraging(start_epoch=-1)
