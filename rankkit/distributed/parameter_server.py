"""Training with `tf.distribute.ParameterServerStrategy`."""

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import invalid
from rankkit.utils.tensorflow import dataset_graph

_PYTHON = {"PyFunc", "EagerPyFunc", "PyFuncStateless"}  # operations that run Python code
_SHARD = re.compile(r"/part_(\d+)(:\d+)?$")  # as TensorFlow names the shards of a table


def repeat_for_workers(x: Any, steps_per_epoch: int | None) -> tuple[Any, int | None]:
    """Repeats batches endlessly, as each worker reads them all; returns the steps per epoch too."""
    if not isinstance(x, tf.data.Dataset):
        return x, steps_per_epoch
    _check_reader(x)
    if steps_per_epoch is not None:
        return x, steps_per_epoch
    count = int(x.cardinality())
    if count < 0:
        expected = "an integer with parameter servers, if the number of batches is unknown"
        fix = "Each worker takes batches at its own pace: pass how many make an epoch."
        raise invalid("steps_per_epoch", None, expected, fix)
    return x.repeat(), count


def _check_reader(x: tf.data.Dataset) -> None:
    graph = dataset_graph(x)
    nodes = itertools.chain(graph.node, *(each.node_def for each in graph.library.function))
    if any(node.op in _PYTHON for node in nodes):
        raise ValueError(
            "With parameter servers, x must be a data set that runs no Python code, so that it "
            "can be sent to other processes. Got: a data set that does, such as of "
            "read_parquet, read_csv and from_generator. Pass rankkit.data.batches of examples in "
            "memory, or a tf.data.Dataset over TensorFlow's own readers."
        )


def evaluate_locally(
    model: Any,
    test_step: Callable[[Any], dict[str, tf.Tensor]],
    batches: tf.data.Dataset,
    steps: int | None,
    callbacks: Any,
) -> dict[str, float]:
    """Evaluates each batch once in this process; workers would each take batches of their own."""
    if steps is None and batches.cardinality() == tf.data.INFINITE_CARDINALITY:
        fix = "Pass the number of batches to evaluate."
        raise invalid("steps", None, "an integer for an endless data set", fix)
    if not isinstance(callbacks, tf.keras.callbacks.CallbackList):
        callbacks = tf.keras.callbacks.CallbackList(callbacks, model=model)
    callbacks.on_test_begin()
    model.reset_metrics()
    logs: dict[str, Any] = {}
    for number, batch in enumerate(itertools.islice(batches, steps)):
        callbacks.on_test_batch_begin(number)
        logs = test_step(batch)
        callbacks.on_test_batch_end(number, logs)
    if not logs:
        raise ValueError("x must have at least one batch. Got: an empty data set.")
    found = {name: float(value) for name, value in logs.items()}
    callbacks.on_test_end(found)
    return found


def gathered(network: tf.keras.Model) -> tf.keras.Model:
    """Returns a network whose weights are in this process: the network, or a copy of it."""
    if not any("/job:ps" in (weight.device or "") for weight in network.weights):
        return network
    wholes: list[list[tf.Variable]] = []
    for weight in network.weights:
        part = _SHARD.search(weight.name)
        if part and int(part.group(1)) > 0:
            wholes[-1].append(weight)
        else:
            wholes.append([weight])
    copy = type(network).from_config(network.get_config())
    copy.set_weights(
        [
            np.concatenate([part.numpy() for part in parts]) if len(parts) > 1 else parts[0].numpy()
            for parts in wholes
        ]
    )
    return copy
