"""Embedding tables on two parameter servers, trained by two workers: processes of this host.

Run as a script, with a folder and a `TF_CONFIG`, this is one of the processes.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import rankkit as rk
import tensorflow as tf

pytestmark = pytest.mark.slow

FOUND = "found.json"


def make_rows():
    generator = np.random.default_rng(0)
    users, items = generator.integers(0, 300, 4000), generator.integers(0, 3, 4000)
    return {
        "user_id": users.astype(str),
        "item_id": np.array(["a", "b", "c"])[items],
        "age": np.where(users % 7 == 0, np.nan, 20.0 + users % 40).astype(np.float32),
        "rating": (1.0 + users % 3 + items).astype(np.float32),
    }


def make_model(rows):
    features = {
        name: rk.layers.IdEmbedding.from_column(rows[name], 8) for name in ("user_id", "item_id")
    }
    # A weight of one dimension, beside the tables.
    features["age"] = rk.layers.NormalizedNumber(30.0, 9.0, missing="learn")
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([16]))
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    return model


# --- The processes ---


def error_of(function, *args, **kwargs):
    """The text of the ValueError that a call raises, empty if it raises none."""
    try:
        function(*args, **kwargs)
    except ValueError as error:
        return str(error)
    return ""


def train(resolver, folder):
    partitioner = tf.distribute.experimental.partitioners.MinSizePartitioner(
        min_shard_bytes=1024, max_shards=2
    )
    strategy = tf.distribute.ParameterServerStrategy(resolver, partitioner)
    rows = make_rows()
    with strategy.scope():
        model = make_model(rows)
    batches = rk.data.batches(rows, 128, shuffle=True)
    check = rk.data.batches(rows, 1000)
    history = model.fit(batches, epochs=6, validation_data=check, verbose=0).history
    table = [weight for weight in model.network.weights if "embeddings/part_" in weight.name]
    file = folder / "rows.csv"
    file.write_text("user_id,item_id,age,rating\n1,a,20,3\n")
    read = rk.data.read_csv(file, types={"user_id": str})
    model.save_weights(folder / "weights")
    rk.export.save(model, folder / "export" / "1")
    found = {
        "history": history,
        "logs": model.evaluate(check, return_dict=True, verbose=0),
        "devices": [part.device for part in table],
        "shapes": [part.shape.as_list() for part in table],
        "scores": model.predict(check, verbose=0)[:, 0].tolist(),
        "ranked": rk.rank(model, {"user_id": "7", "age": 30.0}, {"item_id": ["a", "b", "c"]}),
        "errors": {
            "save": error_of(model.save, folder / "model.keras"),
            "endless evaluation": error_of(model.evaluate, check.repeat(), verbose=0),
            "unknown number of batches": error_of(
                model.fit, batches.filter(lambda batch: True), verbose=0
            ),
            "reader": error_of(model.fit, read, verbose=0),
            "reader within a data set": error_of(
                model.fit, read.map(lambda row: row).prefetch(1), verbose=0
            ),
        },
    }
    (folder / FOUND).write_text(json.dumps(found))


def run_process():
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type == "chief":
        train(resolver, Path(sys.argv[1]))
    else:
        tf.distribute.Server(
            resolver.cluster_spec(), job_name=resolver.task_type, task_index=resolver.task_id
        ).join()


# --- The tests ---


@pytest.fixture(scope="module")
def folder(run_cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    run_cluster(__file__, folder, {"ps": 2, "worker": 2, "chief": 1})
    return folder


@pytest.fixture(scope="module")
def found(folder):
    """What the chief found."""
    return json.loads((folder / FOUND).read_text())


@pytest.fixture(scope="module")
def model(folder):
    """The trained model in a single process."""
    model = make_model(make_rows())
    model.load_weights(folder / "weights").expect_partial()
    return model


def test_embedding_table_is_sharded_over_both_servers(found):
    servers = {device.partition("/device")[0] for device in found["devices"]}
    assert servers == {f"/job:ps/replica:0/task:{number}" for number in (0, 1)}
    assert np.sum(found["shapes"], axis=0).tolist() == [301, 16]


def test_workers_learn_the_ratings(found):
    errors = found["history"]["val_root_mean_squared_error"]
    assert len(errors) == 6  # their values differ from run to run
    assert errors[0] < 1.2  # the standard deviation of the ratings
    assert errors[-1] < 0.1 < errors[0], errors


def test_each_row_is_evaluated_once(found, model):
    logs = model.evaluate(rk.data.batches(make_rows(), 1000), return_dict=True, verbose=0)
    assert found["logs"].keys() == logs.keys()
    for name, value in logs.items():
        assert found["logs"][name] == pytest.approx(value, rel=1e-3, abs=1e-9)


def test_predictions_rankings_and_exports_are_those_of_the_weights(folder, found, model):
    scores = model.predict(rk.data.batches(make_rows(), 1000), verbose=0)[:, 0]
    np.testing.assert_allclose(found["scores"], scores, atol=1e-5)
    columns = {name: make_rows()[name] for name in ("user_id", "item_id", "age")}
    exported = rk.export.load(folder / "export" / "1")
    np.testing.assert_allclose(np.ravel(exported(columns)), scores, atol=1e-5)
    assert [item for item, _ in found["ranked"]] == ["c", "b", "a"]


def test_unsupported_calls_raise_with_parameter_servers(found):
    reader = "With parameter servers, x must be a data set that runs no Python code"
    texts = {
        "save": "A model whose weights are held by parameter servers cannot be saved as a .keras",
        "endless evaluation": "steps must be an integer for an endless data set.",
        "unknown number of batches": "steps_per_epoch must be an integer with parameter servers",
        "reader": reader,
        "reader within a data set": reader,
    }
    for call, text in texts.items():
        assert found["errors"][call].startswith(text)


if __name__ == "__main__":
    run_process()
