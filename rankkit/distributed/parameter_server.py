"""Training with `tf.distribute.ParameterServerStrategy`."""

import itertools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rankkit.utils.errors import invalid
from rankkit.utils.tensorflow import dataset_graph

_PYTHON = {"PyFunc", "EagerPyFunc", "PyFuncStateless"}  # operations that call back to a process
_PART = re.compile(r"/part_(\d+)(:\d+)?$")  # as TensorFlow names the parts of a table


def endless(x: Any, kwargs: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Gives batches without an end, as every worker reads them, and says what an epoch is.

    Args:
        x: As `fit` takes it.
        kwargs: Its keyword arguments.

    Returns:
        Both, with as many steps an epoch as there are batches.

    Raises:
        ValueError: If it is not known how many there are, or they are read by Python.
    """
    if not isinstance(x, tf.data.Dataset):
        return x, dict(kwargs)
    _check_reader(x)
    if kwargs.get("steps_per_epoch") is not None:
        return x, dict(kwargs)
    count = int(x.cardinality())
    if count < 0:
        fix = "Workers go through the rows at their own pace: say how many steps are an epoch."
        raise invalid("steps_per_epoch", None, "given for batches of unknown number", fix)
    return x.repeat(), {**kwargs, "steps_per_epoch": count}


def _check_reader(x: tf.data.Dataset) -> None:
    graph = dataset_graph(x)
    nodes = itertools.chain(graph.node, *(each.node_def for each in graph.library.function))
    if any(node.op in _PYTHON for node in nodes):
        raise ValueError(
            "x must be batches that TensorFlow's own operations make, where parameter servers hold "
            "the weights. Got: a data set that runs Python, as read_parquet, read_csv and "
            "from_generator give, which other processes cannot be sent. Give rankkit.data.batches "
            "of rows in memory, or a tf.data.Dataset over TensorFlow's own readers."
        )


def evaluated_here(
    model: Any, batches: tf.data.Dataset, steps: int | None, callbacks: Any
) -> dict[str, float]:
    """Evaluates each batch once; workers would each take batches of their own.

    Args:
        model: A model of a strategy with parameter servers, which has a `step_here` of evaluation.
        batches: What to evaluate it on.
        steps: How many of them, `None` for all.
        callbacks: As `evaluate` takes them.

    Raises:
        ValueError: If there is no end to them, or none of them.
    """
    if steps is None and batches.cardinality() == tf.data.INFINITE_CARDINALITY:
        fix = "The batches have no end: say how many are to be evaluated."
        raise invalid("steps", None, "given", fix)
    step = model.step_here
    told = callbacks
    if not isinstance(told, tf.keras.callbacks.CallbackList):
        told = tf.keras.callbacks.CallbackList(told, model=model)
    told.on_test_begin()
    model.reset_metrics()
    logs: dict[str, Any] = {}
    for number, batch in enumerate(itertools.islice(batches, steps)):
        told.on_test_batch_begin(number)
        logs = step(batch)
        told.on_test_batch_end(number, logs)
    if not logs:
        raise ValueError("x must have at least one batch. Got: an empty data set.")
    found = {name: float(value) for name, value in logs.items()}
    told.on_test_end(found)
    return found


def gathered(network: tf.keras.Model) -> tf.keras.Model:
    """Gives a network whose weights are in this process: itself, or a copy of one of servers."""
    if not any("/job:ps" in (weight.device or "") for weight in network.weights):
        return network
    wholes: list[list[tf.Variable]] = []
    for weight in network.weights:
        part = _PART.search(weight.name)
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
