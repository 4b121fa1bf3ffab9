import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf


class Interrupt(tf.keras.callbacks.Callback):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.at = epoch
        self.epoch = -1

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == self.at and batch == 1:
            raise KeyboardInterrupt


def model_of_ratings():
    tf.keras.utils.set_random_seed(3)
    layers = {"id": rk.layers.IdEmbedding([str(i) for i in range(30)], 4)}
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))
    made = rk.RankingModel(network, label="rating")
    made.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    return made


def batches_of_ratings(**order):
    generator = np.random.default_rng(0)
    rows = {
        "id": generator.integers(0, 30, 100).astype(str),
        "rating": generator.random(100).astype(np.float32),
    }
    return rk.data.batches(rows, 8, shuffle=True, seed=5, **order)


def model_of_clicks_and_steps():
    """Weights of the losses are learned, too."""
    tf.keras.utils.set_random_seed(3)
    ids = [str(number) for number in range(30)]
    features = {name: rk.layers.IdEmbedding(ids, 4) for name in ("user_id", "id")}
    heads = {
        "stars": rk.layers.OrdinalHead((1, 2, 3), [8]),
        "click": rk.layers.DenseRatingHead([8]),
    }
    network = rk.models.ple(features, heads, score={"click": 1.0}, units=[8])
    made = rk.RankingModel(network, label={"stars": "rating", "click": "click"})
    loss = {
        "stars": rk.losses.OrdinalLoss((1, 2, 3)),
        "click": tf.keras.losses.BinaryCrossentropy(from_logits=True),
    }
    optimizer = tf.keras.optimizers.Adagrad(0.1)
    made.compile(optimizer, loss=loss, loss_weights="uncertainty")
    return made


def batches_of_clicks_and_steps(**order):
    generator = np.random.default_rng(0)
    rows = {name: generator.integers(0, 30, 100).astype(str) for name in ("user_id", "id")}
    rows["rating"] = generator.integers(1, 4, 100)
    settings = {"item": "id", "num_negatives": 2, "outcomes": ["rating"], "seed": 5}
    return rk.data.with_negatives(rows, 8, **settings, **order)


KINDS = {
    "ratings": (model_of_ratings, batches_of_ratings),
    "clicks and steps": (model_of_clicks_and_steps, batches_of_clicks_and_steps),
}


def averaging():
    return [rk.WeightAveraging(0.8)]


@pytest.mark.parametrize("first", [list, averaging])
@pytest.mark.parametrize("stopped_in", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_with_the_same_numbers(tmp_path, kind, stopped_in, first):
    make_model, make_batches = KINDS[kind]
    backup = tmp_path / "backup"

    def train(*callbacks, initial_epoch):
        batches = make_batches(initial_epoch=initial_epoch)
        trained = make_model()
        trained.fit(batches, epochs=4, verbose=0, callbacks=[*first(), *callbacks])
        return trained.get_weights()

    def keep():
        return tf.keras.callbacks.BackupAndRestore(backup, delete_checkpoint=False)

    straight = train(initial_epoch=0)
    assert rk.completed_epochs(backup) == 0
    with pytest.raises(KeyboardInterrupt):
        train(keep(), Interrupt(stopped_in), initial_epoch=0)
    assert rk.completed_epochs(backup) == stopped_in
    resumed = train(keep(), initial_epoch=rk.completed_epochs(backup))
    assert rk.completed_epochs(backup) == 4
    for ours, theirs in zip(resumed, straight, strict=True):
        np.testing.assert_array_equal(ours, theirs)
