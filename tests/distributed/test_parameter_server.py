"""Tables on two parameter servers, trained by two workers: processes of this machine.

Run as a script, with a folder and a TF_CONFIG, this is one of them.
"""

import itertools
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

MEMBERS = {"ps": 2, "worker": 2, "chief": 1}
FOUND = "found.json"


def some_rows():
    generator = np.random.default_rng(0)
    users, items = generator.integers(0, 300, 4000), generator.integers(0, 3, 4000)
    return {
        "user_id": users.astype(str),
        "item_id": np.array(["a", "b", "c"])[items],
        "age": np.where(users % 7 == 0, np.nan, 20.0 + users % 40).astype(np.float32),
        "rating": (1.0 + users % 3 + items).astype(np.float32),
    }


def make_model(rows):
    features = {name: rk.layers.IdEmbedding.from_column(rows[name], 8) for name in list(rows)[:2]}
    # With a weight that is no matrix.
    features["age"] = rk.layers.NormalizedNumber(30.0, 9.0, missing="learn")
    network = rk.ranking_network(features, head=rk.layers.DenseRatingHead([16]))
    model = rk.RankingModel(network, label="rating")
    model.compile(tf.keras.optimizers.Adagrad(0.1))
    return model


def serve(resolver):
    tf.distribute.Server(
        resolver.cluster_spec(), job_name=resolver.task_type, task_index=resolver.task_id
    ).join()


def train(resolver, folder):
    strategy = tf.distribute.ParameterServerStrategy(
        resolver,
        tf.distribute.experimental.partitioners.MinSizePartitioner(
            min_shard_bytes=1024, max_shards=2
        ),
    )
    rows = some_rows()
    with strategy.scope():
        model = make_model(rows)
    batches = rk.data.batches(rows, 128, shuffle=True)
    check = rk.data.batches(rows, 1000)
    history = model.fit(batches, epochs=12, validation_data=check, verbose=0).history
    table = [weight for weight in model.network.weights if "embeddings/part_" in weight.name]
    try:
        model.save(folder / "model.keras")
        refused = ""
    except ValueError as error:
        refused = str(error)
    try:
        model.evaluate(check.repeat(), verbose=0)
        endless = ""
    except ValueError as error:
        endless = str(error)
    file = folder / "rows.csv"
    file.write_text("user_id,item_id,age,rating\n1,a,20,3\n")
    read = rk.data.read_csv(file, types={"user_id": str})
    read_by_python = []
    for data in (read, read.map(lambda row: row).prefetch(1)):
        try:
            model.fit(data, verbose=0)
        except ValueError as error:
            read_by_python.append(str(error))
    model.save_weights(folder / "weights")
    rk.export.save(model, folder / "export" / "1")
    found = {
        "history": history,
        "logs": model.evaluate(check, return_dict=True, verbose=0),
        "devices": [part.device for part in table],
        "shapes": [part.shape.as_list() for part in table],
        "scores": model.predict(check, verbose=0)[:, 0].tolist(),
        "best": rk.rank(model, {"user_id": "7", "age": 30.0}, {"item_id": ["a", "b", "c"]}),
        "refused": refused,
        "read_by_python": read_by_python,
        "endless": endless,
    }
    (folder / FOUND).write_text(json.dumps(found))


def member():
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if resolver.task_type == "chief":
        train(resolver, Path(sys.argv[1]))
    else:
        serve(resolver)


def run_members(folder):
    """Starts the members, and waits for the chief."""
    sockets = {
        kind: [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        for kind, count in MEMBERS.items()
    }
    cluster = {
        kind: [f"127.0.0.1:{each.getsockname()[1]}" for each in listening]
        for kind, listening in sockets.items()
    }
    for each in itertools.chain.from_iterable(sockets.values()):
        each.close()
    members = []
    try:
        for kind, count in MEMBERS.items():
            for index in range(count):
                config = {"cluster": cluster, "task": {"type": kind, "index": index}}
                environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
                with (folder / f"{kind}_{index}.txt").open("w") as log:
                    command = [sys.executable, __file__, str(folder)]
                    members.append(subprocess.Popen(command, env=environment, stderr=log))
        return members[-1].wait(280)
    finally:
        for each in members:
            each.kill()
            each.wait()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    assert run_members(folder) == 0, (folder / "chief_0.txt").read_text()[-3000:]
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return json.loads((folder / FOUND).read_text())


@pytest.fixture(scope="module")
def model(folder):
    """The same model, in one process."""
    model = make_model(some_rows())
    model.load_weights(folder / "weights").expect_partial()
    return model


def test_a_table_is_parted_between_both_servers(found):
    servers = {device.partition("/device")[0] for device in found["devices"]}
    assert servers == {f"/job:ps/replica:0/task:{number}" for number in (0, 1)}
    assert np.sum(found["shapes"], axis=0).tolist() == [301, 16]


def test_workers_learn_what_a_single_process_would(found):
    errors = found["history"]["val_root_mean_squared_error"]
    assert len(errors) == 12  # how far they come in each differs from run to run
    assert errors[0] < 1.2  # the ratings' standard deviation
    assert errors[-1] < 0.1 < errors[0], errors


def test_every_row_is_evaluated_once(found, model):
    logs = model.evaluate(rk.data.batches(some_rows(), 1000), return_dict=True, verbose=0)
    assert found["logs"].keys() == logs.keys()
    for name, value in logs.items():
        assert found["logs"][name] == pytest.approx(value, rel=1e-3, abs=1e-9)


def test_scores_and_exports_are_those_of_the_weights(folder, found, model):
    scores = model.predict(rk.data.batches(some_rows(), 1000), verbose=0)[:, 0]
    np.testing.assert_allclose(found["scores"], scores, atol=1e-5)
    columns = {name: some_rows()[name] for name in ("user_id", "item_id", "age")}
    exported = rk.export.load(folder / "export" / "1")
    np.testing.assert_allclose(np.ravel(exported(columns)), scores, atol=1e-5)
    assert [item for item, _ in found["best"]] == ["c", "b", "a"]


def test_a_file_of_the_model_is_refused(found):
    assert "save_weights(path) keeps them" in found["refused"]


def test_batches_without_an_end_are_not_evaluated(found):
    assert "steps must be given" in found["endless"]


def test_files_that_python_reads_are_refused(found):
    assert len(found["read_by_python"]) == 2
    for refused in found["read_by_python"]:
        assert "x must be batches that TensorFlow's own operations make" in refused


if __name__ == "__main__":
    member()
