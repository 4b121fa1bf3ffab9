"""The same weights and history on one replica, on two, and on two workers.

Run as a script, with a folder and a `TF_CONFIG`, this is one of the workers.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rankkit as rk
import tensorflow as tf


def make_rows():
    generator = np.random.default_rng(0)
    return {
        "user_id": generator.choice([f"u{user}" for user in range(9)], 203),
        "item_id": generator.choice([f"i{item}" for item in range(60)], 203),
        "rating": generator.integers(0, 5, 203).astype(np.float32),
        "click": generator.choice([0.0, 1.0, np.nan], 203).astype(np.float32),
        "weight": generator.random(203).astype(np.float32),
    }


def make_features(**kwargs):
    rows = make_rows()
    return {
        name: rk.layers.IdEmbedding.from_column(rows[name], 4, **kwargs)
        for name in ("user_id", "item_id")
    }


def fit(model, batches):
    history = model.fit(batches, epochs=2, verbose=0).history
    weights = [variable.numpy().tolist() for variable in model.trainable_variables]
    return {"history": history, "weights": weights}


def train(strategy=None, batches=None):
    """Trains with sample weights, regularization and an uneven last batch."""
    batches = rk.data.batches(make_rows(), 40) if batches is None else batches
    with (strategy or tf.distribute.get_strategy()).scope():
        tf.keras.utils.set_random_seed(1)
        l2 = tf.keras.regularizers.L2(0.01)
        features = make_features(embeddings_regularizer=l2, activity_regularizer=l2)
        network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([8]))
        model = rk.RankingModel(network, label="rating", sample_weight="weight")
        metrics = ["mae", tf.keras.metrics.RootMeanSquaredError(name="rmse")]
        model.compile(optimizer=tf.keras.optimizers.Adagrad(0.1), metrics=metrics)
    found = fit(model, batches)
    return {**found, "logs": model.evaluate(batches, return_dict=True, verbose=0)}


LEVELS = (0, 1, 2, 3, 4)
KINDS = {  # the head of the rating, its loss, and the batches
    "lists": (
        lambda: rk.layers.DenseRatingHead([8]),
        lambda: rk.losses.LambdaRankLoss(),
        lambda rows: rk.data.lists(rows, 5),
    ),
    "negatives and ordinal labels": (
        lambda: rk.layers.OrdinalHead(LEVELS, [8]),
        lambda: rk.losses.OrdinalLoss(LEVELS),
        lambda rows: rk.data.with_negatives(
            {name: rows[name] for name in ("user_id", "item_id", "rating")},
            15, item="item_id", outcomes=["rating"], seed=1,
        ),
    ),
}  # fmt: skip


def train_two_heads(kind, strategy=None):
    """Trains a head of the kind beside one whose labels are partly missing."""
    make_head, make_loss, make_batches = KINDS[kind]
    with (strategy or tf.distribute.get_strategy()).scope():
        tf.keras.utils.set_random_seed(1)
        heads = {"rating": make_head(), "click": rk.layers.DenseRatingHead([8])}
        features = make_features(activity_regularizer=tf.keras.regularizers.L2(0.01))
        network = rk.ranking_network(features, head=heads, score={"rating": 1.0})
        model = rk.RankingModel(network, label={"rating": "rating", "click": "click"})
        logits = tf.keras.losses.BinaryCrossentropy(from_logits=True)
        loss = {"rating": make_loss(), "click": logits}
        optimizer = tf.keras.optimizers.Adagrad(0.1)
        model.compile(optimizer, loss=loss, loss_weights="uncertainty")
    return fit(model, make_batches(make_rows()))


def assert_equal(found, expected):
    for one, other in zip(found["weights"], expected["weights"], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for part in expected.keys() - {"weights"}:  # the history, and the logs of an evaluation
        assert found[part].keys() == expected[part].keys()
        for name, values in expected[part].items():
            np.testing.assert_allclose(found[part][name], values, rtol=1e-5, err_msg=name)


# --- Two replicas ---


def test_two_replicas_give_the_same_weights_and_history(mirrored_strategy):
    assert mirrored_strategy.num_replicas_in_sync == 2
    assert_equal(train(mirrored_strategy), train())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_replicas_give_the_same_with_lists_and_several_heads(kind, mirrored_strategy):
    assert_equal(train_two_heads(kind, mirrored_strategy), train_two_heads(kind))


def train_histories(strategy=None):
    rows = make_rows()
    rows["history"] = [rows["item_id"][max(0, row - row % 4) : row].tolist() for row in range(203)]

    def ids():
        return rk.layers.IdEmbedding.from_column(rows["item_id"], 4)

    with (strategy or tf.distribute.get_strategy()).scope():
        tf.keras.utils.set_random_seed(1)
        layers = {
            "attention": rk.layers.TargetAttention(ids(), max_length=2),
            "transformer": rk.layers.TargetTransformer(ids(), dropout_rate=0.0),
        }
        features = {name: (("history", "item_id"), layer) for name, layer in layers.items()}
        model = rk.RankingModel(rk.models.tower(features, hidden_units=[8]), label="rating")
        model.compile(tf.keras.optimizers.Adagrad(0.1))
    return fit(model, rk.data.batches(rows, 40))


def test_two_replicas_give_the_same_with_histories(mirrored_strategy):
    assert_equal(train_histories(mirrored_strategy), train_histories())


def test_regularization_is_added_once_for_all_replicas(mirrored_strategy):
    # From 1.0, the gradient of 0.1 w^2 with a learning rate of 0.5 leads to 0.9.
    for strategy in (tf.distribute.get_strategy(), mirrored_strategy):
        with strategy.scope():
            settings = {"embeddings_regularizer": tf.keras.regularizers.L2(0.1)}
            layer = rk.layers.IdEmbedding(["a"], 1, embeddings_initializer="ones", **settings)
            network = rk.ranking_network({"id": layer}, head=lambda vector: 0.0 * vector)
            model = rk.RankingModel(network, label="rating")
            model.compile(optimizer=tf.keras.optimizers.SGD(0.5))
        model.fit(rk.data.batches({"id": ["a"] * 4, "rating": [0.0] * 4}, 4), verbose=0)
        np.testing.assert_allclose(layer.trainable_variables[0], [[0.9], [0.9]], rtol=1e-6)


# --- Two workers ---


def batches_of_two_shards(rows):
    """The batches that two workers read from two shards of a file, joined step by step.

    Each takes 20 rows per step until its shard ends. The first shard has 101 rows in batches of
    40, 40 and 21; TensorFlow splits the last one into 11 and 10.
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


