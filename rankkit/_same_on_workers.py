"""The check that all workers train the same network on as many batches."""

import hashlib
import json
from typing import Any

import tensorflow as tf

_UNKNOWN = tf.data.UNKNOWN_CARDINALITY


def check_workers(model: tf.keras.Model, data: Any) -> None:
    """Compares what this worker is to train with what the others are.

    Left to itself, a worker with fewer batches would keep the others waiting, and one with another
    vocabulary of the same size would train other rows of the tables. (Tables of other sizes are
    refused by TensorFlow itself, when they are made.) Which rows are in the batches is not
    compared: workers may read parts of their own.

    Args:
        model: What is trained.
        data: What is given to `fit`.

    Raises:
        ValueError: If workers differ; on all of them.
    """
    strategy = model.distribute_strategy
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return
    resolver = strategy.cluster_resolver
    workers = 0 if resolver is None else len(resolver.cluster_spec().as_dict().get("worker", ()))
    if workers < 2:
        return
    config = json.dumps(model.get_config(), sort_keys=True, default=repr)
    digest = hashlib.sha256(config.encode()).digest()
    own = tf.constant([[int.from_bytes(digest[:7]), _num_batches(data)]], tf.int64)
    of_all = _gathered(strategy, own).numpy()  # (replicas, 2)
    networks, batches = of_all[:: len(of_all) // workers].T.tolist()
    _check_equal("Workers must train the same network, vocabularies included", networks, "network")
    _check_equal("Workers must have as many batches as each other", batches, "batches")


def _num_batches(data: Any) -> int:
    return int(data.cardinality()) if isinstance(data, tf.data.Dataset) else int(_UNKNOWN)


def _gathered(strategy: tf.distribute.Strategy, value: tf.Tensor) -> tf.Tensor:
    @tf.function
    def gather() -> Any:
        context = tf.distribute.get_replica_context()
        return context.all_gather(value, axis=0)

    return strategy.experimental_local_results(strategy.run(gather))[0]


def _check_equal(words: str, values: list[int], what: str) -> None:
    if len(set(values)) == 1:
        return
    if what == "batches":
        got = ", ".join(f"{value} on worker {number}" for number, value in enumerate(values))
        fix = "Give all of them the same rows, and the same batch size."
    else:
        other = [number for number, value in enumerate(values) if value != values[0]]
        got = f"another one on worker {', '.join(map(str, other))} than on worker 0"
        fix = "Make vocabularies and scales of the same rows on all of them."
    raise ValueError(f"{words}. Got: {got}. {fix}")
