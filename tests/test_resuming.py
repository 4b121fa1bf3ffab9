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


def model():
    tf.keras.utils.set_random_seed(3)
    layers = {"id": rk.layers.IdEmbedding([str(i) for i in range(30)], 4)}
    network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([8]))
    made = rk.RankingModel(network, label="rating")
    made.compile(optimizer=tf.keras.optimizers.Adagrad(0.1))
    return made


def averaging():
    return [rk.WeightAveraging(0.8)]


@pytest.mark.parametrize("first", [list, averaging])
@pytest.mark.parametrize("stopped_in", [0, 2])
def test_an_interrupted_training_ends_with_the_same_numbers(tmp_path, stopped_in, first):
    generator = np.random.default_rng(0)
    rows = {
        "id": generator.integers(0, 30, 100).astype(str),
        "rating": generator.random(100).astype(np.float32),
    }
    backup = tmp_path / "backup"

    def train(*callbacks, initial_epoch):
        batches = rk.data.batches(rows, 8, shuffle=True, seed=5, initial_epoch=initial_epoch)
        trained = model()
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
