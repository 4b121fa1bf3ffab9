"""The same numbers on one replica, on two, and on two workers."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

COLUMNS = ("user_id", "item_id", "rating", "weight")


def train(strategy=None):
    """Trains with all that could differ: weights, regularization, an uneven last batch."""
    generator = np.random.default_rng(0)
    rows = {
        "user_id": generator.choice(["u1", "u2", "u3"], 203),
        "item_id": generator.choice(["i1", "i2"], 203),
        "rating": generator.integers(1, 6, 203).astype(np.float32),
        "weight": generator.random(203).astype(np.float32),
    }
    with (strategy or tf.distribute.get_strategy()).scope():
        tf.keras.utils.set_random_seed(1)
        regularizer = tf.keras.regularizers.L2(0.01)
        features = {
            "user_id": rk.layers.IdEmbedding(
                ["u1", "u2", "u3"], 4, embeddings_regularizer=regularizer
            ),
            "item_id": rk.layers.IdEmbedding(["i1", "i2"], 4),
        }
        network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
        model = rk.RankingModel(network, label="rating", sample_weight="weight")
        model.compile(
            optimizer=tf.keras.optimizers.Adagrad(0.1),
            metrics=["mae", tf.keras.metrics.RootMeanSquaredError(name="rmse")],
        )
    history = model.fit(rk.data.batches(rows, 40), epochs=2, verbose=0).history
    logs = model.evaluate(rk.data.batches(rows, 40), return_dict=True, verbose=0)
    weights = [variable.numpy().tolist() for variable in model.trainable_variables]
    return {"history": history, "logs": logs, "weights": weights}


def assert_equal(one, other):
    for ours, theirs in zip(one["weights"], other["weights"], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert one["logs"].keys() == other["logs"].keys()
    for name, value in one["logs"].items():
        np.testing.assert_allclose(value, other["logs"][name], rtol=1e-5)
    for name, values in one["history"].items():
        np.testing.assert_allclose(values, other["history"][name], rtol=1e-5)


def test_two_replicas_equal_one(mirrored_strategy):
    assert mirrored_strategy.num_replicas_in_sync == 2
    assert_equal(train(mirrored_strategy), train())


STEPS = (0, 1, 2, 3, 4)
MORE = {  # the rating's head, its loss, and the batches
    "rows": (
        lambda: rk.layers.DenseRatingHead([8]),
        lambda: "mean_squared_error",
        lambda rows: rk.data.batches(rows, 40),
    ),
    "lists": (
        lambda: rk.layers.DenseRatingHead([8]),
        lambda: rk.losses.LambdaRankLoss(),
        lambda rows: rk.data.lists(rows, 5),
    ),
    "negatives and steps": (
        lambda: rk.layers.OrdinalHead(STEPS, [8]),
        lambda: rk.losses.OrdinalLoss(STEPS),
        lambda rows: rk.data.with_negatives(
            {name: column for name, column in rows.items() if name != "click"},
            15, item="item_id", outcomes=["rating"], seed=1,
        ),
    ),
}  # fmt: skip


def train_more(kind, strategy=None):
    """Trains a head of the kind beside another, whose labels are partly missing."""
    make_head, make_loss, make_batches = MORE[kind]
    generator = np.random.default_rng(0)
    rows = {
        "user_id": generator.choice([f"u{user}" for user in range(9)], 203),
        "item_id": generator.choice([f"i{item}" for item in range(60)], 203),
        "rating": generator.integers(0, 5, 203).astype(np.float32),
        "click": generator.choice([0.0, 1.0, np.nan], 203).astype(np.float32),
    }
    with (strategy or tf.distribute.get_strategy()).scope():
        tf.keras.utils.set_random_seed(1)
        features = {
            name: rk.layers.IdEmbedding.from_column(rows[name], 4)
            for name in ("user_id", "item_id")
        }
        heads = {"rating": make_head(), "click": rk.layers.DenseRatingHead([8])}
        network = rk.ranking_network(features, head=heads, score={"rating": 1.0})
        model = rk.RankingModel(network, label={"rating": "rating", "click": "click"})
        logits = tf.keras.losses.BinaryCrossentropy(from_logits=True)
        model.compile(
            tf.keras.optimizers.Adagrad(0.1),
            loss={"rating": make_loss(), "click": logits},
            loss_weights="uncertainty",
        )
    history = model.fit(make_batches(rows), epochs=2, verbose=0).history
    logs = model.evaluate(make_batches(rows), return_dict=True, verbose=0)
    weights = [variable.numpy().tolist() for variable in model.trainable_variables]
    return {"history": history, "logs": logs, "weights": weights}


@pytest.mark.parametrize("kind", MORE)
def test_lists_and_several_heads_are_the_same_on_two_replicas(kind, mirrored_strategy):
    assert_equal(train_more(kind, mirrored_strategy), train_more(kind))


def test_an_l2_step_is_the_same_on_two_replicas(mirrored_strategy):
    """From 1.0, the gradient of 0.1 w^2 with rate 0.5 leads to 0.9, once for all replicas."""

    def step(strategy):
        with strategy.scope():
            layer = rk.layers.IdEmbedding(
                ["a"],
                1,
                embeddings_initializer="ones",
                embeddings_regularizer=tf.keras.regularizers.L2(0.1),
            )
            network = rk.ranking_network({"id": layer}, head=lambda vector: 0.0 * vector)
            model = rk.RankingModel(network, label="rating")
            model.compile(optimizer=tf.keras.optimizers.SGD(0.5))
        model.fit(rk.data.batches({"id": ["a"] * 4, "rating": [0.0] * 4}, 4), verbose=0)
        return layer.trainable_variables[0].numpy()

    for strategy in (tf.distribute.get_strategy(), mirrored_strategy):
        np.testing.assert_allclose(step(strategy), [[0.9], [0.9]], rtol=1e-6)


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    return addresses


def test_two_workers_equal_one(tmp_path):
    workers = free_addresses(2)
    running = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps(task),
            "PYTHONPATH": str(Path(__file__).parent),
        }
        command = [sys.executable, __file__, str(tmp_path / f"{index}.json")]
        running.append(subprocess.Popen(command, env=environment))
    try:
        assert [process.wait(timeout=120) for process in running] == [0, 0]
    finally:
        for process in running:
            process.kill()
    alone = train()
    for index in range(2):
        assert_equal(json.loads((tmp_path / f"{index}.json").read_text()), alone)


if __name__ == "__main__":
    result = train(tf.distribute.MultiWorkerMirroredStrategy())
    Path(sys.argv[1]).write_text(json.dumps(result, default=float))
