"""The same numbers on one replica, on two, and on two workers."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rankkit as rk
import tensorflow as tf

COLUMNS = ("user_id", "item_id", "rating", "weight")


def some_rows():
    generator = np.random.default_rng(0)
    return {
        "user_id": generator.choice(["u1", "u2", "u3"], 203),
        "item_id": generator.choice(["i1", "i2"], 203),
        "rating": generator.integers(1, 6, 203).astype(np.float32),
        "weight": generator.random(203).astype(np.float32),
    }


def train(strategy=None, batches=None):
    """Trains with all that could differ: weights, regularization, an uneven last batch."""
    rows = some_rows()
    if batches is None:
        batches = rk.data.batches(rows, 40)
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
    history = model.fit(batches, epochs=2, verbose=0).history
    logs = model.evaluate(batches, return_dict=True, verbose=0)
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


def batches_of_two_shards(rows):
    """What two workers take of their halves at each step, 40 rows together but for the last two.

    The first half has 101 rows, so that its batches of 40, 40 and 21 are parted anew as below.
    """
    sizes = [[20, 20, 20, 20, 11, 10], [20, 20, 20, 20, 11, 11]]
    ends = [np.cumsum(sizes[0]), 101 + np.cumsum(sizes[1])]
    steps = [
        np.concatenate([np.arange(end[step] - size[step], end[step])
                        for size, end in zip(sizes, ends, strict=True)])
        for step in range(6)
    ]  # fmt: skip
    signature = {
        name: tf.TensorSpec([None], tf.string if name.endswith("id") else tf.float32)
        for name in rows
    }
    return tf.data.Dataset.from_generator(
        lambda: ({name: column[step] for name, column in rows.items()} for step in steps),
        output_signature=signature,
    )


def test_two_workers_equal_one(tmp_path):
    rows = some_rows()
    table = pa.table({name: pa.array(column) for name, column in rows.items()})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=37)
    workers = free_addresses(2)
    running = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps(task),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        }
        command = [sys.executable, __file__, str(tmp_path), str(index)]
        running.append(subprocess.Popen(command, env=environment))
    try:
        assert [process.wait(timeout=120) for process in running] == [0, 0]
    finally:
        for process in running:
            process.kill()
    alone = train()
    shards = train(batches=batches_of_two_shards(rows))
    for index in range(2):
        found = json.loads((tmp_path / f"{index}.json").read_text())
        assert_equal(found["memory"], alone)
        assert_equal(found["files"], alone)
        assert_equal(found["shards"], shards)
        assert "as many batches as each other. Got: 5 on worker 0, 4 on wor" in found["batches"]
        assert "the same network, vocabularies included. Got: another one on w" in found["network"]
        for what in ("rows", "order"):
            assert (
                "the same rows in memory, in the same order. Got: others on worker 1" in found[what]
            )


def refused(strategy, ids, ratings, seed=1):
    """What is said of a worker that has other ids, ratings, or another order, than the others."""
    with strategy.scope():
        layers = {"id": rk.layers.IdEmbedding(ids, 2)}
        network = rk.ranking_network(layers, head=rk.layers.DenseRatingHead([]))
        model = rk.RankingModel(network, label="rating")
        model.compile("adagrad")
    rows = {"id": ["a"] * len(ratings), "rating": ratings}
    with pytest.raises(ValueError, match="Workers must") as error:
        model.fit(rk.data.batches(rows, 2, shuffle=True, seed=seed))
    return str(error.value)


if __name__ == "__main__":
    folder, index = Path(sys.argv[1]), int(sys.argv[2])
    rk.wait_for_workers(60)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    settings = {"paths": folder / "rows.parquet", "batch_size": 40}
    given = {
        "memory": None,
        "files": rk.data.read_parquet(**settings),
        "shards": rk.data.read_parquet(**settings, shard=(index, 2)),
    }
    found: dict[str, Any] = {name: train(strategy, batches) for name, batches in given.items()}
    found["batches"] = refused(strategy, ["a"], [0.0] * (10 - 2 * index))
    found["network"] = refused(strategy, ["b" if index else "a"], [0.0] * 10)
    found["rows"] = refused(strategy, ["a"], [0.0] * 9 + [float(index)])
    found["order"] = refused(strategy, ["a"], [0.0] * 10, seed=index)
    (folder / f"{index}.json").write_text(json.dumps(found, default=float))