@pytest.fixture(scope="module")
def found_by_workers(run_cluster, tmp_path_factory):
    """What each of two workers found."""
    folder = tmp_path_factory.mktemp("workers")
    table = pa.table({name: pa.array(column) for name, column in make_rows().items()})
    pq.write_table(table, folder / "rows.parquet", row_group_size=37)
    run_cluster(__file__, folder, {"worker": 2})
    return [json.loads((folder / f"{index}.json").read_text()) for index in range(2)]


@pytest.mark.slow
def test_two_workers_give_the_same_weights_and_history(found_by_workers):
    expected, expected_of_shards = train(), train(batches=batches_of_two_shards(make_rows()))
    for found in found_by_workers:
        assert_equal(found["memory"], expected)
        assert_equal(found["files"], expected)
        assert_equal(found["shards"], expected_of_shards)


@pytest.mark.slow
def test_workers_with_different_data_or_networks_raise(found_by_workers):
    same_rows = "have the same rows in memory, in the same order. Got: others on worker 1"
    texts = {
        "batches": "have the same number of batches. Got: 5 on worker 0, 4 on worker 1",
        "network": "train the same network, vocabularies included. Got: another on worker 1",
        "rows": same_rows,
        "order": same_rows,
    }
    for found in found_by_workers:
        for name, text in texts.items():
            assert found[name].startswith(f"Workers must {text}")


def error_of(strategy, ids, ratings, seed=1):
    """The error of `fit` on workers whose ids, ratings or shuffle orders differ."""
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
    folder, index = Path(sys.argv[1]), json.loads(os.environ["TF_CONFIG"])["task"]["index"]
    rk.wait_for_workers(60)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    settings = {"paths": folder / "rows.parquet", "batch_size": 40}
    data = {
        "memory": None,
        "files": rk.data.read_parquet(**settings),
        "shards": rk.data.read_parquet(**settings, shard=(index, 2)),
    }
    found: dict[str, Any] = {name: train(strategy, batches) for name, batches in data.items()}
    found["batches"] = error_of(strategy, ["a"], [0.0] * (10 - 2 * index))
    found["network"] = error_of(strategy, ["b" if index else "a"], [0.0] * 10)
    found["rows"] = error_of(strategy, ["a"], [0.0] * 9 + [float(index)])
    found["order"] = error_of(strategy, ["a"], [0.0] * 10, seed=index)
    (folder / f"{index}.json").write_text(json.dumps(found, default=float))
    # A worker that ends would close the connection over which the other receives the last result.
    while not (folder / f"{1 - index}.json").exists():
        time.sleep(0.05)
