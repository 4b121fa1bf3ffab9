"""Steps per execution: how they depend on the data, the network and the callbacks."""

import numpy as np
import pytest
import tensorflow as tf

import rankkit as rk
from rankkit.training import policy

CALLBACKS = tf.keras.callbacks


@pytest.fixture(scope="module")
def network():
    layer = rk.layers.IdEmbedding(["a", "b"], 4)
    return rk.ranking_network({"id": layer}, head=rk.layers.DenseRatingHead([8]))


@pytest.fixture(scope="module")
def batches():
    """40 batches of 16 examples, over an iterator."""
    columns = {"id": np.array(["a", "b"] * 320), "rating": np.ones(640, np.float32)}
    return tf.data.Dataset.from_tensor_slices(columns).batch(16, drop_remainder=True)


def own(*hooks, base=CALLBACKS.Callback, **attributes):
    """A callback of a custom class with these hooks."""
    methods = dict.fromkeys(hooks, lambda self, batch, logs=None: None)
    return type("Own", (base,), {**methods, **attributes})()


def train_hook(**attributes):
    return own("on_train_batch_begin", **attributes)


LIMITS = {  # callbacks, and the most steps per execution: in training and in evaluation
    "no callbacks": (lambda path: None, 40, 40),
    "empty list": (lambda path: [], 40, 40),
    "epoch hooks only": (lambda path: [CALLBACKS.EarlyStopping(), CALLBACKS.History()], 40, 40),
    "single callback": (lambda path: train_hook(), 1, 40),
    "train batch hook": (lambda path: [train_hook()], 1, 40),
    "old name of a train batch hook": (lambda path: [own("on_batch_end")], 1, 40),
    "test batch hook": (lambda path: [own("on_test_batch_end")], 40, 1),
    "progress bar": (lambda path: [CALLBACKS.ProgbarLogger()], 40, 40),
    "subclass of the progress bar": (lambda path: [own(base=CALLBACKS.ProgbarLogger)], 1, 1),
    "TerminateOnNaN": (lambda path: [CALLBACKS.TerminateOnNaN()], 40, 40),
    "checkpoints by epoch": (lambda path: [CALLBACKS.ModelCheckpoint(path)], 40, 40),
    "checkpoints by batch": (lambda path: [CALLBACKS.ModelCheckpoint(path, save_freq=5)], 1, 40),
    "backups by epoch": (lambda path: [CALLBACKS.BackupAndRestore(path)], 40, 40),
    "backups by batch": (lambda path: [CALLBACKS.BackupAndRestore(path, save_freq=5)], 1, 40),
    "TensorBoard by epoch": (lambda path: [CALLBACKS.TensorBoard(path)], 40, 40),
    "TensorBoard by batch": (lambda path: [CALLBACKS.TensorBoard(path, update_freq=1)], 1, 1),
    "function of a batch": (
        lambda path: [CALLBACKS.LambdaCallback(on_train_batch_end=lambda batch, logs: None)], 1, 40,
    ),
    "function of an epoch": (
        lambda path: [CALLBACKS.LambdaCallback(on_epoch_end=lambda epoch, logs: None)], 40, 40,
    ),
    "averaged weights": (lambda path: [rk.WeightAveraging()], 1, 40),
    "averaged weights, every 3 steps": (lambda path: [rk.WeightAveraging(update_freq=3)], 3, 40),
    "own limit": (lambda path: [train_hook(max_steps_per_execution=7)], 7, 40),
    "own attribute save_freq": (
        lambda path: [own("on_train_batch_end", "on_test_batch_end", save_freq="epoch")], 1, 1,
    ),
    "lowest limit of several": (
        lambda path: [train_hook(max_steps_per_execution=7), rk.WeightAveraging(update_freq=3)],
        3, 40,
    ),
    "nested lists": (lambda path: [[CALLBACKS.History()], [train_hook()]], 1, 40),
    "CallbackList": (lambda path: CALLBACKS.CallbackList([train_hook()]), 1, 40),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_callbacks_limit_the_steps_per_execution(name, network, batches, tmp_path):
    make_callbacks, train, test = LIMITS[name]
    given = {"callbacks": make_callbacks(str(tmp_path / "saved"))}
    assert policy.steps_over_iterator(network, batches, given, "train") == train
    assert policy.steps_over_iterator(network, batches, given, "test") == test


DATA = {  # batches, keyword arguments of `fit`, steps per execution
    "all batches of an epoch": (lambda batches: batches, {}, 40),
    "unknown number of batches": (lambda batches: batches.filter(lambda batch: True), {}, 1),
    "endless batches": (lambda batches: batches.repeat(), {"steps_per_epoch": 9}, 9),
    "as many batches as asked for": (
        lambda batches: batches, {"steps_per_epoch": 10, "epochs": 4}, 10,
    ),
    "fewer batches than asked for": (
        lambda batches: batches, {"steps_per_epoch": 11, "epochs": 4}, 1,
    ),
    "only the remaining epochs": (
        lambda batches: batches, {"steps_per_epoch": 20, "epochs": 4, "initial_epoch": 2}, 20,
    ),
    "a Python generator": (lambda batches: iter([{}]), {}, 1),
}  # fmt: skip


@pytest.mark.parametrize("name", DATA)
def test_an_execution_never_runs_out_of_batches(name, network, batches):
    change, given, expected = DATA[name]
    assert policy.steps_over_iterator(network, change(batches), given, "train") == expected


def test_evaluation_counts_the_steps_asked_for(network, batches):
    for steps, expected in ((7, 7), (41, 1)):
        assert policy.steps_over_iterator(network, batches, {"steps": steps}, "test") == expected


def test_large_batches_and_wide_layers_have_fewer_steps_per_execution(network, batches):
    wide = rk.ranking_network(
        {"id": rk.layers.IdEmbedding(["a", "b"], 4096)}, head=rk.layers.DenseRatingHead([8])
    )

    def steps(network, batch_size):
        data = batches.unbatch().batch(batch_size, drop_remainder=True)
        data = data.apply(tf.data.experimental.assert_cardinality(4000))
        return policy.steps_over_iterator(network, data, {}, "train")

    assert 1 < steps(wide, 256) < steps(network, 256) < steps(network, 32) < 4000
    assert steps(network, 2**20) == 1
